"""A partner's claim against one's own result: which lines differ by more than agreed, and which input makes them differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

from intertie.market.payment import Line
from intertie.model.billing import DifferingInput, DisputedLine, DisputeReason, Invoice, InvoiceLine, LineCode
from intertie.model.settlement import EventPerformance, PerformanceStatement

# A line's text is read by a person, and names of dispatches are up to 64 characters long.
MISSING_SHOWN = 5


class Candidate(NamedTuple):
    """An input that the partner may hold in an older form, and the lines that this older form leads to."""

    input: DifferingInput
    lines: Callable[[], Sequence[Line]]


class _Pair(NamedTuple):
    """A line of an invoice and what we expect there; `missing` are penalties of ours that the invoice has nowhere."""

    claimed: InvoiceLine
    expected: Decimal
    missing: tuple[str, ...] = ()


def disputed_lines(
    invoice: Invoice, own: Sequence[Line], tolerance_percent: Decimal, candidates: Sequence[Candidate] = ()
) -> tuple[DisputedLine, ...]:
    """The lines of an invoice that differ from one's own by more than the tolerance.

    Lines are matched by code and dispatch. A claim for which we have no line is expected to be zero; a penalty that we
    have and the invoice lacks is put on the utilisation line of its dispatch, or, if the invoice has nothing of that dispatch, on
    its largest line, which says so. If the older form of one input leads to
    exactly the invoice's amounts, that input is named; else nothing is, and both sides compare statements.
    """
    pairs = _pair(invoice, own)
    wrong = [pair for pair in pairs if _beyond(pair, tolerance_percent)]
    if not wrong:
        return ()
    cause = next((c.input for c in candidates if _explains(invoice, c.lines())), None)
    reason = DisputeReason.QUANTITY if cause is None else DisputeReason.METER_DATA
    return tuple(
        DisputedLine(
            line=pair.claimed.line,
            claimed=pair.claimed.amount,
            expected=pair.expected,
            reason=reason,
            inputs=() if cause is None else (cause,),
            text=_text(pair),
        )
        for pair in wrong
    )


def differing_inputs(own: PerformanceStatement, theirs: PerformanceStatement) -> tuple[DifferingInput, ...]:
    """Where two statements of the same period rest on different things: dispatches, days, adjustment, meters."""
    found: list[DifferingInput] = []
    ours = {event.dispatch: event for event in own.events}
    other = {event.dispatch: event for event in theirs.events}
    for dispatch in sorted(set(ours) ^ set(other)):
        there, here = ("settled", "not settled") if dispatch in other else ("not settled", "settled")
        found.append(DifferingInput(input=dispatch, theirs=there, ours=here))
    for dispatch in sorted(set(ours) & set(other)):
        found += _differing_in_event(ours[dispatch], other[dispatch])
    return tuple(found)


def _differing_in_event(ours: EventPerformance, theirs: EventPerformance) -> list[DifferingInput]:
    found: list[DifferingInput] = []
    if ours.asked_kw != theirs.asked_kw:
        found.append(_input(ours.dispatch, "asked", theirs.asked_kw.total(), ours.asked_kw.total()))
    if ours.days_used != theirs.days_used:
        only = [
            sorted(set(a) - set(b))
            for a, b in ((theirs.days_used, ours.days_used), (ours.days_used, theirs.days_used))
        ]
        found.append(_input(ours.dispatch, "days", *(", ".join(map(str, days)) for days in only)))
    if ours.adjustment_factor != theirs.adjustment_factor:
        found.append(_input(ours.dispatch, "adjustment", theirs.adjustment_factor, ours.adjustment_factor))
    mine = {part.meter: part for part in ours.meters}
    other = {part.meter: part for part in theirs.meters}
    for meter in sorted(set(mine) | set(other)):
        here, there = mine.get(meter), other.get(meter)
        if here is None or there is None:
            found.append(
                _input(ours.dispatch, meter, *("counted" if p else "not counted" for p in (there, here)))
            )
        elif here.actual_kwh != there.actual_kwh:
            energies = (f"{p.actual_kwh.total()} kWh" for p in (there, here))
            found.append(_input(ours.dispatch, meter, *energies))
    return found


def _input(dispatch: str, what: str, theirs: object, ours: object) -> DifferingInput:
    return DifferingInput(input=f"{dispatch}/{what}", theirs=str(theirs), ours=str(ours))


def _pair(invoice: Invoice, own: Sequence[Line]) -> list[_Pair]:
    left = {(line.code, line.dispatch): line.amount for line in own}
    expected = [left.pop((line.code.value, line.dispatch), Decimal("0.00")) for line in invoice.lines]
    for place, line in enumerate(invoice.lines):
        if line.code is LineCode.UTILISATION:
            expected[place] += left.pop((LineCode.PENALTY.value, line.dispatch), Decimal("0.00"))
    pairs = [_Pair(line, amount) for line, amount in zip(invoice.lines, expected, strict=True)]
    missing = {
        dispatch: amount for (code, dispatch), amount in left.items() if code == LineCode.PENALTY.value
    }
    if missing:
        most = max(range(len(pairs)), key=lambda place: pairs[place].claimed.amount)
        less = pairs[most].expected + sum(missing.values())
        pairs[most] = pairs[most]._replace(expected=less, missing=tuple(map(str, missing)))
    return pairs


def _text(pair: _Pair) -> str:
    if not pair.missing:
        return pair.claimed.text
    shown = ", ".join(pair.missing[:MISSING_SHOWN]) + (", …" if len(pair.missing) > MISSING_SHOWN else "")
    return f"less the penalty of {shown}, which the invoice leaves out"


def _beyond(pair: _Pair, tolerance_percent: Decimal) -> bool:
    return abs(pair.claimed.amount - pair.expected) * 100 > tolerance_percent * abs(pair.expected)


def _explains(invoice: Invoice, lines: Sequence[Line]) -> bool:
    claimed = sorted((line.code.value, line.dispatch or "", line.amount) for line in invoice.lines)
    return claimed == sorted((line.code, line.dispatch or "", line.amount) for line in lines)
