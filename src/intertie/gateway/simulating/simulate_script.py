"""What a simulated partner says by itself: a script in TOML, with a default that is of use at once."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from intertie.model.aggregation import DecisionReason, Technology
from intertie.model.contract import ObjectionReason, Service
from intertie.model.dispatch import RefusalReason
from intertie.model.errors import SettingsError
from intertie.model.explain import why_unreadable
from intertie.model.ids import AggregationRef, AgreementRef, ConfirmationRef, Name, PointRef
from intertie.model.interval import ZoneName
from intertie.model.offers import Clearing
from intertie.model.record import Record
from intertie.model.rules import between, not_negative

# Nobody rehearses with more; a script is not a load generator.
DERS_MAX = 1000

Every = Annotated[int, Meta(ge=0, le=1_000_000)]  # 0: never
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Minutes = Annotated[int, Meta(ge=1, le=1440)]


class Manner(StrEnum):
    """How one thing is answered."""

    WELL = "well"
    PART = "part"
    REFUSE = "refuse"
    SILENT = "silent"


class Behaviour(Record, frozen=True, kw_only=True):
    """How things of one kind are answered: every so many of them otherwise than well, and all of them after a while."""

    refuse_every: Every = 0
    partial_every: Every = 0
    silent_every: Every = 0
    after_seconds: Seconds = 0.0
    partial_fraction: Decimal = Decimal("0.5")

    def check(self) -> None:
        """A part is one."""
        between(self, 0, 1, "partial_fraction")

    def manner(self, number: int) -> Manner:
        """How the so manieth is answered, counted from 1."""
        for manner, every in (
            (Manner.SILENT, self.silent_every),
            (Manner.REFUSE, self.refuse_every),
            (Manner.PART, self.partial_every),
        ):
            if every and number % every == 0:
                return manner
        return Manner.WELL


class ContractPart(Behaviour, frozen=True, kw_only=True):
    """The base contract: proposed when there is none, signed when it is proposed."""

    propose: bool = True
    agreement: AgreementRef = "SIM-GSA"  # type: ignore[assignment]
    zone: ZoneName = "America/New_York"


class RegistrationPart(Behaviour, frozen=True, kw_only=True):
    """A utility decides on DERs; an aggregator registers `ders` of them."""

    reason: DecisionReason = DecisionReason.HOSTING_CAPACITY
    aggregation: AggregationRef = "SIM-AGG"  # type: ignore[assignment]
    ders: Annotated[int, Meta(ge=0, le=DERS_MAX)] = 3
    kw: Decimal = Decimal(10)
    technology: Technology = Technology.BATTERY
    feeder: Name = "F1"
    point: PointRef = "F1-T1"  # type: ignore[assignment]


class DealPart(Behaviour, frozen=True, kw_only=True):
    """A utility confirms one deal once DERs are accepted; an aggregator answers."""

    propose: bool = True
    confirmation: ConfirmationRef = "SIM-DEAL"  # type: ignore[assignment]
    service: Service = Service.DIST_CAPACITY
    fraction: Decimal = Decimal("0.8")  # of the accepted kW
    notice_minutes: Annotated[int, Meta(ge=0, le=1440)] = 0
    reason: ObjectionReason = ObjectionReason.WRONG_QUANTITY

    def check(self) -> None:
        """A share of what is there."""
        between(self, 0, 1, "partial_fraction", "fraction")


class AvailabilityPart(Record, frozen=True, kw_only=True):
    """An aggregator declares what was accepted, for so many hours ahead."""

    declare: bool = True
    hours: Annotated[int, Meta(ge=1, le=168)] = 24
    fraction: Decimal = Decimal(1)

    def check(self) -> None:
        """A share of what is there."""
        between(self, 0, 1, "fraction")


class DispatchPart(Behaviour, frozen=True, kw_only=True):
    """A utility calls its deal `calls` times; an aggregator answers, starts, measures and finishes."""

    calls: Annotated[int, Meta(ge=0, le=100)] = 1
    first_after_seconds: Seconds = 2.0
    every_seconds: Seconds = 900.0
    fraction: Decimal = Decimal("0.5")  # of the contracted kW
    minutes: Annotated[int, Meta(ge=15, le=240, multiple_of=15)] = 60
    reason: RefusalReason = RefusalReason.NOT_AVAILABLE
    follows: Decimal = Decimal("0.95")  # what is measured, of what is owed

    def check(self) -> None:
        """Shares."""
        between(self, 0, 1, "partial_fraction", "fraction")
        between(self, 0, 2, "follows")


class MarketPart(Behaviour, frozen=True, kw_only=True):
    """A utility publishes `needs` and clears them (refused: nothing is taken); an aggregator offers to every need, at a price per
    kWh (in part: less than it could, refused and silent: nothing)."""

    needs: Annotated[int, Meta(ge=0, le=100)] = 1
    every_seconds: Seconds = 900.0
    gate_seconds: Annotated[float, Meta(ge=1, le=86_400)] = 300.0
    keys_seconds: Annotated[float, Meta(ge=1, le=86_400)] = 120.0
    sealed: bool = True
    clearing: Clearing = Clearing.PAY_AS_BID
    cap: Decimal = Decimal(2)
    price: Decimal = Decimal("0.50")

    def check(self) -> None:
        """Prices above nothing."""
        between(self, 0, 1, "partial_fraction")
        not_negative(self, "cap", "price")


class Script(Record, frozen=True, kw_only=True):
    """All of it."""

    contract: ContractPart = ContractPart()
    registration: RegistrationPart = RegistrationPart()
    deal: DealPart = DealPart()
    availability: AvailabilityPart = AvailabilityPart()
    dispatch: DispatchPart = DispatchPart()
    market: MarketPart = MarketPart()


def read_script(text: str) -> Script:
    """The script of a TOML text; SettingsError names what cannot be."""
    try:
        found: dict[str, Any] = tomllib.loads(text)
        return msgspec.convert(_decimals(found), Script)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        why = str(error) if isinstance(error, tomllib.TOMLDecodeError) else why_unreadable(error)
        raise SettingsError(
            f"the script cannot be read: {why}", do="docs/simulate.md explains every line of it."
        ) from error


def _decimals(tables: dict[str, Any]) -> dict[str, Any]:
    """Fractions and prices are exact: what TOML has as a float is taken as it is written, where a decimal is asked for."""
    hints = {
        name: {field.name for field in msgspec.structs.fields(part) if field.type is Decimal}
        for name, part in _PARTS.items()
    }
    return {
        name: {key: str(value) if key in hints.get(name, ()) else value for key, value in table.items()}
        if isinstance(table, dict)
        else table
        for name, table in tables.items()
    }


_PARTS: dict[str, type[Record]] = {
    "contract": ContractPart,
    "registration": RegistrationPart,
    "deal": DealPart,
    "availability": AvailabilityPart,
    "dispatch": DispatchPart,
    "market": MarketPart,
}

DEFAULT = """\
# What the simulated partner says by itself. Change it while it runs: it is read again when it is saved.
# Every part may say: refuse_every = 3 (each third is refused), partial_every, silent_every, after_seconds, partial_fraction.

