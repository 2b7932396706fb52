"""A statement or an invoice beside what comes out of our own readings: each line, what differs, and which inputs make it differ.

It is worked out again each time that it is asked for, which takes as long as settling takes; Arrow is loaded with this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from intertie.gateway.readings import Readings
from intertie.gateway.settle import Compared, LinePair, compare
from intertie.gateway.settle_dispute import Checked, check_invoice
from intertie.gateway.settle_readings import differing_readings
from intertie.gateway.trade_desk import Desk
from intertie.gateway.view_statement import find
from intertie.model.billing import DifferingInput, DisputedLine
from intertie.model.ids import PartyId

# Inputs that a page lists: more than these have one cause, and the first of them show it.
INPUTS_MAX = 200


class PairRow(NamedTuple):
    """A line as the statement has it and as it comes out here; None where one side has none."""

    number: int | None  # of the statement, from 1
    code: str
    text: str
    dispatch: str
    theirs: Decimal | None
    ours: Decimal | None
    difference: Decimal
    beyond: bool  # by more than the tolerance of the deal


class ShadowView(NamedTuple):
    """The whole comparison. `theirs` is what the statement says, whoever made it."""

    partner: PartyId
    statement: str
    currency: str
    tolerance_percent: Decimal
    same: bool
    theirs: Decimal
    ours: Decimal
    lines: tuple[PairRow, ...]
    inputs: tuple[DifferingInput, ...]
    inputs_left_out: int
    left_out: tuple[tuple[str, str], ...]  # what was not settled here, and why


class CheckView(NamedTuple):
    """An invoice beside our own settlement: the lines that may be disputed, and what is payable all the same."""

    partner: PartyId
    invoice: str
    currency: str
    tolerance_percent: Decimal
    total: Decimal
    undisputed: Decimal
    lines: tuple[DisputedLine, ...]
    left_out: tuple[tuple[str, str], ...]


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


def check_view(desk: Desk, readings: Readings, invoice: str, minutes: int = 15) -> tuple[CheckView, Checked]:
    """An invoice worked out again, and what an act needs to dispute it. SettingsError, NoBaseline, StoreError."""
    checked = check_invoice(desk, readings, invoice, minutes=minutes)
    wrong = {one.line for one in checked.lines}
    deal = checked.settled.held.deal
    said = checked.invoice
    view = CheckView(
        partner=desk.partner,
        invoice=invoice,
        currency=said.total.currency,
        tolerance_percent=deal.tolerance_percent,
        total=said.total.amount,
        undisputed=sum((line.amount for line in said.lines if line.line not in wrong), Decimal("0.00")),
        lines=tuple(checked.lines),
        left_out=tuple(checked.settled.held.left_out),
    )
    return view, checked
