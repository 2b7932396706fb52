"""Business of a month with one partner, as pages show it: a deal over ten thousand DERs, calls, needs, orders and outages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from intertie.market.contract import terms_hash
from intertie.model.aggregation import AggregationRegistration, Der, DerDecision, RegistrationDecision
from intertie.model.agreement import BaseContract, ContractSignature
from intertie.model.contract import Confirmation, ConfirmationAnswer, ConfirmationResponse
from intertie.model.dispatch import (
    DispatchAnswer,
    DispatchInstruction,
    DispatchReport,
    DispatchResponse,
    ReportKind,
)
from intertie.model.documents import example
from intertie.model.ids import (
    AggregationId,
    AgreementId,
    ConfirmationId,
    ConnectionPointId,
    DerId,
    DocumentName,
    MeterId,
    PartyId,
)
from intertie.model.interval import IntervalSeries, Window
from intertie.model.offers import Need, Offer, Order
from intertie.model.quantity import Kilowatts, Unit
from intertie.model.record import Record
from intertie.model.system import OutageNotice

GSA = AgreementId("GSA-2025-17")
AGGREGATION, DER_COUNT = AggregationId("BENCH"), 10_000
DER = DerId("DER-00001")
DEAL, POINT = ConfirmationId("NWS-BENCH"), ConnectionPointId("F01-T001")
# A month with two calls a day, a need a day, and outages as a storm leaves them.
CALLS, NEEDS, OUTAGES, BUSY_DAYS = 60, 30, 200, 45
HOUR = timedelta(hours=1)

R = TypeVar("R", bound=Record)


class Said(NamedTuple):
    """A document of the trade, when it was said, whether by us, and in which conversation."""

    document: str
    body: Record
    at: datetime
    ours: bool
    talk: str | None = None


class Names(NamedTuple):
    """What pages of one thing ask for."""

    need: str
    dispatch: str
    deal: str
    point: str


NAMES = Names(f"NEED-{NEEDS - 1}", f"CALL-{CALLS - 2}", DEAL, POINT)


def business(us: PartyId, partner: PartyId, now: datetime) -> Iterator[Said]:
    """All of it, in the order in which it was said."""
    begun = now.replace(minute=0, second=0, microsecond=0) - timedelta(days=BUSY_DAYS)
    yield from _contract(us, partner, begun)
    yield from _registration(begun + HOUR)
    yield from _deal(begun + 2 * HOUR, now + timedelta(days=BUSY_DAYS))
    said = [*_calls(begun + timedelta(days=1)), *_needs(begun + timedelta(days=1)), *_outages(now)]
    yield from sorted(said, key=lambda one: one.at)


def _contract(us: PartyId, partner: PartyId, at: datetime) -> Iterator[Said]:
    text = replace(_like(BaseContract, "base_contract"), agreement=GSA, buyer=us, seller=partner)
    text = replace(text, effective=at - timedelta(days=1))
    signature = ContractSignature(agreement=GSA, revision=text.revision, terms=terms_hash(text))
    yield Said("base_contract", text, at, True)
    yield Said("contract_signature", signature, at + timedelta(minutes=1), True)
    yield Said("contract_signature", signature, at + timedelta(minutes=2), False)


def _registration(at: datetime) -> Iterator[Said]:
    """An aggregation as large as one may be, and all of it accepted."""
    body = _like(AggregationRegistration, "aggregation_registration")
    ders = tuple(_der(body.ders[0], number) for number in range(DER_COUNT))
    yield Said(
        "aggregation_registration",
        replace(body, aggregation=AGGREGATION, ders=ders, effective=at),
        at,
        False,
    )
    decisions = tuple(DerDecision(der=one.id, accepted=True) for one in ders)
    decided = RegistrationDecision(aggregation=AGGREGATION, decisions=decisions, effective=at)
    yield Said("registration_decision", decided, at + timedelta(minutes=10), True)


def _deal(at: datetime, end: datetime) -> Iterator[Said]:
    terms = replace(
        _like(Confirmation, "confirmation"),
        confirmation=DEAL,
        points=(POINT,),
        term=Window(start=at + HOUR, end=end),
        service_hours=(),
        notice_minutes=30,
        max_calls=10 * CALLS,
        confirm_deadline=at + timedelta(days=1),
        aggregation=AGGREGATION,
    )
    yield Said("confirmation", terms, at, True)
    answer = ConfirmationResponse(confirmation=DEAL, answer=ConfirmationAnswer.ACCEPTED)
    yield Said("confirmation_response", answer, at + timedelta(minutes=10), False)


def _calls(first: datetime) -> Iterator[Said]:
    """Two calls a day, an hour in quarters each: asked, taken, begun, and done."""
    for number in range(CALLS):
        start = first + number * 12 * HOUR
        name, series = f"CALL-{number}", _kw(start, 40, 45, 45, 40)
        asked = replace(
            _like(DispatchInstruction, "dispatch_instruction"),
            dispatch=name,
            point=POINT,
            window=Window(start=start, end=series.end),
            target_kw=series,
            respond_by=start - HOUR,
            confirmation=DEAL,
            aggregation=AGGREGATION,
            ramp_kw_per_minute=None,
        )
        taken = DispatchResponse(dispatch=name, answer=DispatchAnswer.ACCEPTED)
        yield Said("dispatch_instruction", asked, start - 2 * HOUR, True)
        yield Said("dispatch_response", taken, start - 2 * HOUR + timedelta(minutes=5), False)
        begun = DispatchReport(dispatch=name, report=ReportKind.STARTED, at=start)
        yield Said("dispatch_report", begun, start, False)
        done = DispatchReport(
            dispatch=name, report=ReportKind.FINISHED, at=series.end, achieved_kw=_kw(start, 38, 44, 46, 41)
        )
        yield Said("dispatch_report", done, series.end, False)


def _needs(first: datetime) -> Iterator[Said]:
    """A need a day, an offer to it, and the order that takes it."""
    for number in range(NEEDS):
        start = first + timedelta(days=number, hours=6)
        said, window = start - timedelta(days=1), Window(start=start, end=start + HOUR)
        need = replace(
            _like(Need, "need"),
            need=f"NEED-{number}",
            points=(POINT,),
            window=window,
            requested_kw=_kw(start, 40, 40, 40, 40),
            gate_closes=said + 2 * HOUR,
            decide_by=said + 4 * HOUR,
            sealed=False,
            keys_by=None,
        )
        offer = _like(Offer, "offer")
        option = replace(offer.options[0], offered_kw=_kw(start, 30, 30, 30, 30))
        offer = replace(
            offer,
            offer=f"OFFER-{number}",
            points=(POINT,),
            window=window,
            options=(option,),
            valid_until=said + 6 * HOUR,
            need=need.need,
            aggregation=AGGREGATION,
        )
        order = replace(
            _like(Order, "order"),
            order=f"ORDER-{number}",
            points=(POINT,),
            window=window,
            ordered_kw=option.offered_kw,
            price=option.price,
            offer=offer.offer,
            option=1,
        )
        yield Said("need", need, said, True, need.need)
        yield Said("offer", offer, said + HOUR, False, need.need)
        yield Said("order", order, said + 3 * HOUR, True, need.need)


def _outages(now: datetime) -> Iterator[Said]:
    """A storm an hour ago: so many places are out, and DERs with them."""
    for number in range(OUTAGES):
        at = now - HOUR + number * timedelta(seconds=10)
        yield Said(
            "outage_notice",
            replace(
                _like(OutageNotice, "outage_notice"),
                outage=f"OUT-{number}",
                points=(ConnectionPointId(f"F{number % 40:02}-T{number % 400:03}"),),
                feeders=(f"F{number % 40:02}",),
                starts=at,
                estimated_restoration=at + 8 * HOUR,
                affected_ders=tuple(DerId(f"DER-{400 * near + number:05}") for near in range(25)),
            ),
            at,
            True,
        )


def _kw(start: datetime, *values: int) -> IntervalSeries:
    return IntervalSeries(start=start, step_seconds=900, unit=Unit.KW, power_of_ten=0, values=values)


def _like(kind: type[R], document: str) -> R:
    _, body = example(DocumentName(document))
    assert isinstance(body, kind)
    return body


def _der(one: Der, number: int) -> Der:
    return replace(
        one,
        id=DerId(f"DER-{number:05}"),
        meter=MeterId(f"M-{number:06}"),
        point=ConnectionPointId(f"F{number % 40:02}-T{number % 400:03}"),
        feeder=f"F{number % 40:02}",
        premises=f"P-{number}",
        consent=f"C-{number}",
        nameplate_kw=Kilowatts(Decimal(10)),
    )
