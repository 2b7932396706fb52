"""Settling, for pages: a statement or an invoice beside what comes out of our own readings, and the acts that follow.

It is worked out again each time that it is asked for. Arrow is loaded with this file.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal

from intertie.gateway.gateway import Gateway
from intertie.gateway.metering.readings import Readings, take_in
from intertie.gateway.office.uploaded_acts import Came
from intertie.gateway.office.uploaded_readings import keep_readings, look_readings
from intertie.gateway.settlement.settle import Compared, LinePair, Settled, compare, statement_of
from intertie.gateway.settlement.settle_dispute import Asked, check_invoice, dispute, resolve
from intertie.gateway.settlement.settle_inputs import find_deal, period_of
from intertie.gateway.settlement.settle_readings import differing_readings
from intertie.gateway.settlement.settle_shadow import lines_of
from intertie.gateway.settlement.settle_true_up import TrueUp, true_up
from intertie.gateway.settlement.settling_ports import (
    Answer,
    ChangedRow,
    CheckView,
    Draft,
    LookedAt,
    PairRow,
    ShadowView,
    TrueUpView,
)
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.views.view_statement import find
from intertie.model.billing import Dispute
from intertie.model.errors import SettingsError
from intertie.model.ids import ConfirmationId, MessageId
from intertie.model.made import made

# Inputs that a page lists: more than these have one cause, and the first of them show it.
INPUTS_MAX = 200


class Settler:
    """`gateway.settlement.settling_ports.Settling` over our readings. One at a time: two would only take from each other."""

    def __init__(self, gateway: Gateway, readings: Callable[[], Readings], minutes: int = 15) -> None:
        """`minutes` is the length of the intervals of readings."""
        self._gateway, self._readings, self._minutes = gateway, readings, minutes
        self._lock = threading.Lock()

    def shadow(self, desk: Desk, statement: str) -> ShadowView:
        """A statement beside our own."""
        with self._lock:
            return shadow_view(desk, self._present(), statement, self._minutes)

    def draft(self, desk: Desk, deal: str, month: str) -> Draft:
        """The statement of a deal's month."""
        with self._lock:
            found = self._made(desk, deal, month)
        return Draft(found.statement, found.held.deal.currency, tuple(found.held.left_out))

    def state(self, desk: Desk, deal: str, month: str) -> Sequence[MessageId]:
        """The same, sent."""
        with self._lock:
            return desk.say(self._made(desk, deal, month).statement)

    def _made(self, desk: Desk, deal: str, month: str) -> Settled:
        terms = find_deal(desk, ConfirmationId(deal))
        return statement_of(desk, self._present(), terms, period_of(terms, month), minutes=self._minutes)

    def true_up(self, desk: Desk, statement: str) -> TrueUpView:
        """A statement of ours on the readings that count now."""
        with self._lock:
            return true_up_view(desk, true_up(desk, self._present(), statement, minutes=self._minutes))

    def correct(self, desk: Desk, statement: str, change: Decimal) -> Sequence[MessageId]:
        """The same, sent."""
        with self._lock:
            found = true_up(desk, self._present(), statement, minutes=self._minutes)
        if found.same:
            raise SettingsError(
                f"nothing changed in {found.old.statement}", do="There is nothing to correct."
            )
        if found.change != change:
            raise SettingsError(
                f"it comes to a change of {found.change} by now, not {change}", do="Load the page again."
            )
        return desk.say(found.new, in_reply_to=found.row.id)

    def check(self, desk: Desk, invoice: str) -> CheckView:
        """An invoice beside our own settlement."""
        with self._lock:
            return check_view(desk, self._present(), invoice, self._minutes)

    def dispute(self, desk: Desk, invoice: str, name: str, reply_by: datetime | None) -> Sequence[MessageId]:
        """Work it out again, and dispute what differs."""
        with self._lock:
            checked = check_invoice(desk, self._present(), invoice, minutes=self._minutes)
            return dispute(desk, checked, name or f"X-{invoice}", reply_by)

    def dispute_statement(self, desk: Desk, statement: str, name: str) -> Sequence[MessageId]:
        """The same, of a partner's statement."""
        event, body = find(desk, statement)
        with self._lock:
            readings = self._present()
            found = compare(desk, readings, body, minutes=self._minutes)
            lines = lines_of(found, found.held.deal.tolerance_percent, differing_readings(readings, found))
        if not lines or event.sender == desk.us:
            why = "is ours" if event.sender == desk.us else "is right within tolerance"
            raise SettingsError(f"{statement} {why}", do="There is nothing to dispute.")
        text = f"Worked out again from what {desk.us} holds."
        said = made(Dispute, dispute=name or f"X-{statement}", invoice=statement, lines=lines, text=text)
        return desk.say(said, in_reply_to=event.message)

    def resolve(self, desk: Desk, dispute: str, answer: Answer) -> Sequence[MessageId]:
        """Answer it."""
        asked = Asked(answer.agreed, answer.corrected, answer.due, answer.text, self._minutes)
        with self._lock:
            return resolve(desk, self._present(), dispute, answer.how, asked)

    def look(self, content: bytes, now: datetime) -> LookedAt:
        """Readings in a file, judged."""
        return look_readings(self._readings(), content, now)

    def keep(self, content: bytes, now: datetime) -> Came:
        """The same, kept."""
        with self._lock:
            return keep_readings(self._gateway, self._readings(), content, now)

    def _present(self) -> Readings:
        """With all that came taken in."""
        readings = self._readings()
        take_in(self._gateway, readings)
        return readings


