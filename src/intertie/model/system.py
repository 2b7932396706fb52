"""The state of the grid and of the resources on it: outages, conditions, measurements, operators' requests, applications."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from intertie.model.aggregation import DERS_MAX
from intertie.model.contract import Points, Revision
from intertie.model.feeder import SECTIONS_MAX
from intertie.model.ids import AggregationRef, DerRef, Name, PointRef, ShortText, Text
from intertie.model.interval import Instant, IntervalSeries, Window
from intertie.model.market import SomePoints
from intertie.model.price import Prices, check_prices
from intertie.model.quantity import Kilovars, Kilowatts, Percent, Unit, Volts
from intertie.model.record import Record, RuleError
from intertie.model.rules import forbids, needs, no_repeats, not_negative, one_of, series_covers, series_of

# A scan of a distribution system: several thousand points, about 150 bytes each.
MEASUREMENTS_MAX = 20_000
# A switching order has tens of steps.
SWITCHING_MAX = 500
SERIES_IN_APPLICATION_MAX = 5000

SomeSections = Annotated[tuple[Name, ...], Meta(max_length=SECTIONS_MAX)]
SomeDers = Annotated[tuple[DerRef, ...], Meta(max_length=DERS_MAX)]
Ders = Annotated[tuple[DerRef, ...], Meta(min_length=1, max_length=DERS_MAX)]


class OutageKind(StrEnum):
    """Whether an outage was meant."""

    PLANNED = "planned"
    UNPLANNED = "unplanned"


class OutageCause(StrEnum):
    """Why there is no supply."""

    MAINTENANCE = "maintenance"
    CONSTRUCTION = "construction"
    EQUIPMENT_FAILURE = "equipment_failure"
    WEATHER = "weather"
    VEGETATION = "vegetation"
    ANIMAL = "animal"
    VEHICLE = "vehicle"
    PUBLIC_SAFETY = "public_safety"
    TRANSMISSION = "transmission"
    CYBER = "cyber"
    UNKNOWN = "unknown"
    OTHER = "other"


class OutageNotice(Record, frozen=True, kw_only=True):
    """The utility says that points are, or will be, without supply (use case, System/Outage). A planned one says until when.

    `sections` are those of the feeder model: they and everything fed through them are without supply too.
    """

    outage: Name
    kind: OutageKind
    points: Points
    starts: Instant
    cause: OutageCause
    estimated_restoration: Instant | None = None
    feeders: Annotated[tuple[Name, ...], Meta(max_length=500)] = ()
    sections: SomeSections = ()
    affected_customers: Annotated[int, Meta(ge=0, le=100_000_000)] | None = None
    affected_ders: SomeDers = ()
    text: Text = ""

    def check(self) -> None:
        """Points and sections once; restoration after the start."""
        no_repeats("points", self.points)
        no_repeats("sections", self.sections)
        if self.kind is OutageKind.PLANNED:
            needs(self, self.kind, "estimated_restoration")
        if self.estimated_restoration is not None and self.estimated_restoration <= self.starts:
            raise RuleError("estimated_restoration: not after the start")


class OutageStatus(StrEnum):
    """How far the work is."""

    SCHEDULED = "scheduled"
    INVESTIGATING = "investigating"
    CREW_ASSIGNED = "crew_assigned"
    REPAIRING = "repairing"
    PARTLY_RESTORED = "partly_restored"
    POSTPONED = "postponed"
    CANCELLED = "cancelled"


class OutageUpdate(Record, frozen=True, kw_only=True):
    """News of an outage: how far, until when, which points are back or newly without supply. A higher revision is newer."""

    outage: Name
    revision: Revision
    at: Instant
    status: OutageStatus
    starts: Instant | None = None
    estimated_restoration: Instant | None = None
    restored_points: SomePoints = ()
    added_points: SomePoints = ()
    cause: OutageCause | None = None
    text: Text = ""

    def check(self) -> None:
        """A point is back or lost, not both; a new start is told where it is postponed."""
        no_repeats("restored_points, added_points", [*self.restored_points, *self.added_points])
        if self.status is OutageStatus.POSTPONED:
            needs(self, self.status, "starts")
        if self.status is OutageStatus.PARTLY_RESTORED:
            needs(self, self.status, "restored_points")


class RestorationNotice(Record, frozen=True, kw_only=True):
    """Supply is back at these points since `restored`, and in these sections with all below them; `complete` ends the outage."""

    outage: Name
    points: Points
    restored: Instant
    complete: bool = True
    sections: SomeSections = ()
    text: Text = ""

    def check(self) -> None:
        """Points and sections once."""
        no_repeats("points", self.points)
        no_repeats("sections", self.sections)


class ConditionKind(StrEnum):
    """What a system condition tells."""

    LIMIT = "limit"
    SWITCHING = "switching"
    FORECAST = "forecast"
    NORMAL = "normal"


class SwitchAction(StrEnum):
    """What is done to a switching device."""

    OPEN = "open"
    CLOSE = "close"
    TAG = "tag"
    UNTAG = "untag"


class SwitchingStep(Record, frozen=True, kw_only=True):
    """One operation of a switching order; `moves_to` is the feeder that the points hang on afterwards."""

    device: Name
    action: SwitchAction
    at: Instant
    moves_to: Name | None = None


class SystemCondition(Record, frozen=True, kw_only=True):
    """A limit on, a forecast of, or a change to the grid at these points (OpenADR 3 IMPORT/EXPORT_CAPACITY_LIMIT).

    Power is from the grid to the points: `forecast_kw` may be below zero (reverse flow); `limit_kw` bounds the flow
    towards the points, `export_limit_kw` the flow back. `normal` ends the condition of the same name; a higher `revision`
    replaces it.
    """

    condition: Name
    kind: ConditionKind
    points: Points
    window: Window
    limit_kw: IntervalSeries | None = None
    export_limit_kw: IntervalSeries | None = None
    forecast_kw: IntervalSeries | None = None
    switching: Annotated[tuple[SwitchingStep, ...], Meta(max_length=SWITCHING_MAX)] = ()
    revision: Revision = 1
    text: Text = ""

    def check(self) -> None:
        """What the kind promises is there; series in kW over the window."""
        no_repeats("points", self.points)
        series_of("limit_kw", self.limit_kw, Unit.KW)
        series_of("export_limit_kw", self.export_limit_kw, Unit.KW)
        series_of("forecast_kw", self.forecast_kw, Unit.KW, signed=True)
        for field in ("limit_kw", "export_limit_kw", "forecast_kw"):
            series_covers(field, getattr(self, field), self.window)
        if self.kind is ConditionKind.LIMIT:
            one_of(self, "limit_kw", "export_limit_kw")
        elif self.kind is ConditionKind.FORECAST:
            needs(self, self.kind, "forecast_kw")
        elif self.kind is ConditionKind.SWITCHING:
            needs(self, self.kind, "switching")
        else:
            forbids(self, self.kind, "limit_kw", "export_limit_kw", "forecast_kw", "switching")


class AssetOutageCause(StrEnum):
    """Why resources are not there."""

    MAINTENANCE = "maintenance"
    FAILURE = "failure"
    COMMUNICATION = "communication"
    GRID_OUTAGE = "grid_outage"
    CUSTOMER = "customer"
    SAFETY = "safety"
    UNKNOWN = "unknown"


class AssetOutage(Record, frozen=True, kw_only=True):
    """The aggregator says that DERs are out of service, and what power is missing (2030.5 DERStatus, alarms). A higher
    `revision` is newer."""

    outage: Name
    aggregation: AggregationRef
    kind: OutageKind
    ders: Ders
    starts: Instant
    cause: AssetOutageCause
    unavailable_kw: Kilowatts
    expected_return: Instant | None = None
    revision: Revision = 1
    text: Text = ""

    def check(self) -> None:
        """DERs once; a return after the start."""
        no_repeats("ders", self.ders)
        not_negative(self, "unavailable_kw")
        if self.expected_return is not None and self.expected_return <= self.starts:
            raise RuleError("expected_return: not after the start")


class AssetReturn(Record, frozen=True, kw_only=True):
    """DERs of an asset outage are back since `returned`."""

    outage: Name
    aggregation: AggregationRef
    ders: Ders
    returned: Instant
    available_kw: Kilowatts | None = None
    complete: bool = True
    text: Text = ""

    def check(self) -> None:
        """DERs once."""
        no_repeats("ders", self.ders)
        not_negative(self, "available_kw")


class PointStatus(StrEnum):
    """State of the switch or the supply at a point."""

    ENERGIZED = "energized"
    DEENERGIZED = "deenergized"
    OPEN = "open"
    CLOSED = "closed"
    TAGGED = "tagged"
    ALARM = "alarm"
    UNKNOWN = "unknown"


class DataQuality(StrEnum):
    """How good a measurement is (OpenADR 3 DATA_QUALITY; IEC 61850 validity, put simply)."""

    GOOD = "good"
    ESTIMATED = "estimated"
    STALE = "stale"
    BAD = "bad"


class PointMeasurement(Record, frozen=True, kw_only=True):
    """What was measured at one point at one time; `percent` is the loading of what it feeds from."""

    point: PointRef
    at: Instant
    quality: DataQuality = DataQuality.GOOD
    kw: Kilowatts | None = None
    kvar: Kilovars | None = None
    volts: Volts | None = None
    percent: Percent | None = None
    status: PointStatus | None = None

    def check(self) -> None:
        """At least one quantity; magnitudes not below zero (an overload is above 100 %)."""
        one_of(self, "kw", "kvar", "volts", "percent", "status")
        not_negative(self, "volts", "percent")


class PowerSystemData(Record, frozen=True, kw_only=True):
    """Measurements by point, every few seconds where the interface is real-time (ET1: power system data)."""

    measurements: Annotated[tuple[PointMeasurement, ...], Meta(min_length=1, max_length=MEASUREMENTS_MAX)]
    source: Name | None = None
    scan: Annotated[int, Meta(ge=0, le=2**53)] | None = None

    def check(self) -> None:
        """One measurement per point and time."""
        no_repeats("measurements", ((one.point, one.at) for one in self.measurements))


class OperatingKind(StrEnum):
    """What an operator sends: a wish, an order, or a price to act on (ET1: requests, commands, pricing signals)."""

    REQUEST = "request"
    COMMAND = "command"
    PRICE = "price"


class OperatingAction(StrEnum):
    """What an operator wants done."""

    DEMAND_RESPONSE = "demand_response"
    LOAD_MANAGEMENT = "load_management"
    ANCILLARY_SERVICE = "ancillary_service"
    CHARGE = "charge"
    DISCHARGE = "discharge"
    VOLTAGE_REDUCTION = "voltage_reduction"
    SHED_LOAD = "shed_load"
    RESTORE_LOAD = "restore_load"
    REPORT = "report"


class OperatingRequest(Record, frozen=True, kw_only=True):
    """An operator's request, command or price for a window; `target_kw` is a change, positive for less load or more injection."""

    request: Name
    kind: OperatingKind
    window: Window
    respond_by: Instant
    action: OperatingAction | None = None
    points: SomePoints = ()
    aggregation: AggregationRef | None = None
    target_kw: IntervalSeries | None = None
    target_kvar: IntervalSeries | None = None
    prices: Prices = ()
    text: Text = ""

    def check(self) -> None:
        """A price holds prices; a request or command says which action."""
        rule = needs if self.kind is OperatingKind.PRICE else forbids
        rule(self, self.kind, "prices")
        if self.kind is not OperatingKind.PRICE:
            needs(self, self.kind, "action")
        no_repeats("points", self.points)
        series_of("target_kw", self.target_kw, Unit.KW, signed=True)
        series_of("target_kvar", self.target_kvar, Unit.KVAR, signed=True)
        series_covers("target_kw", self.target_kw, self.window)
        series_covers("target_kvar", self.target_kvar, self.window)
        check_prices("prices", self.prices, self.window)
        if self.respond_by >= self.window.end:
            raise RuleError("respond_by: not before the window ends")


