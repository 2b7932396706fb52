"""Baseline Type I for many meters at once: which days, which mean, which adjustment. Exact; the same for one meter.

Arrays are meters x days x slots. Every number of the result is whole, or a numerator and a denominator.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from intertie.market.baseline_rule import Adjustment, Candidate, Pick, Reason, Rule, Side
from intertie.market.blocks import Flags
from intertie.market.exactly import SAFE, Whole, add_chosen, add_up, largest, limit, minus, plus, times

# What became of a day, as a small number in arrays.
USED, NOT_LOOKED_AT = 0, 255
CODES: dict[Reason, int] = {reason: i for i, reason in enumerate(Reason, start=1)}
REASONS: dict[int, Reason] = {code: reason for reason, code in CODES.items()}


class History(NamedTuple):
    """The candidates of an event, latest first: their loads over its slots and over the adjustment window.

    `usable` is False for a meter's day with a gap there; `refused`, if given, marks days of a refused quality.
    """

    candidates: Sequence[Candidate]
    event: Whole  # meters x candidates x intervals of the event
    window: Whole  # meters x candidates: the sum over the adjustment window
    usable: Flags
    refused: Flags | None = None


class Today(NamedTuple):
    """The event day's own load over the adjustment window: its sum, and whether it is all there."""

    window: Whole
    usable: Flags
    intervals: int


class Choice(NamedTuple):
    """What became of each candidate (a code of `CODES`, USED or NOT_LOOKED_AT), and how many days were found in all."""

    codes: np.ndarray[tuple[int, int], np.dtype[np.uint8]]
    found: Whole


class Expected(NamedTuple):
    """The baseline of an event, `top / bottom` per interval, and how it came about. Rows are meters.

    `number` is 0, and the rest means nothing, for a meter with too few days.
    """

    top: Whole
    bottom: Whole
    plain: Whole  # the sum over the days used; over `number` it is the baseline before adjustment
    number: Whole
    measured: tuple[Whole, Whole]  # the adjustment before cap and side: a ratio, or an amount per interval
    applied: tuple[Whole, Whole]
    choice: Choice


def expect(history: History, today: Today, rule: Rule, pick: Pick) -> Expected:
    """The baseline of an event for each meter."""
    most = largest(history.event)
    energy = add_up(history.event, 2, most)
    choice = choose(history, energy, rule, pick)
    used = choice.codes == USED
    enough = choice.found >= pick.minimum_days
    count = np.where(enough, used.sum(axis=1), 0).astype(np.int64)
    plain = add_chosen(history.event, used, most)
    before = add_up(np.where(used, history.window, 0), 1)
    safe = np.maximum(count, 1)
    measured, applied = adjust(plain, before, safe, today, rule)
    if rule.adjustment is Adjustment.ADDITIVE:
        # plain / count + applied, and the bottom of `applied` is a multiple of count
        share = applied[1] // safe
        top, bottom = plus(times(plain, share[:, None]), applied[0][:, None]), applied[1]
    elif rule.adjustment is Adjustment.NONE:
        top, bottom = plain, safe
    else:
        top, bottom = times(plain, applied[0][:, None]), times(safe, applied[1])
    return Expected(top, bottom, plain, count, measured, applied, choice)


def choose(history: History, energy: Whole, rule: Rule, pick: Pick) -> Choice:
    """The days of each meter. Of two days with the same energy over the event the later one counts as higher.

    Days of low usage make room for earlier ones, until none is low: low means under `rule.low_usage` of the mean of
    the days then in hand, itself included.
    """
    barred = np.array([CODES[c.barred] if c.barred else USED for c in history.candidates], np.uint8)
    codes = np.where(barred[None, :] != USED, barred[None, :], USED) + np.zeros(
        history.usable.shape, np.uint8
    )
    codes[(codes == USED) & ~history.usable] = CODES[Reason.NO_READINGS]
    if history.refused is not None:
        codes[(codes == USED) & history.refused] = CODES[Reason.QUALITY]
    while True:
        able = codes == USED
        rank = np.cumsum(able, axis=1)
        hand = able & (rank <= pick.of)
        held = hand.sum(axis=1).astype(np.int64)
        total = add_up(np.where(hand, energy, 0), 1)
        low = hand & _under(energy, total, held, rule.low_usage)
        if not low.any():
            break
        codes[low] = CODES[Reason.LOW_USAGE]
    seen = np.minimum(rank[:, -1:], pick.of) if rank.shape[1] else rank
    reached = (rank < seen) | (able & (rank == seen)) | (seen < pick.of)
    codes[~reached] = NOT_LOOKED_AT
    codes[hand & ~_highest(energy, hand, held, pick)] = CODES[Reason.NOT_AMONG_HIGHEST]
    return Choice(codes, held)


