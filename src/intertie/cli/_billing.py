"""What the commands of billing share: their options, and amounts as people write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated

from cyclopts import Parameter

from intertie.gateway.billing.billing_account import days
from intertie.gateway.trading.trade_desk import Desk
from intertie.model.errors import SettingsError
from intertie.model.interval import Window

From = Annotated[date | None, Parameter(name="--from", help="The first day, in the contract's zone.")]
To = Annotated[date | None, Parameter(name="--to", help="The last day.")]


def decimal(text: str, what: str) -> Decimal:
    """A number that a person wrote; SettingsError if it is none."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise SettingsError(f"{what}: {text!r} is no number", do="Write it as 1234.50.")
    return number


def pairs(texts: Iterable[str], what: str) -> list[tuple[str, Decimal]]:
    """Of `NAME=AMOUNT`, each."""
    found = []
    for text in texts:
        name, sign, amount = text.rpartition("=")
        if not sign or not name:
            raise SettingsError(f"{what}: {text!r} is not NAME=AMOUNT", do="Write it as I-1=100.00.")
        found.append((name, decimal(amount, what)))
    return found


def period_of(desk: Desk, first: date | None, last: date | None) -> Window | None:
    """The days that were named; None if none were. SettingsError if only one was."""
    if first is None and last is None:
        return None
    if first is None or last is None:
        raise SettingsError("one day of a period is missing", do="Name both --from and --to.")
    return days(desk, first, last)


def amounts(columns: Sequence[object]) -> list[str]:
    """Amounts for a table; an empty cell for none."""
    return [f"{one:,.2f}" if isinstance(one, Decimal) else str(one) for one in columns]