[contract]
# propose = true              # when there is none
# agreement = "SIM-GSA"
# zone = "America/New_York"

[registration]
# reason = "hosting_capacity" # as a utility: why it refuses
# aggregation = "SIM-AGG"     # as an aggregator: what it registers
# ders = 3
# kw = 10.0                   # each
# technology = "battery"
# feeder = "F1"
# point = "F1-T1"

[deal]
# propose = true              # as a utility, once DERs are accepted
# confirmation = "SIM-DEAL"
# service = "DIST_CAPACITY"
# fraction = 0.8              # of the accepted kW
# notice_minutes = 0
# reason = "wrong_quantity"   # as an aggregator: why it objects

[availability]
# declare = true              # as an aggregator
# hours = 24
# fraction = 1.0              # of the accepted kW

[dispatch]
# calls = 1                   # as a utility
# first_after_seconds = 2.0   # after the deal is accepted
# every_seconds = 900.0
# fraction = 0.5              # of the contracted kW
# minutes = 60
# reason = "not_available"    # as an aggregator: why it refuses, or does a part
# follows = 0.95              # what it measures, of what it owes

[market]
# needs = 1                   # as a utility
# every_seconds = 900.0
# gate_seconds = 300.0
# keys_seconds = 120.0
# sealed = true
# clearing = "pay_as_bid"
# cap = 2.0                   # per kWh
# price = 0.50                # as an aggregator: what it asks
"""
