"""Every month: statement, invoice, check, payment. In February one meter was estimated: the invoice rests on the
estimate, the utility holds the true reading, disputes the lines, and the aggregator corrects."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from intertie.demo.chapters.daily import estimated_node, true_reading
from intertie.demo.plan import DEAL_STARTS, Fate
from intertie.demo.season import DEAL, Desk, Season
from intertie.market.compare import Candidate, differing_inputs, disputed_lines
from intertie.market.payment import Line
from intertie.market.statement import invoice_of, settle
from intertie.model.billing import (
    DifferingInput,
    Dispute,
    DisputeAnswer,
    Invoice,
    InvoiceLine,
    LineAnswer,
    LineCode,
    PaidInvoice,
    PaymentMethod,
    RemittanceAdvice,
    Resolution,
)
from intertie.model.ids import MeterId
from intertie.model.message import Verb
from intertie.model.metering import MeterReadingSet, MeterRequest, RequestReason
from intertie.model.quantity import Money, to_cents
from intertie.model.settlement import PerformanceStatement

PAID_WITHIN = timedelta(days=30)
METER_FEE = Decimal("0.35")  # what the utility charges for the data of one meter and month
NINE, NOON, THREE = 36, 48, 60


class Month(NamedTuple):
    """The days of a settlement and the day after which it is done."""

    name: str
    first: date
    last: date

    def after(self, days: int) -> date:
        """A day of the month that follows."""
        return self.last + timedelta(days=days)


def months(season: Season) -> list[Month]:
    """The calendar months of the deal, the first and the last in part."""
    found: list[Month] = []
    first, end = season.feeder.days[DEAL_STARTS], season.feeder.days[-1]
    while first <= end:
        following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
        last = min(end, following - timedelta(days=1))
        found.append(Month(f"{first:%Y-%m}", first, last))
        first = following
    return found


def plan(season: Season) -> None:
    """Each month in its turn; the month of the part-followed dispatch is the one with the dispute."""
    disputed = next(season.feeder.days[e.day] for e in season.plan.events if e.fate is Fate.PARTIAL)
    for month in months(season):
        if month.first <= disputed <= month.last:
            _plan_disputed(season, month, disputed)
        else:
            _plan_plain(season, month)
    _plan_fee(season, months(season)[-1])


def _plan_plain(season: Season, month: Month) -> None:
    for days, quarter, text, act in (
        (2, NINE, f"statement of {month.name}", _send_statement),
        (2, NOON, f"invoice of {month.name}", _send_invoice),
        (3, NINE, f"the utility checks the invoice of {month.name}", _check),
        (14, NINE, f"the utility pays {month.name}", _pay),
    ):
        season.plan_action(season.at(month.after(days), quarter), text, partial(act, season, month))


def _plan_disputed(season: Season, month: Month, day: date) -> None:
    for days, quarter, text, act in (
        (2, NOON, f"invoice of {month.name}", _send_invoice),
        (3, NINE, "the utility sends the true reading of a meter", partial(_revise, day=day)),
        (3, NOON, f"the utility checks the invoice of {month.name}, and disputes it", _check),
        (3, NOON + 1, f"statement of {month.name}", _send_statement),
        (4, NINE, "the aggregator asks for the reading again", _ask),
        (4, NOON, "the utility sends it", _answer_request),
        (5, NINE, "the aggregator corrects its invoice", _correct),
        (14, NINE, f"the utility pays {month.name}", _pay),
    ):
        season.plan_action(season.at(month.after(days), quarter), text, partial(act, season, month))


def _plan_fee(season: Season, month: Month) -> None:
    season.plan_action(
        season.at(month.after(2), THREE), "the utility's invoice for meter data", partial(_fee, season, month)
    )
    season.plan_action(season.at(month.after(14), NOON), "the aggregator pays it", partial(_pay_fee, season))


def run(desk: Desk, month: Month, older: int | None = None) -> tuple[PerformanceStatement, list[Line]]:
    """Settlement of a month from one side's books; `older` puts that revised reading back to what it was before."""
    books = desk.books
    replaced = None if older is None else books.revised(month.first, month.last)[older]
    return settle(
        books.book(replaced),
        books.confirmed(),
        books.calls(month.first, month.last),
        month.first,
        month.last,
        f"S-{month.name}",
    )


def _send_statement(season: Season, month: Month) -> None:
    statement, _ = run(season.utility, month)
    season.utility.office.send(statement, about=f"settlement-{month.name}")


def _send_invoice(season: Season, month: Month) -> None:
    statement, lines = run(season.aggregator, month)
    invoice = invoice_of(
        statement,
        lines,
        season.aggregator.books.confirmed(),
        f"I-{month.name}",
        month.after(2),
        month.after(2) + PAID_WITHIN,
    )
    season.aggregator.office.send(invoice, about=f"settlement-{month.name}")


def _revise(season: Season, month: Month, day: date) -> None:
    number = season.feeder.days.index(day)
    node = estimated_node(season, number)
    assert node is not None
    body = MeterReadingSet(meters=(true_reading(season, number, node),))
    season.utility.office.send(body, verb=Verb.CHANGED, about=f"readings-{day}")
    season.utility.books.note(body)


def _check(season: Season, month: Month) -> None:
    """The utility settles from its own books; if older readings explain a difference, the dispute names them."""
    desk = season.utility
    mail, invoice = desk.newest(Invoice, "invoice", f"I-{month.name}")
    _, own = run(desk, month)
    lines = disputed_lines(
        invoice, own, desk.books.confirmed().tolerance_percent, [*_candidates(season, month)]
    )
    if lines:
        dispute = Dispute(
            dispute=f"X-{month.name}",
            invoice=invoice.invoice,
            lines=lines,
            reply_by=season.clock.now + timedelta(days=5),
            text=f"Lines beyond the tolerance of {desk.books.confirmed().tolerance_percent} %.",
        )
        desk.office.send(dispute, about=f"settlement-{month.name}", reply_to=mail)