class OperatingAnswer(StrEnum):
    """What becomes of an operator's request."""

    ACCEPTED = "accepted"
    PARTIAL = "partial"
    REFUSED = "refused"
    DONE = "done"
    FAILED = "failed"


class OperatingReason(StrEnum):
    """Why an operator's request is not, or not fully, followed."""

    NOT_AVAILABLE = "not_available"
    NOT_AUTHORISED = "not_authorised"
    NOT_CAPABLE = "not_capable"
    UNKNOWN_POINT = "unknown_point"
    LOCAL_LIMIT = "local_limit"
    CUSTOMER_OVERRIDE = "customer_override"
    COMMUNICATION_LOST = "communication_lost"
    TOO_LATE = "too_late"
    SAFETY = "safety"
    OTHER = "other"


class OperatingResponse(Record, frozen=True, kw_only=True):
    """The answer to an operating request, first what is intended, later what was done, with measurements if asked for."""

    request: Name
    answer: OperatingAnswer
    at: Instant
    reason: OperatingReason | None = None
    committed_kw: IntervalSeries | None = None
    measurements: Annotated[tuple[PointMeasurement, ...], Meta(max_length=MEASUREMENTS_MAX)] = ()
    text: Text = ""

    def check(self) -> None:
        """Whatever falls short has a reason; the rest has none."""
        series_of("committed_kw", self.committed_kw, Unit.KW, signed=True)
        full = self.answer in (OperatingAnswer.ACCEPTED, OperatingAnswer.DONE)
        (forbids if full else needs)(self, self.answer, "reason")
        if self.answer is OperatingAnswer.REFUSED:
            forbids(self, self.answer, "committed_kw")


