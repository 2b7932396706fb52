"""What an aggregation is made of: its registration, the decision for each DER, and changes in real time."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from intertie.model.contract import Revision, Service, ServiceHours
from intertie.model.ids import AggregationRef, DerRef, MeterRef, Name, PointRef, ShortText, Text
from intertie.model.interval import Instant, Window, ZoneName
from intertie.model.quantity import Kilovars, KilowattHours, Kilowatts
from intertie.model.record import Record, RuleError
from intertie.model.rules import forbids, needs, no_repeats, not_negative, one_of

# Seven weekdays, several spans each.
HOURS_MAX = 100

# About 500 bytes each: this many DERs fit in a message with room to spare; more go in several.
DERS_MAX = 10_000


class Technology(StrEnum):
    """What a DER is."""

    PV = "pv"
    BATTERY = "battery"
    EV_CHARGER = "ev_charger"
    HEAT_PUMP = "heat_pump"
    CONTROLLABLE_LOAD = "controllable_load"
    CHP = "chp"
    WIND = "wind"
    HYDRO = "hydro"
    V2G = "v2g"


class ControlMode(StrEnum):
    """What a DER can be told to do: the modes of IEEE 2030.5 DERControlBase, and the two of DERControlType beside them."""

    CONNECT = "opModConnect"
    ENERGIZE = "opModEnergize"
    FIXED_PF = "opModFixedPF"
    FIXED_VAR = "opModFixedVar"
    FIXED_W = "opModFixedW"
    FREQ_DROOP = "opModFreqDroop"
    FREQ_WATT = "opModFreqWatt"
    HFRT_MUST_TRIP = "opModHFRTMustTrip"
    HVRT_MOMENTARY_CESSATION = "opModHVRTMomentaryCessation"
    HVRT_MUST_TRIP = "opModHVRTMustTrip"
    LFRT_MUST_TRIP = "opModLFRTMustTrip"
    LVRT_MOMENTARY_CESSATION = "opModLVRTMomentaryCessation"
    LVRT_MUST_TRIP = "opModLVRTMustTrip"
    MAX_LIM_W = "opModMaxLimW"
    TARGET_VAR = "opModTargetVar"
    TARGET_W = "opModTargetW"
    VOLT_VAR = "opModVoltVar"
    VOLT_WATT = "opModVoltWatt"
    WATT_PF = "opModWattPF"
    WATT_VAR = "opModWattVar"
    CHARGE = "charge"
    DISCHARGE = "discharge"


class NormalCategory(StrEnum):
    """IEEE 1547-2018 normal operating performance (2030.5 rtgNormalCategory)."""

    A = "A"
    B = "B"


class AbnormalCategory(StrEnum):
    """IEEE 1547-2018 ride-through performance (2030.5 rtgAbnormalCategory)."""

    I = "I"  # noqa: E741 -- the category's own name
    II = "II"
    III = "III"


Hours = Annotated[tuple[ServiceHours, ...], Meta(max_length=HOURS_MAX)]


class Programme(Record, frozen=True, kw_only=True):
    """Another programme a DER is committed to, so that double commitment can be seen (FERC Order 2222 dual participation).

    It takes `committed_kw`, or all of the DER, in the hours of the week that it names (in its own zone), or at any time.
    """

    programme: Name
    operator: ShortText
    term: Window
    committed_kw: Kilowatts | None = None
    service_hours: Hours = ()
    zone: ZoneName | None = None

    def check(self) -> None:
        """A commitment is not below zero; hours have a zone."""
        not_negative(self, "committed_kw")
        if self.service_hours and self.zone is None:
            raise RuleError("zone: needed where there are service_hours")


class Der(Record, frozen=True, kw_only=True):
    """One distributed energy resource with its ratings (IEEE 2030.5 DERCapability: rtgW, rtgWh, rtgVar, rtgVA, ...).

    Known to the utility by `premises` or by `account`; one of them at least. `control_modes` are modesSupported.
    """

    id: DerRef
    technology: Technology
    nameplate_kw: Kilowatts
    feeder: Name
    point: PointRef
    meter: MeterRef
    premises: Name | None = None
    account: Name | None = None
    nameplate_kwh: KilowattHours | None = None
    nameplate_kvar: Kilovars | None = None
    nameplate_kva: Kilowatts | None = None
    max_charge_kw: Kilowatts | None = None
    max_discharge_kw: Kilowatts | None = None
    normal_category: NormalCategory | None = None
    abnormal_category: AbnormalCategory | None = None
    control_modes: Annotated[tuple[ControlMode, ...], Meta(max_length=32)] = ()
    other_programmes: Annotated[tuple[Programme, ...], Meta(max_length=32)] = ()
    consent: Name | None = None

    def check(self) -> None:
        """Some reference to the customer; a nameplate above zero; modes once."""
        one_of(self, "premises", "account")
        if self.nameplate_kw <= 0:
            raise RuleError("nameplate_kw: must be above zero")
        not_negative(
            self, "nameplate_kwh", "nameplate_kvar", "nameplate_kva", "max_charge_kw", "max_discharge_kw"
        )
        no_repeats("control_modes", self.control_modes)


class AggregationRegistration(Record, frozen=True, kw_only=True):
    """All DERs of an aggregation, and the services it is offered for (use case, Aggregation Information).

    A higher `revision` replaces the list: who is not on it leaves. Offered from `effective` to `ends`, in `service_hours` of
    `zone`, or at any time: so long may no other programme have the same kilowatts.
    """

    aggregation: AggregationRef
    services: Annotated[tuple[Service, ...], Meta(min_length=1, max_length=len(Service))]
    effective: Instant
    ders: Annotated[tuple[Der, ...], Meta(min_length=1, max_length=DERS_MAX)]
    revision: Revision = 1
    ends: Instant | None = None
    service_hours: Hours = ()
    zone: ZoneName | None = None

    def check(self) -> None:
        """Each DER and each service once; an end after the beginning; hours with their zone."""
        no_repeats("services", self.services)
        if self.ends is not None and self.ends <= self.effective:
            raise RuleError("ends: not after effective")
        if self.service_hours and self.zone is None:
            raise RuleError("zone: needed where there are service_hours")
        no_repeats("ders", (der.id for der in self.ders))


class DecisionReason(StrEnum):
    """Why the utility refuses a DER."""

    DOUBLE_COMMITMENT = "double_commitment"
    ALREADY_REGISTERED = "already_registered"
    UNKNOWN_CUSTOMER = "unknown_customer"
    UNKNOWN_CONNECTION_POINT = "unknown_connection_point"
    WRONG_FEEDER = "wrong_feeder"
    NOT_INTERCONNECTED = "not_interconnected"
    NAMEPLATE_MISMATCH = "nameplate_mismatch"
    TECHNOLOGY_EXCLUDED = "technology_excluded"
    CONTROL_MODE_MISSING = "control_mode_missing"
    CONSENT_MISSING = "consent_missing"
    METER_MISSING = "meter_missing"
    METER_UNSUITABLE = "meter_unsuitable"
    HOSTING_CAPACITY = "hosting_capacity"
    OUTSIDE_AGREEMENT = "outside_agreement"
    OTHER = "other"


class DerDecision(Record, frozen=True, kw_only=True):
    """The utility's word on one DER; `accepted_kw` where it takes less than the nameplate."""

    der: DerRef
    accepted: bool
    reason: DecisionReason | None = None
    detail: Text = ""
    accepted_kw: Kilowatts | None = None

    def check(self) -> None:
        """A refusal has a reason, an acceptance none."""
        if self.accepted:
            forbids(self, "accepted", "reason")
        else:
            needs(self, "refused", "reason")
            forbids(self, "refused", "accepted_kw")
        not_negative(self, "accepted_kw")


