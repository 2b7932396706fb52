"""Prices over time, as a market, an operator or a clearinghouse tells them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

from msgspec import Meta

from intertie.model.interval import Window
from intertie.model.quantity import Money
from intertie.model.record import Record, RuleError

# A year of hours; finer or longer prices go in several messages.
PRICES_MAX = 366 * 24


class PriceInterval(Record, frozen=True, kw_only=True):
    """The price per kWh in one window (OpenADR 3 PRICE payload; passthrough of prices: ET3). It may be below zero."""

    window: Window
    price: Money


Prices = Annotated[tuple[PriceInterval, ...], Meta(max_length=PRICES_MAX)]


def check_prices(field: str, prices: Sequence[PriceInterval], within: Window) -> None:
    """One currency, in order of time, without overlap, inside `within`; ValueError if not."""
    for before, after in pairwise(prices):
        if after.window.start < before.window.end:
            raise RuleError(f"{field}: windows overlap or are out of order")
    for one in prices:
        if one.window.start < within.start or one.window.end > within.end:
            raise RuleError(f"{field}: one is outside the window of the document")
        if one.price.currency != prices[0].price.currency:
            raise RuleError(f"{field}: more than one currency")
