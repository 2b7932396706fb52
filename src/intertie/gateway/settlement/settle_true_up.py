"""The act of truing up: a statement that was sent is worked out again on the readings that count now, and corrected while the
contract's adjustment window is open."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from intertie.gateway.metering.readings import Readings
from intertie.gateway.ports import MessageRow
from intertie.gateway.settlement.settle import Compared, LinePair, compare, find_statement, statements
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.contract import DAYS_OF_A_MONTH
from intertie.model.errors import SettingsError
from intertie.model.made import changed
from intertie.model.settlement import PerformanceStatement


class TrueUp(NamedTuple):
    """A statement as it was said, and as it comes out now."""

    row: MessageRow
    old: PerformanceStatement
    new: PerformanceStatement
    lines: Sequence[LinePair]  # old and new
    until: datetime  # the window closes
    compared: Compared

    @property
    def change(self) -> Decimal:
        """What it comes to now less what it came to, in the currency of the deal."""
        return -sum((pair.difference for pair in self.lines), Decimal("0.00"))

    @property
    def same(self) -> bool:
        """Nothing changed, to the cent."""
        return self.compared.same


def true_up(desk: Desk, readings: Readings, name: str, *, minutes: int = 15) -> TrueUp:
    """The newest form of a statement of ours, worked out again. Raises SettingsError if it is not ours or the window is closed,
    NoBaseline, StoreError."""
    row, old = _newest(desk, name)
    if not row.outgoing:
        raise SettingsError(
            f"{old.statement} is {desk.partner}'s",
            do="Compare it, and dispute it: only who made it corrects it.",
        )
    until = closes(desk, old)
    if desk.now >= until:
        raise SettingsError(
            f"the adjustment window of {old.statement} closed on {until.date()}", do="It stands as it is."
        )
    found = compare(desk, readings, old, minutes=minutes)
    new = changed(found.ours, statement=_name(desk, name), corrects=old.statement)
    return TrueUp(row, old, new, found.lines, until, found)


def closes(desk: Desk, statement: PerformanceStatement) -> datetime:
    """When a period may no longer be corrected, by the cover sheet, as billing counts it."""
    deal = desk.book.deals.get(statement.confirmation)
    known = None if deal is None else desk.book.contracts.get(deal.terms.agreement)
    text = None if known is None else known.text_at(desk.now)
    if text is None:
        raise SettingsError(
            f"{statement.confirmation} is under no contract that is held here",
            do="`intertie trade show` lists them.",
        )
    months = text.elections.adjustment_window_months
    return statement.period.end + timedelta(days=round(months * DAYS_OF_A_MONTH))


def _newest(desk: Desk, name: str) -> tuple[MessageRow, PerformanceStatement]:
    """The statement of this name, or the last of those that corrected it one after the other."""
    row, body = find_statement(desk, name)
    known = {one.corrects: (each, one) for each, one in statements(desk) if one.corrects is not None}
    seen = {body.statement}
    while (after := known.get(body.statement)) is not None and after[1].statement not in seen:
        row, body = after
        seen.add(body.statement)
    return row, body


def _name(desk: Desk, name: str) -> str:
    """NAME-2, or the next number that is free."""
    taken = {body.statement for _, body in statements(desk)}
    number = 2
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"