class Application(StrEnum):
    """Applications that an operator's system calls (ET13)."""

    LOAD_FLOW = "load_flow"
    STATE_ESTIMATION = "state_estimation"
    LOAD_FORECAST = "load_forecast"
    DER_FORECAST = "der_forecast"
    VOLT_VAR = "volt_var"
    FAULT_LOCATION = "fault_location"
    SWITCHING_PLAN = "switching_plan"
    SHORT_CIRCUIT = "short_circuit"
    CONTINGENCY = "contingency"
    HOSTING_CAPACITY = "hosting_capacity"


class Parameter(Record, frozen=True, kw_only=True):
    """A named value of an application, as text; its meaning is the application's."""

    name: Name
    value: ShortText


class PointSeries(Record, frozen=True, kw_only=True):
    """A named series at a point, or of the whole system."""

    name: Name
    series: IntervalSeries
    point: PointRef | None = None


SomeParameters = Annotated[tuple[Parameter, ...], Meta(max_length=500)]
SomeSeries = Annotated[tuple[PointSeries, ...], Meta(max_length=SERIES_IN_APPLICATION_MAX)]


class ApplicationRequest(Record, frozen=True, kw_only=True):
    """Asks a utility application to run, with its data (ET13: data to Utility Apps)."""

    request: Name
    application: Application
    window: Window
    points: SomePoints = ()
    parameters: SomeParameters = ()
    inputs: SomeSeries = ()
    respond_by: Instant | None = None

    def check(self) -> None:
        """Each parameter, point and input once."""
        no_repeats("points", self.points)
        no_repeats("parameters", (one.name for one in self.parameters))
        no_repeats("inputs", ((one.name, one.point) for one in self.inputs))


class ApplicationStatus(StrEnum):
    """How a run ended."""

    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"


class ApplicationResult(Record, frozen=True, kw_only=True):
    """What a run came to: named values and series (ET13: results to SCADA/DMS). A failed one says why."""

    request: Name
    application: Application
    status: ApplicationStatus
    finished: Instant
    values: SomeParameters = ()
    results: SomeSeries = ()
    text: Text = ""

    def check(self) -> None:
        """A result has something in it; a failure has words."""
        if self.status is ApplicationStatus.FAILED:
            if not self.text:
                raise RuleError("text: a failure says why")
        else:
            one_of(self, "values", "results")
        no_repeats("values", (one.name for one in self.values))
        no_repeats("results", ((one.name, one.point) for one in self.results))
