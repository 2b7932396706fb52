"""Invoice lines from columns: what each line would ask is asked of all of them at once, and a thousand are built in a third of
the time."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from intertie.model.billing import InvoiceLine, LineCode
from intertie.model.record import DECIMAL_MAX, are_plain, as_built, unchecked

_UNASKED = unchecked(InvoiceLine)
_CENT = Decimal("0.01")
_CENTS_MAX = int(DECIMAL_MAX) * 100


class LineColumns(NamedTuple):
    """The fields of lines, each a column; all are of one length. Quantities and rates are decimal numbers as text, amounts are
    whole cents. Nothing here is for an invoice that was paid late."""

    line: Sequence[int]
    code: Sequence[LineCode]
    text: Sequence[str]
    quantity: Sequence[str]
    unit: Sequence[str]
    rate: Sequence[str]
    cents: Sequence[int]
    dispatch: Sequence[str | None]
    statement: Sequence[str | None]

    def lines(self) -> tuple[InvoiceLine, ...]:
        """The records. ValueError as InvoiceLine has it, of the first line that breaks a rule; ArithmeticError for a text that is
        no number."""
        # Each text once: rates and quantities repeat. Not each value: 1 and 1.0000000000 are equal, and one has too many places.
        quantities = {text: Decimal(text) for text in set(self.quantity)}
        rates = {text: Decimal(text) for text in set(self.rate)}
        amounts = {cents: cents * _CENT for cents in set(self.cents)}
        good = self._are_good() and are_plain(quantities.values()) and are_plain(rates.values())
        make = _UNASKED if good else InvoiceLine
        built = [
            make(
                line=line,
                code=code,
                text=text,
                quantity=quantities[quantity],
                unit=unit,
                rate=rates[rate],
                amount=amounts[cents],
                dispatch=dispatch,
                statement=statement,
            )
            for line, code, text, quantity, unit, rate, cents, dispatch, statement in zip(*self, strict=True)
        ]
        return as_built(InvoiceLine, built) if good else tuple(built)

    def _are_good(self) -> bool:
        """Whether no amount is out of bounds, and no code asks for more: no line can then break a rule by them. False may be said
        of good lines, too: then each is asked."""
        bounded = min(self.cents, default=0) >= -_CENTS_MAX and max(self.cents, default=0) <= _CENTS_MAX
        return bounded and LineCode.INTEREST not in self.code and LineCode.PENALTY not in self.code
