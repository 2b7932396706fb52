"""Random bodies that keep their documents' rules, drawn from the types themselves."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import HealthCheck
from hypothesis import strategies as st

from intertie.model import (
    account,
    aggregation,
    agreement,
    billing,
    consent,
    contract,
    dispatch,
    feeder,
    filing,
    ids,
    market,
    metering,
    offers,
    pay_shape,
    settlement,
    system,
    vehicle,
)
from intertie.model.interval import IntervalSeries, Window
from intertie.model.price import PriceInterval
from intertie.model.quantity import Money, Unit
from intertie.model.record import Record

Draw = Callable[[st.SearchStrategy[Any]], Any]
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
NAMES = st.text(LETTERS + "-_:/#@+", max_size=24).map(lambda tail: "n" + tail)
BY_PATTERN = {
    ids.NAME: NAMES,
    ids.PARTY: st.lists(st.text(LETTERS.lower()[:26], min_size=1), min_size=1, max_size=3).map(".".join),
}
ONE = Decimal(1)
CENTS = st.integers(-(10**9), 10**9).map(lambda n: Decimal(n) / 100)
FRACTIONS = st.integers(0, 10**6).map(lambda n: Decimal(n).scaleb(-6))
POSITIVE = st.integers(1, 10**12).map(lambda n: Decimal(n).scaleb(-3))
# What a field's name says about the values it takes.
DECIMALS = {
    "amount": CENTS,
    "claimed": CENTS,
    "expected": CENTS,
    "agreed": CENTS,
    **dict.fromkeys(("balance", "opening", "closing"), CENTS),
    "late_interest_percent_per_year": FRACTIONS,
    "delivered_cap_fraction": FRACTIONS.map(lambda f: ONE + f),
    "performance_factor": FRACTIONS,
}
SIGNED = {
    *("target_kw", "target_kvar", "committed_kw", "forecast_kw", "baseline_kwh", "actual_kwh", "kvar"),
    *("achieved_kw", "power_kw"),
}
LATER = {"estimated_restoration", "expected_return", "ends", "until"}
UNITS = {"kw": Unit.KW, "kwh": Unit.KWH, "kvar": Unit.KVAR, "series": Unit.KWH}
STEPS = {900: 4, 1800: 2, 3600: 1}


# Bodies are large by nature; only the checks on their size are off, the one on filtering stays.
LARGE = [HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large]


class Scene(typing.NamedTuple):
    """What the parts of one body have in common."""

    window: Window
    step: int
    currency: str


@st.composite
def scenes(draw: Draw) -> Scene:
    """A window of some hours, the steps of its series, and a currency."""
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=draw(st.integers(0, 24 * 365)))
    hours = draw(st.integers(1, 6))
    return Scene(
        Window(start=start, end=start + timedelta(hours=hours)),
        draw(st.sampled_from(sorted(STEPS))),
        draw(st.sampled_from(["USD", "EUR", "CAD"])),
    )


@st.composite
def bodies(draw: Draw, kind: type[Record]) -> Record:
    """A body, or a part of one, of this type."""
    return record(draw, draw(scenes()), kind)


def record(draw: Draw, scene: Scene, kind: type[Record], field: str = "") -> Any:
    if kind is Window:
        return scene.window
    if kind is IntervalSeries:
        return series(draw, scene, field)
    hints = fields_of(kind)
    values: dict[str, Any] = {}
    for info in msgspec.structs.fields(kind):
        if info.required or draw(st.booleans()):
            values[info.name] = value(draw, scene, hints[info.name], info.name)
    REPAIRS.get(kind, lambda draw, scene, values: None)(draw, scene, values)
    return kind(**values)


@cache
def fields_of(kind: type[Record]) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def series(draw: Draw, scene: Scene, field: str) -> IntervalSeries:
    count = int((scene.window.end - scene.window.start) / timedelta(seconds=scene.step))
    low = -(10**9) if field in SIGNED else 0
    numbers: Any = st.integers(low, 10**9)
    if field != "target_kw":
        numbers = st.none() | numbers
    return IntervalSeries(
        start=scene.window.start,
        step_seconds=scene.step,
        unit=UNITS.get(field.rpartition("_")[2], Unit.KW),
        power_of_ten=draw(st.integers(-6, 6)),
        values=tuple(draw(st.lists(numbers, min_size=count, max_size=count))),
    )


def value(draw: Draw, scene: Scene, hint: Any, field: str, least: int = 0) -> Any:
    """A value for a field, by its type and, where a rule goes by it, its name. `least`: so many at least, if it holds several."""
    if field == "prices":
        return prices(draw, scene, least)
    meta: list[msgspec.Meta] = []
    while True:
        if typing.get_origin(hint) is typing.Annotated:
            meta += [m for m in hint.__metadata__ if isinstance(m, msgspec.Meta)]
            hint = hint.__origin__
        elif isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        else:
            break
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        choices = [
            h for h in typing.get_args(hint) if h is not types.NoneType and typing.get_origin(h) is not tuple
        ]
        return value(draw, scene, choices[0], field, least)
    if origin is tuple:
        low = max(least, *(m.min_length or 0 for m in meta), 0)
        item = typing.get_args(hint)[0]
        drawn = [value(draw, scene, item, field) for _ in range(draw(st.integers(low, max(low, 3))))]
        return tuple(unlike(drawn))
    if isinstance(hint, type) and issubclass(hint, Record):
        return record(draw, scene, hint, field)
    return draw(scalar(hint, meta, field, scene))


def unlike(drawn: list[Any]) -> list[Any]:
    """Without repeats: of the value, or of what names a part."""
    kept: dict[Any, Any] = {}
    for one in drawn:
        key = one
        if isinstance(one, Record):
            if isinstance(one, metering.MeterReadings):
                key = (one.meter, one.channel)
            else:
                key = next(iter(getattr(one, name) for name in one.__struct_fields__))
        kept.setdefault(key, one)
    return list(kept.values())


def scalar(hint: Any, meta: list[msgspec.Meta], field: str, scene: Scene) -> st.SearchStrategy[Any]:
    if hint is Decimal:
        if field in DECIMALS:
            return DECIMALS[field]
        ranged = ("percent", "fraction")
        return FRACTIONS if field.endswith(ranged) else POSITIVE
    if hint is datetime:
        if field in LATER:
            return st.integers(0, 10**6).map(lambda s: scene.window.end + timedelta(seconds=s))
        return st.integers(1, 10**9).map(lambda us: scene.window.start - timedelta(microseconds=us))
    if hint is date:
        early = field != "due"
        return st.integers(0, 300).map(lambda d: date(2026 if early else 2027, 1, 1) + timedelta(days=d))
    if hint is time:
        return st.times()
    if hint is bool:
        return st.booleans()
    if hint is int:
        low = next((m.ge for m in meta if m.ge is not None), 0)
        high = next((m.le for m in meta if m.le is not None), 10**6)
        if field == "interval_seconds":
            return st.sampled_from([60, 900, 3600])
        return st.integers(int(low), int(high))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    pattern = next((m.pattern for m in meta if m.pattern), None)
    if field == "currency":
        return st.just(scene.currency)
    if pattern in BY_PATTERN:
        return BY_PATTERN[pattern]
    if pattern:
        return st.from_regex(pattern, alphabet=st.characters(codec="ascii"))
    return st.text(max_size=40)


def prices(draw: Draw, scene: Scene, least: int) -> tuple[PriceInterval, ...]:
    """Hours of the window, in order, some left out: none of the first `least`."""
    hours = int((scene.window.end - scene.window.start) / timedelta(hours=1))
    times = [scene.window.start + timedelta(hours=h) for h in range(hours + 1)]
    return tuple(
        PriceInterval(
            window=Window(start=start, end=end), price=Money(amount=draw(CENTS), currency=scene.currency)
        )
        for number, (start, end) in enumerate(pairwise(times))
        if number < least or draw(st.booleans())
    )


# What a rule between fields asks for, put right after drawing.
def _exactly(kind: type[Record], when: Callable[[dict[str, Any]], bool], *fields: str) -> Any:
    """Repair: `fields` are there exactly when `when` says so."""

    def repair(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
        for field in fields:
            if not when(values):
                values.pop(field, None)
            if when(values) and values.get(field) in (None, ()):
                values[field] = value(draw, scene, fields_of(kind)[field], field, 1)

    return repair


def _both(*repairs: Any) -> Any:
    def repair(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
        for one in repairs:
            one(draw, scene, values)

    return repair


def _is(field: str, *wanted: Any) -> Callable[[dict[str, Any]], bool]:
    return lambda values: values.get(field) in wanted


def _is_there(field: str) -> Callable[[dict[str, Any]], bool]:
    return lambda values: bool(values.get(field))


def _at_least(kind: type[Record], *fields: str) -> Any:
    def repair(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
        if all(values.get(field) in (None, ()) for field in fields):
            # Not again and again until there is one: the simplest body, with which a search begins, would never have it.
            field = draw(st.sampled_from(fields))
            values[field] = value(draw, scene, fields_of(kind)[field], field, 1)

    return repair


def _needed(kind: type[Record], when: Callable[[dict[str, Any]], bool], *fields: str) -> Any:
    """Repair: `fields` are there at least when `when` says so."""
    exactly = _exactly(kind, when, *fields)
    return lambda draw, scene, values: exactly(draw, scene, values) if when(values) else None


def _gone(when: Callable[[dict[str, Any]], bool], *fields: str) -> Any:
    def repair(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
        if when(values):
            for field in fields:
                values.pop(field, None)

    return repair


def _not(when: Callable[[dict[str, Any]], bool]) -> Callable[[dict[str, Any]], bool]:
    return lambda values: not when(values)


def _hours(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
    if values["end"] <= values["start"]:
        values["end"] = time(0)


def _line(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
    if values["code"] is billing.LineCode.PENALTY:
        values["amount"] = -abs(values["amount"])
    if values["code"] is not billing.LineCode.INTEREST:
        values.pop("late", None)


def _raises(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
    values["amount"] = abs(values["amount"]) or Decimal("0.01")


def _ages(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
    parts = (value for name, value in values.items() if name not in ("debtor", "total"))
    values["total"] = sum(parts, Decimal(0))


def _account(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
    """Balances that follow, and an ageing that comes to the last one."""
    balance, entries = values["opening"], []
    for entry in values["entries"]:
        balance += entry.amount
        entries.append(msgspec.structs.replace(entry, received=scene.window.start, balance=balance))
    zero = dict.fromkeys((f for f in account.Ageing.__struct_fields__ if f != "debtor"), Decimal("0.00"))
    buyer = account.Ageing(debtor=values["buyer"], **{**zero, "not_due": balance, "total": balance})
    ages = buyer, account.Ageing(debtor=values["seller"], **zero)
    values.update(entries=tuple(entries), closing=balance, ageing=ages)


def _total(field: str) -> Any:
    def repair(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
        values["total"] = Money(
            amount=sum((one.amount for one in values[field]), Decimal(0)), currency=scene.currency
        )

    return repair


def _paid(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
    values["invoices"] = tuple(msgspec.structs.replace(p, amount=abs(p.amount)) for p in values["invoices"])
    _total("invoices")(draw, scene, values)


def _differs(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
    if values["expected"] == values["claimed"]:
        values["expected"] += 1


def _text(when: Callable[[dict[str, Any]], bool]) -> Any:
    def repair(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
        if when(values):
            values["text"] = "why: " + values.get("text", "")

    return repair


def _composition(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
    for field, name in (
        ("added", "id"),
        ("replaced", "id"),
        ("removed", "der"),
        ("changed", "der"),
        ("moved", "der"),
    ):
        if field in values:
            values[field] = tuple(
                msgspec.structs.replace(one, **{name: f"{field}/{i}"}) for i, one in enumerate(values[field])
            )


def _feeder(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
    """Each section is fed by one before it, or by the substation; points and ties name sections; switches once."""
    sections: list[feeder.Section] = []
    for number, one in enumerate(values["sections"]):
        above = draw(st.sampled_from([None, *(before.section for before in sections)]))
        sections.append(msgspec.structs.replace(one, parent=above, device=f"s/{number}"))
    names = [one.section for one in sections]
    values["sections"] = tuple(sections)
    values["points"] = tuple(
        msgspec.structs.replace(one, section=draw(st.sampled_from(names)), parent=None)
        for one in values["points"]
    )
    ties = values.pop("ties", ()) if len(names) > 1 else values.pop("ties", ())[:0]
    values["ties"] = tuple(
        feeder.Tie(device=f"t/{number}", first=names[0], second=names[1]) for number, _ in enumerate(ties)
    )


def _update(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
    back = set(values.get("restored_points", ()))
    values["added_points"] = tuple(p for p in values.get("added_points", ()) if p not in back)


def _statement(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
    used = set(values.get("days_used", ()))
    values["days_excluded"] = tuple(one for one in values.get("days_excluded", ()) if one.day not in used)


def _contract(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
    if values["seller"] == values["buyer"]:
        values["seller"] = "not-" + values["buyer"]
    if values.get("ends") is not None:
        values["ends"] = values["effective"] + timedelta(days=1)


def _capability(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
    if not values["v2g"]:
        feed = vehicle.ChargingCommandKind.FEED_TO_GRID
        values["commands"] = tuple(one for one in values["commands"] if one is not feed)
    if values.get("min_charge_kw") is not None:
        values["min_charge_kw"] = min(values["min_charge_kw"], values["max_charge_kw"])


def _status(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
    if values["state"] is vehicle.ChargingState.DISCHARGING and values.get("rate_kw"):
        values["rate_kw"] = -values["rate_kw"]
    elif values["state"] is not vehicle.ChargingState.CHARGING:
        values.pop("rate_kw", None)


def _token(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
    if vehicle.holds_card_number(values.get("payment_reference") or ""):
        values["payment_reference"] = "tok_without_digits"


def _quality(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
    if draw(st.booleans()):
        count = len(values["series"].values)
        codes = st.sampled_from(list(metering.Quality))
        values["quality"] = tuple(draw(st.lists(codes, min_size=count, max_size=count)))


def _other_name(field: str, own: str) -> Any:
    def repair(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
        if values.get(field) == values[own]:
            values[field] += "x"

    return repair


def _no_itself(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
    if "overrides" in values:
        values["overrides"] = tuple(one for one in values["overrides"] if one != values["dispatch"])


def _together(*fields: str) -> Any:
    """Repair: all of them, or none."""

    def repair(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
        if any(values.get(field) is None for field in fields):
            for field in fields:
                values.pop(field, None)

    return repair


def _pay_shape(draw: Draw, scene: Scene, values: dict[str, Any]) -> None:
    kind = values["kind"]
    for field in pay_shape.FIELDS - {*pay_shape.NEEDED[kind], *pay_shape.MAY[kind]}:
        values.pop(field, None)
    share = st.decimals(0, 1, places=2)
    for field in pay_shape.NEEDED[kind]:
        values[field] = draw(share)
    if kind is pay_shape.PayShapeKind.SLIDING:
        low = draw(st.decimals("0.01", "0.99", places=2))
        values.update(low_fraction=low, high_fraction=draw(st.decimals(low + Decimal("0.01"), 1, places=2)))
    if kind is pay_shape.PayShapeKind.STEP:
        starts = sorted({Decimal("0.00"), *draw(st.lists(share, max_size=4))})
        values["steps"] = tuple(
            pay_shape.PayStep(from_fraction=one, pays_fraction=draw(share)) for one in starts
        )


KIND = vehicle.ChargingCommandKind
REFUSED = _is("accepted", False)
PRICE = _is("kind", system.OperatingKind.PRICE)
DONE = _is("answer", system.OperatingAnswer.ACCEPTED, system.OperatingAnswer.DONE)
LOST = _is("status", market.AwardStatus.NOT_ACCEPTED)
ROAMING = _is("kind", vehicle.EnrolmentKind.TEMPORARY)
CONDITIONS = _is("outcome", filing.FilingOutcome.ACCEPTED_WITH_CONDITIONS)
ACCEPTED = _is("outcome", filing.FilingOutcome.ACCEPTED, filing.FilingOutcome.ACCEPTED_WITH_CONDITIONS)
CONDITION = system.ConditionKind
LIMITS = ("limit_kw", "export_limit_kw", "forecast_kw", "switching")
RULES: list[tuple[type[Record], Callable[..., Any], tuple[Any, ...]]] = [
    (
        contract.ConfirmationResponse,
        _exactly,
        (_is("answer", contract.ConfirmationAnswer.OBJECTED), "reasons"),
    ),
    (aggregation.Der, _at_least, ("premises", "account")),
    (aggregation.DerDecision, _exactly, (REFUSED, "reason")),
    (aggregation.DerChange, _needed, (_is("state", aggregation.DerState.LIMITED), "available_kw")),
    (aggregation.CompositionChange, _at_least, ("added", "removed", "changed", "replaced", "moved")),
    (aggregation.DerMove, _at_least, ("premises", "account")),
    (aggregation.Programme, _needed, (_is_there("service_hours"), "zone")),
    (aggregation.AggregationRegistration, _needed, (_is_there("service_hours"), "zone")),
    (system.OutageNotice, _needed, (_is("kind", system.OutageKind.PLANNED), "estimated_restoration")),
    (system.OutageUpdate, _needed, (_is("status", system.OutageStatus.POSTPONED), "starts")),
    (system.OutageUpdate, _needed, (_is("status", system.OutageStatus.PARTLY_RESTORED), "restored_points")),
    (system.SystemCondition, _needed, (_is("kind", CONDITION.LIMIT), "limit_kw")),
    (system.SystemCondition, _needed, (_is("kind", CONDITION.FORECAST), "forecast_kw")),
    (system.SystemCondition, _needed, (_is("kind", CONDITION.SWITCHING), "switching")),
    (system.PointMeasurement, _at_least, ("kw", "kvar", "volts", "percent", "status")),
    (system.OperatingRequest, _exactly, (PRICE, "prices")),
    (system.OperatingRequest, _needed, (_not(PRICE), "action")),
    (system.OperatingResponse, _exactly, (_not(DONE), "reason")),
    (system.ApplicationResult, _at_least, ("values", "results")),
    (offers.Need, _exactly, (_is("sealed", True), "keys_by")),
    (offers.OfferResult, _exactly, (_is("verdict", offers.OfferVerdict.NOT_AWARDED), "reason")),
    (offers.OfferResult, _exactly, (_not(_is("verdict", offers.OfferVerdict.NOT_AWARDED)), "order")),
    (market.Award, _exactly, (_not(LOST), "awarded_kw", "price")),
    (market.MarketResult, _at_least, ("awards", "prices")),
    (dispatch.DispatchResponse, _exactly, (_not(_is("answer", "accepted")), "reason")),
    (dispatch.DispatchResponse, _needed, (_is("answer", "partial"), "committed_kw")),
    (dispatch.DispatchReport, _exactly, (_is("report", dispatch.ReportKind.STOPPED), "reason")),
    (dispatch.DispatchCancel, _needed, (_is("reason", dispatch.CancelReason.REPLACED), "replaced_by")),
    (billing.InvoiceLine, _needed, (_is("code", billing.LineCode.INTEREST), "late")),
    (billing.DisputeAnswer, _needed, (_is("resolution", billing.Resolution.CORRECTED), "corrected_invoice")),
    (vehicle.VehicleLocation, _at_least, ("point", "evse", "premises")),
    (vehicle.VehicleIdentity, _needed, (_is("authentication", "contract_certificate"), "certificate_sha256")),
    (vehicle.VehicleEnrolment, _needed, (ROAMING, "window")),
    (vehicle.VehicleEnrolment, _needed, (_not(ROAMING), "account")),
    (vehicle.EnrolmentDecision, _exactly, (REFUSED, "reason")),
    (vehicle.VehicleCapability, _exactly, (_is("v2g", True), "max_discharge_kw")),
    (vehicle.ChargingCommand, _exactly, (_is("kind", KIND.SET_RATE, KIND.FEED_TO_GRID), "rate_kw")),
    (vehicle.ChargingCommand, _exactly, (_is("kind", KIND.REQUEST_INFORMATION), "information")),
    (vehicle.ChargingCommand, _exactly, (_is("kind", KIND.PRICE), "prices")),
    (vehicle.ChargingConstraints, _at_least, ("departure", "needed_kwh", "least_percent")),
    (vehicle.ChargingStatus, _needed, (lambda v: v.get("outcome") is not None, "command")),
    (filing.TariffFiling, _needed, (_not(_is("kind", filing.FilingKind.NEW_TARIFF)), "docket")),
    (filing.FilingDecision, _needed, (ACCEPTED, "effective")),
    (filing.FilingDecision, _needed, (CONDITIONS, "conditions")),
    (consent.DataRequest, _at_least, ("points", "meters")),
    (consent.DataRequest, _needed, (_is("kind", consent.DataKind.READINGS), "interval_seconds")),
]
AFTER: dict[type[Record], tuple[Any, ...]] = {
    offers.Offer: (_together("need", "need_revision"),),
    offers.Order: (_together("offer", "offer_revision", "option"),),
    agreement.BaseContract: (_contract,),
    agreement.ContractNotice: (
        _exactly(agreement.ContractNotice, _is("action", agreement.ContractAction.DEFAULT), "reason"),
        _gone(_not(_is("action", agreement.ContractAction.TERMINATE)), "effective"),
    ),
    contract.ServiceHours: (_hours,),
    pay_shape.PayShape: (_pay_shape,),
    aggregation.DerDecision: (_gone(REFUSED, "accepted_kw"),),
    aggregation.CompositionChange: (_composition,),
    system.OutageUpdate: (_update,),
    system.SystemCondition: (_gone(_is("kind", CONDITION.NORMAL), *LIMITS),),
    system.OperatingResponse: (_gone(_is("answer", system.OperatingAnswer.REFUSED), "committed_kw"),),
    system.ApplicationResult: (_text(_is("status", system.ApplicationStatus.FAILED)),),
    dispatch.DispatchResponse: (_gone(_is("answer", dispatch.DispatchAnswer.REFUSED), "committed_kw"),),
    dispatch.DispatchReport: (_gone(_is("report", dispatch.ReportKind.STARTED), "achieved_kw"),),
    dispatch.DispatchInstruction: (_gone(_not(_is("emergency", True)), "overrides"), _no_itself),
    feeder.Tie: (_other_name("second", "first"),),
    feeder.FeederModel: (_feeder,),
    dispatch.DispatchCancel: (_other_name("replaced_by", "dispatch"),),
    billing.InvoiceLine: (_line,),
    account.CreditLine: (_raises,),
    account.CreditMemo: (_total("lines"),),
    account.Ageing: (_ages,),
    account.AccountStatement: (_account,),
    billing.Invoice: (_total("lines"), _other_name("corrects", "invoice")),
    billing.RemittanceAdvice: (_paid,),
    billing.DisputedLine: (_differs,),
    metering.MeterReadings: (_quality,),
    settlement.EventPerformance: (_statement,),
    vehicle.VehicleEnrolment: (_token,),
    vehicle.EnrolmentDecision: (_gone(REFUSED, "account", "window"),),
    vehicle.VehicleCapability: (_capability,),
    vehicle.ChargingStatus: (_status,),
    consent.ConsentGrant: (_text(_is("purpose", consent.ConsentPurpose.OTHER)),),
}
REPAIRS = {
    kind: _both(*(rule(kind, *args) for other, rule, args in RULES if other is kind), *AFTER.get(kind, ()))
    for kind in {*(kind for kind, _, _ in RULES), *AFTER}
}