def _candidates(season: Season, month: Month) -> list[Candidate]:
    desk = season.utility
    found = []
    for place, revised in enumerate(desk.books.revised(month.first, month.last)):
        held = DifferingInput(
            input=f"{revised.meter}/{revised.day}",
            theirs=f"revision {revised.older.revision}: {revised.older.series.total()} kWh, {revised.older.quality}",
            ours=f"revision {revised.newer.revision}: {revised.newer.series.total()} kWh, {revised.newer.quality}",
        )
        found.append(Candidate(held, partial(_lines, desk, month, place)))
    return found


def _lines(desk: Desk, month: Month, older: int) -> list[Line]:
    return run(desk, month, older)[1]


def _ask(season: Season, month: Month) -> None:
    """The aggregator asks for every meter that the dispute names."""
    mail, dispute = season.aggregator.newest(Dispute, "dispute", f"X-{month.name}")
    named = sorted({one.input for line in dispute.lines for one in line.inputs})
    meter, _, day = named[0].rpartition("/")
    number = season.feeder.days.index(date.fromisoformat(day))
    request = MeterRequest(
        request=f"R-{month.name}",
        meters=(MeterId(meter),),
        window=season.window(number),
        reason=RequestReason.DISPUTE,
    )
    season.aggregator.office.send(request, verb=Verb.GET, about=f"settlement-{month.name}", reply_to=mail)


def _answer_request(season: Season, month: Month) -> None:
    mail, request = season.utility.newest(MeterRequest, "request", f"R-{month.name}")
    day = season.utility.books.local_day(request.window.start)
    readings = tuple(season.utility.books.readings_of(meter, day) for meter in request.meters)
    body = MeterReadingSet(meters=readings, request=request.request)
    season.utility.office.send(body, verb=Verb.REPLY, about=f"settlement-{month.name}", reply_to=mail)


def _correct(season: Season, month: Month) -> None:
    """With the true reading the aggregator comes to the utility's numbers, concedes, and replaces its invoice."""
    desk = season.aggregator
    mail, dispute = desk.newest(Dispute, "dispute", f"X-{month.name}")
    _, theirs = desk.newest(PerformanceStatement, "statement", f"S-{month.name}")
    statement, lines = run(desk, month)
    issued = desk.books.local_day(season.clock.now)
    invoice = invoice_of(
        statement,
        lines,
        desk.books.confirmed(),
        f"I-{month.name}-2",
        issued,
        issued + PAID_WITHIN,
        corrects=dispute.invoice,
    )
    differing = differing_inputs(statement, theirs)
    answer = DisputeAnswer(
        dispute=dispute.dispute,
        resolution=Resolution.CORRECTED,
        lines=tuple(
            LineAnswer(
                line=one.line,
                resolution=Resolution.CORRECTED if not differing else Resolution.REJECTED,
                agreed=one.claimed if differing else one.expected,
            )
            for one in dispute.lines
        ),
        corrected_invoice=invoice.invoice,
        text="The statements agree now." if not differing else f"{len(differing)} inputs still differ.",
    )
    desk.office.send(answer, verb=Verb.REPLY, about=f"settlement-{month.name}", reply_to=mail)
    desk.office.send(invoice, verb=Verb.CHANGED, about=f"settlement-{month.name}", reply_to=mail)


def _pay(season: Season, month: Month) -> None:
    """Paid is the newest invoice of the month, once nothing in it is disputed any more."""
    desk = season.utility
    mail, invoice = desk.newest(Invoice, "invoice", f"I-{month.name}")
    _, own = run(desk, month)
    if disputed_lines(invoice, own, desk.books.confirmed().tolerance_percent):
        return
    advice = _advice(invoice, f"P-{month.name}", f"ACH-{month.name}-0001", season.clock.now)
    desk.office.send(advice, about=f"settlement-{month.name}", reply_to=mail)


def _advice(invoice: Invoice, name: str, reference: str, now: datetime) -> RemittanceAdvice:
    return RemittanceAdvice(
        remittance=name,
        invoices=(PaidInvoice(invoice=invoice.invoice, amount=invoice.total.amount),),
        method=PaymentMethod.ACH,
        reference=reference,
        paid_on=now.date(),
        total=invoice.total,
    )


def _fee(season: Season, month: Month) -> None:
    """The other way round: the utility charges for the data of the portfolio's meters."""
    quantity = Decimal(len(season.utility.books.meters) * len(months(season)))
    amount = to_cents(quantity * METER_FEE)
    line = InvoiceLine(
        line=1,
        code=LineCode.ADJUSTMENT,
        text=f"meter data, {len(season.utility.books.meters)} meters",
        quantity=quantity,
        unit="meter month",
        rate=METER_FEE,
        amount=amount,
    )
    deal = season.utility.books.confirmed()
    issued = month.after(2)
    invoice = Invoice(
        invoice=f"U-{month.name}",
        period=deal.term,
        issued=issued,
        due=issued + PAID_WITHIN,
        lines=(line,),
        total=Money(amount=amount, currency=deal.currency),
        confirmation=DEAL,
    )
    season.utility.office.send(invoice, about=f"fees-{month.name}")


def _pay_fee(season: Season) -> None:
    mail, invoice = season.aggregator.newest(Invoice, "invoice", "U-")
    advice = _advice(invoice, f"P-{invoice.invoice}", f"ACH-{invoice.invoice}-0001", season.clock.now)
    season.aggregator.office.send(advice, about="fees", reply_to=mail)
