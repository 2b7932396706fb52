"""A customer's consent that a third party gets data: granted, taken back, and used (ET17; ESPI authorisation)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from intertie.model.ids import MeterRef, Name, PartyName, PointRef, Text
from intertie.model.interval import STEPS_SECONDS, Instant, Window
from intertie.model.market import SomePoints
from intertie.model.metering import METERS_MAX
from intertie.model.record import Record, RuleError
from intertie.model.rules import needs, no_repeats, one_of

# ESPI numbers its function blocks below 100; the highest in use is in the sixties.
FunctionBlock = Annotated[int, Meta(ge=1, le=99)]
FunctionBlocks = Annotated[tuple[FunctionBlock, ...], Meta(min_length=1, max_length=99)]
# Ten years of history is beyond what custodians keep.
HistoryDays = Annotated[int, Meta(ge=0, le=3660)]


class ConsentScope(Record, frozen=True, kw_only=True):
    """What may be seen, after the ESPI scope string: function blocks, the finest interval, and how far back."""

    function_blocks: FunctionBlocks
    interval_seconds: Annotated[int, Meta(ge=1, le=86400)]
    history_days: HistoryDays

    def check(self) -> None:
        """Blocks once; an interval that divides the day."""
        no_repeats("function_blocks", self.function_blocks)
        if self.interval_seconds not in STEPS_SECONDS:
            raise RuleError(f"interval_seconds: none of {STEPS_SECONDS}")

    @property
    def espi_scope(self) -> str:
        """As ESPI writes it: FB=1_3_4;IntervalDuration=900;HistoryLength=34 (days as seconds)."""
        blocks = "_".join(str(block) for block in sorted(self.function_blocks))
        return (
            f"FB={blocks};IntervalDuration={self.interval_seconds};HistoryLength={self.history_days * 86400}"
        )


class ConsentPurpose(StrEnum):
    """What the data is for."""

    AGGREGATION = "aggregation"
    SETTLEMENT = "settlement"
    ENERGY_ADVICE = "energy_advice"
    RESEARCH = "research"
    BILLING = "billing"
    CHARGING = "charging"
    OTHER = "other"


class ConsentGrant(Record, frozen=True, kw_only=True):
    """A customer lets a third party have data of these points, for a purpose and a time.

    `customer` is the custodian's reference to the customer, not a name.
    """

    consent: Name
    customer: Name
    third_party: PartyName
    scope: ConsentScope
    purpose: ConsentPurpose
    window: Window
    points: Annotated[tuple[PointRef, ...], Meta(min_length=1, max_length=500)]
    granted: Instant
    text: Text = ""

    def check(self) -> None:
        """Points once; granted before it ends."""
        no_repeats("points", self.points)
        if self.granted >= self.window.end:
            raise RuleError("granted: after the consent has ended")
        if self.purpose is ConsentPurpose.OTHER and not self.text:
            raise RuleError("text: another purpose is put into words")


class RevokedBy(StrEnum):
    """Who ends a consent."""

    CUSTOMER = "customer"
    CUSTODIAN = "custodian"
    THIRD_PARTY = "third_party"


class ConsentRevocation(Record, frozen=True, kw_only=True):
    """Ends a consent at `revoked`; `erase` asks that what was got under it be erased (ESPI AuthorizationStatus 0)."""

    consent: Name
    revoked: Instant
    by: RevokedBy
    erase: bool = False
    text: Text = ""


class DataKind(StrEnum):
    """What is asked for under a consent."""

    READINGS = "readings"
    BILLING = "billing"
    DER = "der"
    CHARGING = "charging"


class DataRequest(Record, frozen=True, kw_only=True):
    """A third party asks for data under a consent, no finer and no further back than its scope."""

    request: Name
    consent: Name
    kind: DataKind
    window: Window
    interval_seconds: Annotated[int, Meta(ge=1, le=86400)] | None = None
    points: SomePoints = ()
    meters: Annotated[tuple[MeterRef, ...], Meta(max_length=METERS_MAX)] = ()
    respond_by: Instant | None = None

    def check(self) -> None:
        """Some point or meter, each once; readings in some interval."""
        one_of(self, "points", "meters")
        no_repeats("points", self.points)
        no_repeats("meters", self.meters)
        if self.kind is DataKind.READINGS:
            needs(self, self.kind, "interval_seconds")
        if self.interval_seconds is not None and self.interval_seconds not in STEPS_SECONDS:
            raise RuleError(f"interval_seconds: none of {STEPS_SECONDS}")
