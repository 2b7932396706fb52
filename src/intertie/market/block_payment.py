"""Delivery and money of many meters at once, each its own resource: whole watt-hours, hundredths, cents."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import lcm
from typing import NamedTuple

import numpy as np

from intertie.market.block_events import Looked
from intertie.market.exactly import Whole, add_up, limit, minus, rounded_ratio, times
from intertie.market.shapes import FACTOR_ONE, SHARE_ONE, Shape, earned, full, linear

CENTS, THOUSAND = 100, 1000


class Delivered(NamedTuple):
    """One event by meter: energy in watt-hours and the factor in hundredths, each rounded half up once.

    `settled` is 1 where there is a baseline; without one nothing counts as delivered, and a person has to look.
    """

    energy: Whole
    asked: Whole
    factor: Whole
    missing: Whole
    settled: Whole
    minutes: int
    test: bool = False


class Terms(NamedTuple):
    """The money part of a deal for each of many meters; all but the capacity is the same for all."""

    contracted_w: Whole
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


class Amount(NamedTuple):
    """A column of lines, one for each meter: quantity in thousandths of its unit, amount in cents."""

    code: str
    event: int  # its place among the events; -1: the month
    quantity: Whole
    cents: Whole


class Month(NamedTuple):
    """The money of a month by meter, and its factor in hundredths."""

    factor: Whole
    amounts: tuple[Amount, ...]

    def total(self) -> Whole:
        """Cents of each meter: the sum of its lines."""
        return add_up(np.stack([amount.cents for amount in self.amounts]), 0)


def deliver(
    looked: Looked,
    asked_wh: Sequence[Fraction],
    cap: Fraction,
    step_minutes: int,
    test: bool = False,
) -> Delivered:
    """Baseline less metered, never under zero nor over `cap` times what was asked; a gap delivered nothing, and counts.

    `asked_wh` is the same for each meter, one value for each interval; the block is in watt-hours.
    """
    found = looked.expected
    bottom = found.bottom[:, None]
    common = lcm(cap.denominator, *(one.denominator for one in asked_wh))
    ask = np.array([int(one * common * cap.denominator) for one in asked_wh], object)[None, :]
    most = np.array([int(one * common * cap.denominator * cap) for one in asked_wh], object)[None, :]
    if max((int(v) for v in (*ask[0], *most[0])), default=0) < 2**62:
        ask, most = ask.astype(np.int64), most.astype(np.int64)
    widen = common * cap.denominator
    short = times(minus(found.top, times(looked.actual, bottom)), widen)
    counts = looked.present & (found.number > 0)[:, None]
    taken = add_up(np.where(counts, limit(short, 0, times(bottom, most)), 0), 1)
    wanted = add_up(ask, 1)
    energy = rounded_ratio(taken, times(found.bottom, widen))
    asked = np.broadcast_to(rounded_ratio(wanted, np.array([widen])), energy.shape)
    if int(wanted[0]) > 0:
        factor = rounded_ratio(times(taken, FACTOR_ONE), times(found.bottom, wanted))
        factor = limit(factor, 0, FACTOR_ONE)
    else:
        factor = np.full(energy.shape, FACTOR_ONE, np.int64)
    missing = (~looked.present).sum(axis=1)
    return Delivered(energy, asked, factor, missing, found.number > 0, step_minutes * len(asked_wh), test)


def month(events: Sequence[Delivered], terms: Terms, share: Fraction, before: Whole | None = None) -> Month:
    """The lines of a month, or of the `share` of it in which the deal is in force.

    The factor is the mean of the events' factors by their length. A month without an event keeps `before`; the first
    one has 1. Penalties stop, event by event, at the month's cap; the line that meets it shows the energy it pays for.
    """
    factor = _month_factor(events, terms, before)
    amounts = [_reservation(terms, share, factor)]
    left = _cap(terms, share)
    for place, event in enumerate(events):
        if event.test and not terms.test_pays:
            continue
        paid = rounded_ratio(
            times(event.energy, earned(event.factor, terms.utilisation_shape)), _all(event, SHARE_ONE)
        )
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
        times(thousandths, exact.numerator * CENTS), np.full(thousandths.shape, THOUSAND * exact.denominator)
    )


def _all(event: Delivered, value: int) -> Whole:
    return np.full(event.energy.shape, value, np.int64)


def _month_factor(events: Sequence[Delivered], terms: Terms, before: Whole | None) -> Whole:
    minutes = sum(event.minutes for event in events)
    if not minutes:
        return np.full(terms.contracted_w.shape, FACTOR_ONE, np.int64) if before is None else before
    weighted = add_up(np.stack([times(event.factor, event.minutes) for event in events]), 0)
    return rounded_ratio(weighted, np.full(weighted.shape, minutes, np.int64))


def _reservation(terms: Terms, share: Fraction, factor: Whole) -> Amount:
    paid = earned(factor, terms.reservation_shape)
    top = times(times(terms.contracted_w, paid), share.numerator)
    quantity = rounded_ratio(top, np.full(paid.shape, SHARE_ONE * share.denominator, np.int64))
    return Amount("RES", -1, quantity, money(quantity, terms.reservation_per_kw_month))


def _cap(terms: Terms, share: Fraction) -> Whole:
    """Cents that the penalties of a month may reach."""
    most = Fraction(terms.reservation_per_kw_month) * share * terms.penalty_cap * CENTS
    return rounded_ratio(
        times(terms.contracted_w, most.numerator),
        np.full(terms.contracted_w.shape, THOUSAND * most.denominator),
    )


def _penalty(place: int, event: Delivered, terms: Terms, left: Whole) -> tuple[Amount, Whole]:
    grace = terms.grace
    owed = minus(times(event.asked, grace.numerator), times(event.energy, grace.denominator))
    short = np.maximum(0, rounded_ratio(owed, _all(event, grace.denominator)))
    rate = Fraction(terms.penalty_per_kwh)
    if rate > 0:
        # of the energy that the rest of the cap pays for, rounded down to the watt-hour
        room = times(left, THOUSAND * rate.denominator) // (CENTS * rate.numerator)
        over = np.asarray(money(short, terms.penalty_per_kwh) > left, np.bool_)
        short = np.where(over, room, short)
    cents = money(short, terms.penalty_per_kwh)
    short = np.where(np.asarray(cents > 0, np.bool_), short, 0)
    return Amount("PEN", place, -short, -cents), minus(left, cents)
