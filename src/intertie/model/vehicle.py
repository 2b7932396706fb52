"""Electric vehicles: who is plugged in where, on which plan, what it can do, what it is told, and what it does.

After ET3 and ET4 (identity, enrolment, capability, then commands and status), passed through ET5 and ET7 to ET10.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from intertie.model.ids import AggregationRef, Name, PartyName, PointRef, Text
from intertie.model.interval import Instant, IntervalSeries, Window
from intertie.model.metering import MeterReadings
from intertie.model.price import Prices, check_prices
from intertie.model.quantity import KilowattHours, Kilowatts, Percent, Unit
from intertie.model.record import Record, RuleError
from intertie.model.rules import (
    forbids,
    needs,
    no_repeats,
    not_negative,
    one_of,
    percents,
    series_covers,
    series_of,
)

# "Note that a null plan is still a plan" (ET3): a vehicle without any arrangement names this one.
NULL_PLAN = "null"
# A person is only ever a reference that says nothing by itself: long, and of no e-mail or telephone form.
Pseudonym = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{16,128}(?!\n)$")]
# What a payment service gave in place of a card: it begins with a letter, a card number does not.
PaymentToken = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_-]{7,127}(?!\n)$")]
CARD_DIGITS = re.compile(r"\d{13,19}")  # ISO/IEC 7812: length of a card number in use
DEVICES_MAX = 16  # intermediaries between the grid and one vehicle


class Authentication(StrEnum):
    """How a vehicle or its user proved who it is."""

    CONTRACT_CERTIFICATE = "contract_certificate"  # ISO 15118 Plug and Charge
    TOKEN = "token"  # noqa: S105 -- an RFID card or key fob, not a secret
    APP = "app"
    EQUIPMENT = "equipment"
    NONE = "none"


class VehicleLocation(Record, frozen=True, kw_only=True):
    """Where a vehicle is plugged in: at least the connection point, the supply equipment or the premises."""

    point: PointRef | None = None
    evse: Name | None = None
    premises: Name | None = None

    def check(self) -> None:
        """Somewhere."""
        one_of(self, "point", "evse", "premises")


class VehicleIdentity(Record, frozen=True, kw_only=True):
    """Identity of the vehicle, of the individual by a pseudonym, and the location, with how it was authenticated (ET3, ET4)."""

    vehicle: Name
    location: VehicleLocation
    authentication: Authentication
    at: Instant
    individual: Pseudonym | None = None
    certificate_sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")] | None = None
    session: Name | None = None

    def check(self) -> None:
        """Authenticated by certificate: by which."""
        if self.authentication is Authentication.CONTRACT_CERTIFICATE:
            needs(self, self.authentication, "certificate_sha256")


class EnrolmentKind(StrEnum):
    """Whether the account or plan is the usual one, or set up for a while (roaming)."""

    LONG_TERM = "long_term"
    TEMPORARY = "temporary"


class VehicleEnrolment(Record, frozen=True, kw_only=True):
    """The account or plan a vehicle is on, for good or for the duration of a stay (ET3, ET4). NULL_PLAN is a plan too.

    A temporary one says for how long, and may name the home utility (roaming) and a payment reference:
    an opaque token of a payment service, never a card number.
    """

    enrolment: Name
    vehicle: Name
    kind: EnrolmentKind
    plan: Name
    individual: Pseudonym | None = None
    account: Name | None = None
    home_utility: PartyName | None = None
    window: Window | None = None
    payment_reference: PaymentToken | None = None

    def check(self) -> None:
        """Long-term has an account or a plan of its own; temporary a window; no card number anywhere."""
        if self.kind is EnrolmentKind.TEMPORARY:
            needs(self, self.kind, "window")
        elif self.plan != NULL_PLAN:
            needs(self, self.kind, "account")
        if self.payment_reference is not None and holds_card_number(self.payment_reference):
            raise RuleError("payment_reference: holds a card number; send the payment service's token")


class EnrolmentReason(StrEnum):
    """Why an enrolment is refused."""

    UNKNOWN_VEHICLE = "unknown_vehicle"
    UNKNOWN_ACCOUNT = "unknown_account"
    UNKNOWN_PLAN = "unknown_plan"
    NOT_AUTHENTICATED = "not_authenticated"
    PAYMENT_REFUSED = "payment_refused"
    NO_ROAMING_AGREEMENT = "no_roaming_agreement"
    NOT_CAPABLE = "not_capable"
    NO_CAPACITY = "no_capacity"
    CONSENT_MISSING = "consent_missing"
    OTHER = "other"


class EnrolmentDecision(Record, frozen=True, kw_only=True):
    """Accepts or refuses an enrolment; may assign an account and limit the time."""

    enrolment: Name
    accepted: bool
    reason: EnrolmentReason | None = None
    account: Name | None = None
    window: Window | None = None
    text: Text = ""

    def check(self) -> None:
        """A refusal has a reason and assigns nothing."""
        if self.accepted:
            forbids(self, "accepted", "reason")
        else:
            needs(self, "refused", "reason")
            forbids(self, "refused", "account", "window")


class TransferMode(StrEnum):
    """How energy can go between vehicle and supply equipment (ISO 15118-2 EnergyTransferMode, ISO 15118-20 BPT)."""

    AC_SINGLE_PHASE_CORE = "AC_single_phase_core"
    AC_THREE_PHASE_CORE = "AC_three_phase_core"
    AC_BPT = "AC_BPT"
    DC_CORE = "DC_core"
    DC_EXTENDED = "DC_extended"
    DC_COMBO_CORE = "DC_combo_core"
    DC_UNIQUE = "DC_unique"
    DC_BPT = "DC_BPT"


class ChargingCommandKind(StrEnum):
    """What a vehicle can be told (ET3): change the rate, feed the grid, tell something, or take a price."""

    SET_RATE = "set_rate"
    FEED_TO_GRID = "feed_to_grid"
    REQUEST_INFORMATION = "request_information"
    PRICE = "price"


class VehicleInformation(StrEnum):
    """What can be asked of a vehicle (ET3)."""

    STATE_OF_CHARGE = "state_of_charge"
    CHARGING_RATE = "charging_rate"
    CONSTRAINTS = "constraints"
    METERED = "metered"


class VehicleCapability(Record, frozen=True, kw_only=True):
    """Scope of commands and information that a vehicle and the devices before it can handle, and its rates (ET3, ET4)."""

    vehicle: Name
    commands: Annotated[tuple[ChargingCommandKind, ...], Meta(max_length=len(ChargingCommandKind))]
    information: Annotated[tuple[VehicleInformation, ...], Meta(max_length=len(VehicleInformation))]
    transfer_modes: Annotated[tuple[TransferMode, ...], Meta(min_length=1, max_length=len(TransferMode))]
    v2g: bool
    max_charge_kw: Kilowatts
    min_charge_kw: Kilowatts | None = None
    max_discharge_kw: Kilowatts | None = None
    battery_kwh: KilowattHours | None = None
    enrolment: Name | None = None
    intermediaries: Annotated[tuple[Name, ...], Meta(max_length=DEVICES_MAX)] = ()

    def check(self) -> None:
        """Feeding the grid takes V2G, and V2G has a rate; the minimum is below the maximum."""
        for field in ("commands", "information", "transfer_modes", "intermediaries"):
            no_repeats(field, getattr(self, field))
        not_negative(self, "max_charge_kw", "min_charge_kw", "max_discharge_kw", "battery_kwh")
        if self.v2g:
            needs(self, "v2g true", "max_discharge_kw")
        else:
            forbids(self, "v2g false", "max_discharge_kw")
        if ChargingCommandKind.FEED_TO_GRID in self.commands and not self.v2g:
            raise RuleError("commands: feed_to_grid takes a vehicle with v2g")
        if self.min_charge_kw is not None and self.min_charge_kw > self.max_charge_kw:
            raise RuleError("min_charge_kw: above max_charge_kw")


class ChargingCommand(Record, frozen=True, kw_only=True):
    """Tells a vehicle to change its rate or feed the grid, asks it for information, or passes a price through (ET3).

    `rate_kw` is the power of the vehicle's battery inverter, always above zero in the direction the kind says.
    """

    command: Name
    vehicle: Name
    kind: ChargingCommandKind
    window: Window
    rate_kw: IntervalSeries | None = None
    information: Annotated[tuple[VehicleInformation, ...], Meta(max_length=len(VehicleInformation))] = ()
    prices: Prices = ()
    aggregation: AggregationRef | None = None
    evse: Name | None = None
    respond_by: Instant | None = None

    def check(self) -> None:
        """Exactly what the kind needs."""
        wanted = {
            ChargingCommandKind.SET_RATE: "rate_kw",
            ChargingCommandKind.FEED_TO_GRID: "rate_kw",
            ChargingCommandKind.REQUEST_INFORMATION: "information",
            ChargingCommandKind.PRICE: "prices",
        }[self.kind]
        needs(self, self.kind, wanted)
        forbids(self, self.kind, *({"rate_kw", "information", "prices"} - {wanted}))
        no_repeats("information", self.information)
        series_of("rate_kw", self.rate_kw, Unit.KW)
        series_covers("rate_kw", self.rate_kw, self.window)
        check_prices("prices", self.prices, self.window)


class ChargingState(StrEnum):
    """What a plugged-in vehicle is doing (OCPP 2.1 ChargingStateEnumType, and discharging)."""

    NOT_CONNECTED = "not_connected"
    CONNECTED = "connected"
    CHARGING = "charging"
    DISCHARGING = "discharging"
    SUSPENDED_BY_VEHICLE = "suspended_by_vehicle"
    SUSPENDED_BY_EQUIPMENT = "suspended_by_equipment"
    COMPLETE = "complete"
    FAULTED = "faulted"


class CommandOutcome(StrEnum):
    """What became of a command."""

    FOLLOWED = "followed"
    PARTLY_FOLLOWED = "partly_followed"
    REFUSED = "refused"
    OVERRIDDEN = "overridden"


class ChargingConstraints(Record, frozen=True, kw_only=True):
    """What the user or the vehicle insists on: energy by a departure, a least state of charge, bounds of the rate."""

    departure: Instant | None = None
    needed_kwh: KilowattHours | None = None
    least_percent: Percent | None = None
    max_charge_kw: Kilowatts | None = None
    max_discharge_kw: Kilowatts | None = None

    def check(self) -> None:
        """Something, and in range."""
        one_of(self, "departure", "needed_kwh", "least_percent", "max_charge_kw", "max_discharge_kw")
        not_negative(self, "needed_kwh", "max_charge_kw", "max_discharge_kw")
        percents(self, "least_percent")


class ChargingStatus(Record, frozen=True, kw_only=True):
    """State of charge, rate, constraints and metering of a vehicle, in answer to a command or by itself (ET3, ET10).

    `rate_kw` is above zero while charging and below while feeding the grid.
    """

    vehicle: Name
    at: Instant
    state: ChargingState
    command: Name | None = None
    outcome: CommandOutcome | None = None
    state_of_charge_percent: Percent | None = None
    rate_kw: Kilowatts | None = None
    constraints: ChargingConstraints | None = None
    metered: Annotated[tuple[MeterReadings, ...], Meta(max_length=DEVICES_MAX)] = ()
    text: Text = ""

    def check(self) -> None:
        """An outcome is of a command; the rate agrees with the state."""
        percents(self, "state_of_charge_percent")
        if self.outcome is not None:
            needs(self, self.outcome, "command")
        if self.rate_kw is not None:
            charging = self.state is ChargingState.CHARGING
            discharging = self.state is ChargingState.DISCHARGING
            if (self.rate_kw > 0 and not charging) or (self.rate_kw < 0 and not discharging):
                raise RuleError(f"rate_kw: its sign does not go with {self.state}")


def holds_card_number(token: str) -> bool:
    """Whether a run of 13 to 19 digits in it, separators left out, passes the check digit of ISO/IEC 7812."""
    runs: list[str] = CARD_DIGITS.findall(re.sub(r"[_-]", "", token))
    return any(_check_digit_holds(run) for run in runs)


def _check_digit_holds(digits: str) -> bool:
    """Luhn's sum, ISO/IEC 7812-1 annex B."""
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(d // 10 + d % 10 for d in doubled) % 10 == 0
