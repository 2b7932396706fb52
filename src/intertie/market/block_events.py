"""An event on a block: which slots of which days the rules look at, also on the days on which the clock turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from intertie.market.baseline_rule import Adjustment, Candidate, NoBaseline, Reason, Rule, candidates
from intertie.market.blocks import Block, Flags, changes, layout, likeness
from intertie.market.exactly import Whole, add_up
from intertie.market.type_one import NOT_LOOKED_AT, Expected, History, Today, expect
from intertie.model.interval import Window, intervals_in, local_day

# The blocks of one settlement have the same days; a few settlements alternate at most.
TURNS_KEPT = 64


class BlockEvent(NamedTuple):
    """Where an event's intervals are on its own day (`slots`), where the like hours of other days are (`like`), and the
    same for the adjustment window. Intervals are in the order of time."""

    name: str
    day: date
    slots: tuple[int, ...]
    like: tuple[int, ...]
    before: tuple[int, ...] = ()
    before_like: tuple[int, ...] = ()


class Looked(NamedTuple):
    """A baseline on a block with the candidates that its codes stand beside."""

    event: BlockEvent
    candidates: tuple[Candidate, ...]
    expected: Expected
    actual: Whole  # meters x intervals, 0 in a gap
    present: Flags


def place(name: str, window: Window, rule: Rule, zone: str, step_minutes: int) -> BlockEvent:
    """An event in local time. Raises NoBaseline if it leaves its day or does not begin and end with an interval.

    The adjustment window is counted in elapsed time, so that an hour that comes twice counts twice; it is empty if it
    would begin before midnight.
    """
    day = window.start.astimezone(ZoneInfo(zone)).date()
    step = timedelta(minutes=step_minutes)
    start = local_day(day, zone).start
    first, rest = divmod(window.start - start, step)
    slots, alike = layout(day, zone, step_minutes), likeness(day, zone, step_minutes)
    if rest or (window.end - window.start) % step:
        raise NoBaseline(
            f"event {name} does not begin and end with an interval of {step_minutes} minutes",
            do="Ask for readings of a finer step, or settle it by hand.",
        )
    last = first + intervals_in(window, step)
    if last > len(slots):
        raise NoBaseline(
            f"event {name} runs over midnight of {day}", do="Dispatch and settle each day by itself."
        )
    left = first - rule.adjust_minutes_before // step_minutes
    right = left + rule.adjust_minutes // step_minutes
    if rule.adjustment is Adjustment.NONE or left < 0:
        left = right = 0
    return BlockEvent(name, day, slots[first:last], alike[first:last], slots[left:right], alike[left:right])


def look(block: Block, event: BlockEvent, rule: Rule, not_usable: Mapping[date, Reason]) -> Looked:
    """The baseline of each meter of a block, with what it metered. First only as many days as the rule needs are read;
    meters with gaps or days of low usage among them are looked at again, over the whole look-back."""
    turned = _turned(block.first, block.values.shape[1], block.zone, block.step_minutes)
    days = candidates(event.day, rule, not_usable, turned)
    pick = rule.pick(event.day)
    today = _today(block, event)
    near = _near(days, pick.of)
    found = expect(_history(block, event, near, rule), today, rule, pick)
    short = np.flatnonzero(found.choice.found < pick.of) if len(near) < len(days) else np.empty(0, np.int64)
    found = _widened(found, len(days))
    if short.size:
        part = _rows(block, short)
        again = expect(_history(part, event, days, rule), _rows_today(today, short), rule, pick)
        found = _with(found, again, short)
    actual, present = load_of(block, event.day, event.slots)
    return Looked(event, days, found, actual, present)


def load_of(block: Block, day: date, slots: Sequence[int]) -> tuple[Whole, Flags]:
    """What each meter took in these slots of a day, 0 in a gap, and where there is no gap."""
    values, present = _taken(block, day, slots)
    return np.where(present, values, 0), present


def _near(days: Sequence[Candidate], of: int) -> tuple[Candidate, ...]:
    """The latest candidates down to the one that makes `of` days, if no meter has gaps."""
    free = [i for i, one in enumerate(days) if one.barred is None]
    return tuple(days[: free[of - 1] + 1]) if len(free) >= of else tuple(days)


def _history(block: Block, event: BlockEvent, days: Sequence[Candidate], rule: Rule) -> History:
    """The days that are not barred are taken out of the block at once, the others stay zero."""
    meters = len(block.meters)
    shape = (meters, len(days))
    found = [
        (column, at)
        for column, one in enumerate(days)
        if one.barred is None and (at := block.place_of(one.day)) is not None
    ]
    columns, places = [column for column, _ in found], [at for _, at in found]
    loads = np.zeros((*shape, len(event.like)), np.int64)
    window, usable = np.zeros(shape, np.int64), np.zeros(shape, np.bool_)
    refused = np.zeros(shape, np.bool_) if rule.refused_quality else None
    if places:
        loads[:, columns] = _slots(block.values, places, event.like)
        usable[:, columns] = _whole(block.present, places, event.like) & _whole(
            block.present, places, event.before_like
        )
        window[:, columns] = add_up(_slots(block.values, places, event.before_like), 2)
        if refused is not None:
            codes = _slots(block.quality, places, [*event.like, *event.before_like])
            refused[:, columns] = np.isin(codes, list(rule.refused_quality)).any(2)
    return History(days, loads, window, usable, refused)


def _slots(values: Any, places: list[int], slots: Sequence[int]) -> Any:
    """Some slots of some days of each meter. Slots that follow each other are cut out, which is faster than to pick them."""
    cut = _cut(slots)
    return values[:, places, cut] if isinstance(cut, slice) else values[:, places][:, :, cut]


def _whole(present: Flags, places: list[int], slots: Sequence[int]) -> Flags:
    """Meters x days without a gap in these slots. Mostly there is none at all, and to see that is quick."""
    there = _slots(present, places, slots)
    return np.ones(there.shape[:2], np.bool_) if there.all() else np.asarray(there.all(axis=2), np.bool_)


@lru_cache(TURNS_KEPT)
def _turned(first: date, count: int, zone: str, step_minutes: int) -> frozenset[date]:
    """The days of a block on which the clock turns."""
    turns = changes(first, count, zone, step_minutes)
    return frozenset(first + timedelta(days=i) for i, turn in enumerate(turns) if turn)


def _cut(slots: Sequence[int]) -> slice | list[int]:
    """A slice where slots follow each other: it costs no copy."""
    if not slots:
        return slice(0, 0)
    return (
        slice(slots[0], slots[-1] + 1) if list(slots) == list(range(slots[0], slots[-1] + 1)) else list(slots)
    )


def _taken(block: Block, day: date, slots: Sequence[int]) -> tuple[Whole, Flags]:
    at = block.place_of(day)
    if at is None:
        shape = (len(block.meters), len(slots))
        return np.zeros(shape, np.int64), np.zeros(shape, np.bool_)
    cut = _cut(slots)
    return block.values[:, at, cut].astype(np.int64), block.present[:, at, cut]


def _today(block: Block, event: BlockEvent) -> Today:
    values, present = _taken(block, event.day, event.before)
    return Today(
        add_up(np.where(present, values, 0), 1), np.asarray(present.all(axis=1), np.bool_), len(event.before)
    )


def _rows(block: Block, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Block:
    return block._replace(
        meters=tuple(block.meters[i] for i in rows),
        values=block.values[rows],
        present=block.present[rows],
        quality=block.quality[rows],
    )


def _rows_today(today: Today, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Today:
    return today._replace(window=today.window[rows], usable=today.usable[rows])


def _widened(found: Expected, columns: int) -> Expected:
    codes = found.choice.codes
    more = np.full((codes.shape[0], columns - codes.shape[1]), NOT_LOOKED_AT, np.uint8)
    wide = np.concatenate([codes, more], axis=1)
    return found._replace(choice=found.choice._replace(codes=wide))


def _with(found: Expected, again: Expected, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Expected:
    """`found` with some of its rows replaced; wide integers stay wide."""
    return Expected(
        top=_put(found.top, again.top, rows),
        bottom=_put(found.bottom, again.bottom, rows),
        plain=_put(found.plain, again.plain, rows),
        number=_put(found.number, again.number, rows),
        measured=(
            _put(found.measured[0], again.measured[0], rows),
            _put(found.measured[1], again.measured[1], rows),
        ),
        applied=(
            _put(found.applied[0], again.applied[0], rows),
            _put(found.applied[1], again.applied[1], rows),
        ),
        choice=found.choice._replace(
            codes=_put(found.choice.codes, again.choice.codes, rows),
            found=_put(found.choice.found, again.choice.found, rows),
        ),
    )


def _put(into: Whole, new: Whole, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Whole:
    made = into.astype(object) if new.dtype == object else np.array(into)
    made[rows] = new
    return made
