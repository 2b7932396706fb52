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
from intertie.gateway.settlement.settle import Settled, invoice_for, statement_of
from intertie.gateway.settlement.settle_dispute import Asked, check_invoice, dispute, resolve
from intertie.gateway.settlement.settle_inputs import Period, find_deal
from intertie.model.billing import (
    Dispute,
    Invoice,
    InvoiceLine,
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


def settled(season: Season, desk: Desk, month: Month) -> Settled:
    """Settlement of a month from what one side's gateway holds."""
    trade = desk.office.trade(season.clock.now)
    deal = find_deal(trade, DEAL)
    period = Period(month.first, month.last)
    return statement_of(trade, desk.office.readings(), deal, period, name=f"S-{month.name}")


def _send_statement(season: Season, month: Month) -> None:
    made = settled(season, season.utility, month)
    season.utility.office.send(made.statement, about=f"settlement-{month.name}")


def _send_invoice(season: Season, month: Month) -> None:
    made = settled(season, season.aggregator, month)
    issued = month.after(2)
    invoice = invoice_for(made, f"I-{month.name}", issued, issued + PAID_WITHIN)
    season.aggregator.office.send(invoice, about=f"settlement-{month.name}")


def _revise(season: Season, month: Month, day: date) -> None:
    number = season.feeder.days.index(day)
    node = estimated_node(season, number)
    assert node is not None
    body = MeterReadingSet(meters=(true_reading(season, number, node),))
    season.utility.office.send(body, verb=Verb.CHANGED, about=f"readings-{day}")
    season.utility.books.note(body)


def _check(season: Season, month: Month) -> None:
    """The utility works the invoice out again; if an older reading explains a difference, the dispute names it."""
    office = season.utility.office
    trade = office.trade(season.clock.now)
    checked = check_invoice(trade, office.readings(), f"I-{month.name}")
    if checked.lines:
        dispute(trade, checked, f"X-{month.name}", season.clock.now + timedelta(days=5))


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
    """With the true reading the aggregator comes to the utility's numbers, and replaces its invoice; without, it could not."""
    office = season.aggregator.office
    asked = Asked(corrected=f"I-{month.name}-2", text="The statements agree now.")
    trade = office.trade(season.clock.now)
    resolve(trade, office.readings(), f"X-{month.name}", Resolution.CORRECTED, asked)


def _pay(season: Season, month: Month) -> None:
    """Paid is the newest invoice of the month, once nothing in it is wrong any more."""
    desk = season.utility
    mail, invoice = desk.newest(Invoice, "invoice", f"I-{month.name}")
    if check_invoice(desk.office.trade(season.clock.now), desk.office.readings(), invoice.invoice).lines:
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