def shadow_view(desk: Desk, readings: Readings, name: str, minutes: int = 15) -> ShadowView:
    """A statement worked out again. NotHere, SettingsError, NoBaseline, StoreError."""
    _, body = find(desk, name)
    found = compare(desk, readings, body, minutes=minutes)
    inputs = (*found.inputs, *differing_readings(readings, found))
    deal = found.held.deal
    return ShadowView(
        partner=desk.partner,
        statement=name,
        currency=deal.currency,
        tolerance_percent=deal.tolerance_percent,
        same=found.same,
        theirs=_total(found, ours=False),
        ours=_total(found, ours=True),
        lines=_pairs(found.lines, deal.tolerance_percent),
        inputs=inputs[:INPUTS_MAX],
        inputs_left_out=max(0, len(inputs) - INPUTS_MAX),
        left_out=tuple(found.held.left_out),
    )


def _total(found: Compared, *, ours: bool) -> Decimal:
    body = found.ours if ours else found.theirs
    return sum((line.amount for line in body.lines), Decimal("0.00"))


def _pairs(pairs: Sequence[LinePair], tolerance_percent: Decimal) -> tuple[PairRow, ...]:
    rows, number = [], 0
    for pair in pairs:
        line = pair.theirs or pair.ours
        assert line is not None  # a pair has one at least
        number += pair.theirs is not None
        ours = Decimal(0) if pair.ours is None else pair.ours.amount
        rows.append(
            PairRow(
                number=number if pair.theirs is not None else None,
                code=line.code.value,
                text=line.text,
                dispatch=line.dispatch or "",
                theirs=None if pair.theirs is None else pair.theirs.amount,
                ours=None if pair.ours is None else pair.ours.amount,
                difference=pair.difference,
                beyond=abs(pair.difference) * 100 > tolerance_percent * abs(ours),
            )
        )
    return tuple(rows)


def true_up_view(desk: Desk, found: TrueUp) -> TrueUpView:
    """A statement as it was and as it is, line beside line."""
    rows = []
    for pair in found.lines:
        line = pair.theirs or pair.ours
        assert line is not None  # a pair has one at least
        rows.append(
            ChangedRow(
                code=line.code.value,
                text=line.text,
                dispatch=line.dispatch or "",
                before=None if pair.theirs is None else pair.theirs.amount,
                now=None if pair.ours is None else pair.ours.amount,
                change=-pair.difference,
            )
        )
    return TrueUpView(
        partner=desk.partner,
        before=found.old.statement,
        statement=found.new.statement,
        currency=found.compared.held.deal.currency,
        same=found.same,
        change=found.change,
        until=found.until,
        lines=tuple(rows),
        left_out=tuple(found.compared.held.left_out),
    )


def check_view(desk: Desk, readings: Readings, invoice: str, minutes: int = 15) -> CheckView:
    """An invoice worked out again. SettingsError, NoBaseline, StoreError."""
    checked = check_invoice(desk, readings, invoice, minutes=minutes)
    wrong = {one.line for one in checked.lines}
    deal = checked.settled.held.deal
    said = checked.invoice
    return CheckView(
        partner=desk.partner,
        invoice=invoice,
        currency=said.total.currency,
        tolerance_percent=deal.tolerance_percent,
        total=said.total.amount,
        undisputed=sum((line.amount for line in said.lines if line.line not in wrong), Decimal("0.00")),
        lines=tuple(checked.lines),
        left_out=tuple(checked.settled.held.left_out),
    )