def adjust(
    plain: Whole, before: Whole, count: Whole, today: Today, rule: Rule
) -> tuple[tuple[Whole, Whole], tuple[Whole, Whole]]:
    """The adjustment as measured and as applied. Where it cannot be measured (no window, a gap in it on the event day, a
    baseline not above zero there) it is neutral. Bottoms are multiples of `count` for an additive one."""
    ones = np.ones_like(count)
    if rule.adjustment is Adjustment.NONE or not today.intervals:
        neutral = (ones, ones) if rule.adjustment is Adjustment.MULTIPLICATIVE else (ones * 0, count)
        return neutral, neutral
    now = times(today.window, count)
    if rule.adjustment is Adjustment.MULTIPLICATIVE:
        able = today.usable & np.asarray(before > 0, np.bool_)
        top, bottom = np.where(able, now, 1), np.where(able, before, 1)
        low, high = _bounds(rule)
        return (top, bottom), _clip_ratio(top, bottom, low, high)
    top = np.where(today.usable, minus(now, before), 0)
    bottom = times(count, today.intervals)
    return (top, bottom), _clip_amount(top, bottom, plain, count, today, rule)


def _under(energy: Whole, total: Whole, held: Whole, share: Fraction) -> Flags:
    """energy < share x total / held, without a division; a mean not above zero bars nobody."""
    left = times(times(energy, held[:, None]), share.denominator)
    right = times(total, share.numerator)
    return np.asarray(left < right[:, None], np.bool_) & np.asarray(total > 0, np.bool_)[:, None]


def _highest(energy: Whole, hand: Flags, held: Whole, pick: Pick) -> Flags:
    """Those of the days in hand whose place by energy is among those that the rule takes."""
    floor = -(largest(energy) + 1)
    ranked = -np.where(hand, energy, floor) if energy.dtype == object or -floor < SAFE else None
    if ranked is None:
        ranked = -np.where(hand, energy.astype(object), floor)
    order = np.argsort(ranked, axis=1, kind="stable")
    places = np.arange(order.shape[1])
    last = np.minimum(pick.drop_highest + pick.highest, held - pick.drop_lowest)
    taken = np.empty(order.shape, np.bool_)
    rows = np.arange(order.shape[0])[:, None]
    taken[rows, order] = (places >= pick.drop_highest) & (places < last[:, None])
    return np.asarray(hand & taken, np.bool_)


def _bounds(rule: Rule) -> tuple[Fraction | None, Fraction | None]:
    """The least and the greatest ratio."""
    low = None if rule.cap is None else 1 - rule.cap
    high = None if rule.cap is None else 1 + rule.cap
    return (
        Fraction(1) if rule.side is Side.UP else low,
        Fraction(1) if rule.side is Side.DOWN else high,
    )


def _clip_ratio(
    top: Whole, bottom: Whole, low: Fraction | None, high: Fraction | None
) -> tuple[Whole, Whole]:
    for bound, least in ((high, False), (low, True)):
        if bound is None:
            continue
        left, right = times(top, bound.denominator), times(bottom, bound.numerator)
        beyond = np.asarray(left < right if least else left > right, np.bool_)
        top, bottom = (
            np.where(beyond, bound.numerator, top),
            np.where(beyond, bound.denominator, bottom),
        )
    return top, bottom


def _clip_amount(
    top: Whole, bottom: Whole, plain: Whole, count: Whole, today: Today, rule: Rule
) -> tuple[Whole, Whole]:
    """At most the cap times the magnitude of the mean baseline over the event, and to the allowed side."""
    if rule.cap is not None:
        intervals = max(1, plain.shape[1])
        # both over the common bottom count x intervals of window x intervals of event x denominator of the cap
        widen = intervals * rule.cap.denominator
        most = times(np.abs(add_up(plain, 1)), rule.cap.numerator * today.intervals)
        top, bottom = limit(times(top, widen), -most, most), times(bottom, widen)
    if rule.side is Side.UP:
        top = np.maximum(top, 0)
    if rule.side is Side.DOWN:
        top = np.minimum(top, 0)
    return top, bottom
