"""Delivery and money of many meters at once, each its own resource: whole watt-hours, hundredths, cents."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import lcm
from typing import NamedTuple

import numpy as np

from intertie.market.block_events import Looked
from intertie.market.blocks import Flags
from intertie.market.exactly import SAFE, Whole, add_up, limit, minus, rounded_ratio, times
from intertie.market.shapes import FACTOR_ONE, SHARE_ONE, Shape, earned, full, linear

CENTS, THOUSAND = 100, 1000


class Asked(NamedTuple):
    """What was asked in each interval, in watt-hours; with `scale`, for each unit of a meter's own scale."""

    each: Sequence[Fraction]
    scale: Whole | None = None


class Credit(NamedTuple):
    """What counts as delivered, `top / bottom` by meter and interval, and what was asked, `asked / widen`."""

    top: Whole
    bottom: Whole
    asked: Whole
    widen: int


class Share(NamedTuple):
    """The part of a month in which the deal covers a meter: days of it over its days."""

    days: Whole
    of: int


class Delivered(NamedTuple):
    """One event by meter: energy in watt-hours and the factor in hundredths, each rounded half up once.

    `settled` is 1 where there is a baseline; without one nothing counts as delivered, and a person has to look.
    `counts` is False for a meter that was not yet there; None: it is for all.
    """

    energy: Whole
    asked: Whole
    factor: Whole
    missing: Whole
    settled: Whole
    seconds: int
    test: bool = False
    counts: Flags | None = None


class Terms(NamedTuple):
    """The money part of a deal for each of many meters; all but the capacity is the same for all."""

    contracted: Whole  # in whole parts of a kW, `per_kw` of them
    reservation_per_kw_month: Decimal
    utilisation_per_kwh: Decimal
    penalty_per_kwh: Decimal
    reservation_shape: Shape = linear()
    utilisation_shape: Shape = full()
    grace: Fraction = Fraction(1)  # a delivery of this share of what was asked costs no penalty
    penalty_cap: Fraction = Fraction(1)  # penalties of a month, as a multiple of its full reservation
    delivered_cap: Fraction = Fraction(1)  # energy counts up to this share of what was asked
    test_pays: bool = (
        True  # whether a test event earns utilisation and costs penalties; it counts for the factor
    )
    per_kw: int = THOUSAND


class Amount(NamedTuple):
    """A column of lines, one for each meter: quantity in thousandths of its unit, amount in cents."""

    code: str
    event: int  # its place among the events; -1: the month
    quantity: Whole
    cents: Whole
    capped: Flags | None = None  # of a penalty: where the month's cap cut it


class Month(NamedTuple):
    """The money of a month by meter, and its factor in hundredths."""

    factor: Whole
    amounts: tuple[Amount, ...]

    def total(self) -> Whole:
        """Cents of each meter: the sum of its lines."""
        return add_up(np.stack([amount.cents for amount in self.amounts]), 0)


def credit(top: Whole, bottom: Whole, actual: Whole, counts: Flags, asked: Asked, cap: Fraction) -> Credit:
    """Baseline (`top / bottom`) less metered, never under zero nor over `cap` times what was asked; nothing where nothing
    `counts`. Exact: this is all of the rule, for statements and for many meters."""
    common = lcm(1, *(one.denominator for one in asked.each))
    widen = common * cap.denominator
    ask = _asks(asked, widen)
    most = times(ask, cap.numerator) // cap.denominator
    short = times(minus(top, times(actual, bottom[:, None])), widen)
    taken = limit(short, 0, times(most, bottom[:, None]))
    return Credit(np.where(counts, taken, 0), bottom, ask, widen)


def factor_of(found: Credit) -> Whole:
    """Delivered over asked in hundredths, from 0 to 100; 100 where nothing was asked."""
    taken, wanted = add_up(found.top, 1), add_up(found.asked, 1)
    some = np.asarray(wanted > 0, np.bool_)
    bottom = np.where(some, times(found.bottom, np.where(some, wanted, 1)), 1)
    share = limit(rounded_ratio(times(taken, FACTOR_ONE), bottom), 0, FACTOR_ONE)
    return np.asarray(np.where(some, share, FACTOR_ONE))


def deliver(
    looked: Looked,
    asked: Asked | Sequence[Fraction],
    cap: Fraction,
    step_minutes: int,
    test: bool = False,
    counts: Flags | None = None,
) -> Delivered:
    """An event of each meter; a gap delivered nothing, and is counted. The block is in watt-hours."""
    wanted = asked if isinstance(asked, Asked) else Asked(asked)
    found = looked.expected
    there = looked.present & (found.number > 0)[:, None]
    made = credit(found.top, found.bottom, looked.actual, there, wanted, cap)
    meters = len(found.bottom)
    energy = rounded_ratio(add_up(made.top, 1), times(found.bottom, made.widen))
    total = rounded_ratio(add_up(made.asked, 1), np.full(made.asked.shape[0], made.widen))
    factor = np.where(found.number > 0, factor_of(made), 0)
    return Delivered(
        energy,
        np.broadcast_to(total, (meters,)),
        factor,
        (~looked.present).sum(axis=1),
        found.number > 0,
        60 * step_minutes * len(wanted.each),
        test,
        counts,
    )