class RegistrationDecision(Record, frozen=True, kw_only=True):
    """One decision for each DER of a registration; the accepted ones count from `effective`."""

    aggregation: AggregationRef
    decisions: Annotated[tuple[DerDecision, ...], Meta(min_length=1, max_length=DERS_MAX)]
    effective: Instant
    revision: Revision = 1

    def check(self) -> None:
        """Each DER once."""
        no_repeats("decisions", (decision.der for decision in self.decisions))


class RemovalReason(StrEnum):
    """Why a DER leaves an aggregation."""

    CUSTOMER_LEFT = "customer_left"
    CONSENT_REVOKED = "consent_revoked"
    DECOMMISSIONED = "decommissioned"
    MOVED = "moved"
    OTHER_PROGRAMME = "other_programme"
    OTHER = "other"


class DerRemoval(Record, frozen=True, kw_only=True):
    """A DER that leaves."""

    der: DerRef
    reason: RemovalReason
    detail: Text = ""


class DerState(StrEnum):
    """Whether a DER takes part just now (2030.5 DERStatus operational mode, put simply)."""

    IN_SERVICE = "in_service"
    LIMITED = "limited"
    OUT_OF_SERVICE = "out_of_service"
    NOT_REACHABLE = "not_reachable"


class DerChange(Record, frozen=True, kw_only=True):
    """A DER that stays and can do more or less than before; `available_kw` is what it can do now."""

    der: DerRef
    state: DerState
    available_kw: Kilowatts | None = None
    detail: Text = ""

    def check(self) -> None:
        """A limited DER says its limit; nothing is below zero."""
        not_negative(self, "available_kw")
        if self.state is DerState.LIMITED:
            needs(self, self.state, "available_kw")


