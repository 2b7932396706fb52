"""Quantities with their unit in the type, and money. Scalars are Decimal; JSON writes them as strings."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Annotated, NewType

from msgspec import Meta

from intertie.model.record import Record

Kilowatts = NewType("Kilowatts", Decimal)
KilowattHours = NewType("KilowattHours", Decimal)
Kilovars = NewType("Kilovars", Decimal)
Volts = NewType("Volts", Decimal)
Percent = NewType("Percent", Decimal)


class Unit(StrEnum):
    """Units of an interval series."""

    KW = "kW"
    KWH = "kWh"
    KVAR = "kvar"
    V = "V"
    PERCENT = "%"


Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}(?!\n)$")]  # ISO 4217


class Money(Record, frozen=True, kw_only=True):
    """An amount in one currency. Sums refuse a second currency; rounding is half-up, at the line, to the cent."""

    amount: Decimal
    currency: Currency

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(amount=self.amount + other.amount, currency=self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(amount=self.amount - other.amount, currency=self.currency)

    def __neg__(self) -> Money:
        return Money(amount=-self.amount, currency=self.currency)

    def rounded(self) -> Money:
        """To two places, half away from zero: the rule printed on every invoice."""
        return Money(amount=to_cents(self.amount), currency=self.currency)

    def _same(self, other: Money) -> None:
        if other.currency != self.currency:
            raise ValueError(f"cannot mix {self.currency} and {other.currency}")

    def __str__(self) -> str:
        return f"{self.amount:,.2f} {self.currency}"


def to_cents(amount: Decimal) -> Decimal:
    """Two decimal places, half away from zero."""
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