def month(
    events: Sequence[Delivered], terms: Terms, share: Fraction | Share, before: Whole | None = None
) -> Month:
    """The lines of a month, or of the `share` of it in which the deal is in force.

    The factor is the mean of the events' factors by their length. A month without an event keeps `before`; the first
    one has 1. Penalties stop, event by event, at the month's cap; the line that meets it shows the energy it pays for.
    """
    part = share if isinstance(share, Share) else _same_share(share, terms)
    factor = month_factor(events, terms.contracted.shape[0], before)
    amounts = [_reservation(terms, part, factor)]
    left = _cap(terms, part)
    for place, event in enumerate(events):
        if event.test and not terms.test_pays:
            continue
        paid = rounded_ratio(
            times(event.energy, earned(event.factor, terms.utilisation_shape)), _all(event, SHARE_ONE)
        )
        paid = paid if event.counts is None else np.where(event.counts, paid, 0)
        amounts.append(Amount("UTL", place, paid, money(paid, terms.utilisation_per_kwh)))
        penalty, left = _penalty(place, event, terms, left)
        amounts.append(penalty)
    return Month(factor, tuple(amounts))


def true_up(old: Month, new: Month) -> Amount:
    """What a recalculation on revised readings changes, as one line for each meter: new total less old total.

    Whether the adjustment window is still open is the caller's to know: it has the dates.
    """
    change = minus(new.total(), old.total())
    return Amount("ADJ", -1, times(change, THOUSAND // CENTS), change)


def money(thousandths: Whole, rate: Decimal) -> Whole:
    """Quantity times rate in cents, half away from zero."""
    exact = Fraction(rate)
    return rounded_ratio(
        times(thousandths, exact.numerator * CENTS), _full(thousandths.shape, THOUSAND * exact.denominator)
    )


def month_factor(events: Sequence[Delivered], meters: int, before: Whole | None = None) -> Whole:
    """The mean of the factors in hundredths, weighted by length, over the events that count for a meter."""
    weights = [
        np.where(True if event.counts is None else event.counts, event.seconds, 0)
        + np.zeros(meters, np.int64)
        for event in events
    ]
    kept = np.full(meters, FACTOR_ONE, np.int64) if before is None else before
    if not weights:
        return kept
    seconds = add_up(np.stack(weights), 0)
    weighted = add_up(np.stack([times(e.factor, w) for e, w in zip(events, weights, strict=True)]), 0)
    some = np.asarray(seconds > 0, np.bool_)
    return np.asarray(np.where(some, rounded_ratio(weighted, np.where(some, seconds, 1)), kept))


def _asks(asked: Asked, widen: int) -> Whole:
    """One row for all meters, or one for each; times `widen`, so that all are whole."""
    row = [int(one * widen) for one in asked.each]
    wide = max((abs(one) for one in row), default=0) >= SAFE
    each = np.array(row, object if wide else np.int64).reshape(1, -1)
    return each if asked.scale is None else times(each, asked.scale[:, None])


def _same_share(share: Fraction, terms: Terms) -> Share:
    return Share(np.full(terms.contracted.shape, share.numerator, np.int64), share.denominator)


def _all(event: Delivered, value: int) -> Whole:
    return np.full(event.energy.shape, value, np.int64)


def _reservation(terms: Terms, share: Share, factor: Whole) -> Amount:
    paid = earned(factor, terms.reservation_shape)
    top = times(times(times(terms.contracted, paid), share.days), THOUSAND)
    quantity = rounded_ratio(top, _full(paid.shape, SHARE_ONE * share.of * terms.per_kw))
    return Amount("RES", -1, quantity, money(quantity, terms.reservation_per_kw_month))


def _full(shape: tuple[int, ...], value: int) -> Whole:
    return np.full(shape, value, np.int64 if value < SAFE else object)


def _cap(terms: Terms, share: Share) -> Whole:
    """Cents that the penalties of a month may reach."""
    most = Fraction(terms.reservation_per_kw_month) * terms.penalty_cap * CENTS
    top = times(times(terms.contracted, share.days), most.numerator)
    return rounded_ratio(top, _full(top.shape, share.of * terms.per_kw * most.denominator))


def _penalty(place: int, event: Delivered, terms: Terms, left: Whole) -> tuple[Amount, Whole]:
    grace = terms.grace
    owed = minus(times(event.asked, grace.numerator), times(event.energy, grace.denominator))
    short = np.maximum(0, rounded_ratio(owed, _all(event, grace.denominator)))
    short = short if event.counts is None else np.where(event.counts, short, 0)
    rate = Fraction(terms.penalty_per_kwh)
    over = np.zeros(short.shape, np.bool_)
    if rate > 0:
        # of the energy that the rest of the cap pays for, rounded down to the watt-hour
        room = times(left, THOUSAND * rate.denominator) // (CENTS * rate.numerator)
        over = np.asarray(money(short, terms.penalty_per_kwh) > left, np.bool_)
        short = np.where(over, room, short)
    cents = money(short, terms.penalty_per_kwh)
    short = np.where(np.asarray(cents > 0, np.bool_), short, 0)
    return Amount("PEN", place, -short, -cents, over), minus(left, cents)