class DerMove(Record, frozen=True, kw_only=True):
    """A DER that is connected elsewhere: it leaves its old place at once, and counts at the new one once accepted."""

    der: DerRef
    feeder: Name
    point: PointRef
    meter: MeterRef
    premises: Name | None = None
    account: Name | None = None

    def check(self) -> None:
        """Some reference to the customer at the new place."""
        one_of(self, "premises", "account")


class CompositionChange(Record, frozen=True, kw_only=True):
    """DERs that join, leave, move or change, from `effective` on (minutes of 20 November 2024: composition in real time).

    `replaced` gives a DER's record anew (another nameplate, another programme); the utility decides on it as on a new one, and
    until then the old record counts. `changed` tells what a DER can do just now, and needs no decision.
    """

    aggregation: AggregationRef
    effective: Instant
    revision: Revision
    added: Annotated[tuple[Der, ...], Meta(max_length=DERS_MAX)] = ()
    removed: Annotated[tuple[DerRemoval, ...], Meta(max_length=DERS_MAX)] = ()
    changed: Annotated[tuple[DerChange, ...], Meta(max_length=DERS_MAX)] = ()
    replaced: Annotated[tuple[Der, ...], Meta(max_length=DERS_MAX)] = ()
    moved: Annotated[tuple[DerMove, ...], Meta(max_length=DERS_MAX)] = ()

    def check(self) -> None:
        """Some change, and each DER in one place only."""
        fields = ("added", "removed", "changed", "replaced", "moved")
        one_of(self, *fields)
        named = [*(der.id for der in (*self.added, *self.replaced)), *(one.der for one in self.removed)]
        named += [*(one.der for one in self.changed), *(one.der for one in self.moved)]
        no_repeats(", ".join(fields), named)


class SuspensionReason(StrEnum):
    """Why DERs do not take part for a while."""

    CONSENT = "consent"
    SAFETY = "safety"
    NON_PERFORMANCE = "non_performance"
    TELEMETRY_LOST = "telemetry_lost"
    CUSTOMER = "customer"
    INTERCONNECTION = "interconnection"
    OTHER = "other"


class DerSuspension(Record, frozen=True, kw_only=True):
    """Either side takes DERs out of the aggregation for a while: they are not called, and stand in for nothing.

    Without `ders` all of the aggregation are meant. It ends at `until`, or when its author says so.
    """

    suspension: Name
    aggregation: AggregationRef
    effective: Instant
    reason: SuspensionReason
    ders: Annotated[tuple[DerRef, ...], Meta(max_length=DERS_MAX)] = ()
    until: Instant | None = None
    text: Text = ""

    def check(self) -> None:
        """Each DER once; an end after the beginning."""
        no_repeats("ders", self.ders)
        if self.until is not None and self.until <= self.effective:
            raise RuleError("until: not after effective")


class DerResumption(Record, frozen=True, kw_only=True):
    """Ends a suspension, for all DERs that it is about, from `effective` on; only its author can."""

    suspension: Name
    aggregation: AggregationRef
    effective: Instant
    text: Text = ""
