"""What a page asks of whoever can settle: a statement or an invoice worked out again from our own readings, a dispute and its
answer, and readings in a file. Whoever can has Arrow loaded; these types need none of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple, Protocol

from intertie.gateway.office.uploaded import Row
from intertie.gateway.office.uploaded_acts import Came
from intertie.gateway.trading.trade_desk import Desk
from intertie.model.billing import DifferingInput, DisputedLine, Resolution
from intertie.model.ids import MessageId, PartyId
from intertie.model.settlement import PerformanceStatement


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


class ChangedRow(NamedTuple):
    """A line as it was said, and as it comes out on the readings that count now; None where there is none."""

    code: str
    text: str
    dispatch: str
    before: Decimal | None
    now: Decimal | None
    change: Decimal


class TrueUpView(NamedTuple):
    """A statement of ours, in its newest form, worked out again. `until` is when it may no longer be corrected."""

    partner: PartyId
    before: str
    statement: str  # the name of the corrected one
    currency: str
    same: bool
    change: Decimal
    until: datetime
    lines: tuple[ChangedRow, ...]
    left_out: tuple[tuple[str, str], ...]


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


class Draft(NamedTuple):
    """The statement of a deal's month as it would be said, and what is left out of it, with why."""

    statement: PerformanceStatement
    currency: str
    left_out: tuple[tuple[str, str], ...]


class Answer(NamedTuple):
    """How a dispute is answered: amounts by line for a split; name and due date of a corrected invoice; a sentence."""

    how: Resolution
    agreed: Mapping[int, Decimal] = {}
    corrected: str = ""
    due: date | None = None
    text: str = ""


class LookedAt(NamedTuple):
    """What a file of readings has: meter days, and what was found in it. `wrong` counts readings that are not taken."""

    rows: tuple[Row, ...]
    days: int
    wrong: int
    rows_left_out: int


class Settling(Protocol):
    """Each takes as long as settling takes, and raises SettingsError, NoBaseline, StoreError."""

    def shadow(self, desk: Desk, statement: str) -> ShadowView:
        """A statement beside our own. NotHere."""

    def draft(self, desk: Desk, deal: str, month: str) -> Draft:
        """The statement of a deal's month (YYYY-MM) from what is held here."""

    def state(self, desk: Desk, deal: str, month: str) -> Sequence[MessageId]:
        """The same, sent."""

    def true_up(self, desk: Desk, statement: str) -> TrueUpView:
        """A statement of ours on the readings that count now. SettingsError if it is not ours, or its window has closed."""

    def correct(self, desk: Desk, statement: str, change: Decimal) -> Sequence[MessageId]:
        """The same, sent, if it comes to this change, and to any at all."""

    def check(self, desk: Desk, invoice: str) -> CheckView:
        """An invoice beside our own settlement."""

    def dispute(self, desk: Desk, invoice: str, name: str, reply_by: datetime | None) -> Sequence[MessageId]:
        """Work an invoice out again, and dispute what differs."""

    def dispute_statement(self, desk: Desk, statement: str, name: str) -> Sequence[MessageId]:
        """Work a partner's statement out again, and dispute it by its own name before any invoice."""

    def resolve(self, desk: Desk, dispute: str, answer: Answer) -> Sequence[MessageId]:
        """Answer a dispute of an invoice of ours."""

    def look(self, content: bytes, now: datetime) -> LookedAt:
        """Readings in a file, judged; nothing is kept. Never raises for what is in it."""

    def keep(self, content: bytes, now: datetime) -> Came:
        """The same, kept."""
