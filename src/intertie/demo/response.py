"""What the DERs do when they are called: batteries discharge, chargers wait, heat pumps throttle; and what they make up
for afterwards. Whole watts, quarter-hours, one flat row of the whole season per element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from intertie.demo.feeder import STEPS, Element, Watts

# A heat pump keeps the house warm at this share of its power for an hour or two.
HEAT_PUMP_KEEPS = 0.4
# Of the heat not made, this share is made up for afterwards: a cooler house loses less.
HEAT_REBOUND = 0.8
HEAT_REBOUND_STEPS = 12
# Batteries keep a tenth; charging loses a twentieth; they fill up slowly at night.
RESERVE = 0.1
CHARGE_EFFICIENCY = 0.95
NIGHT_STEPS = 20  # five hours


class Call(NamedTuple):
    """Intervals `first` up to `last` of the season, and the watts wanted in each."""

    first: int
    last: int
    watts: int


def respond(
    call: Call,
    elements: Sequence[Element],
    power: Mapping[str, Watts],
    out_of_service: frozenset[str] = frozenset(),
) -> dict[str, Watts]:
    """How much each element takes more (or less: negative) per interval of the season. `power` is flat.

    Chargers wait first, then batteries give evenly what they hold over the event, then heat pumps throttle as far as
    is still needed. What the call does not need is not moved.
    """
    working = [e for e in elements if e.name not in out_of_service]
    size = max(row.size for row in power.values())
    moved = {e.name: np.zeros(size, np.int64) for e in working if e.kind != "pv"}
    left = np.full(call.last - call.first, call.watts, np.int64)
    window = slice(call.first, call.last)
    for element in (e for e in working if e.kind == "charger"):
        left -= _lower(moved[element.name], power[element.name], window, left, keeps=0.0)
    _discharge([e for e in working if e.kind == "storage"], moved, window, left)
    for element in (e for e in working if e.kind == "heat_pump"):
        left -= _lower(moved[element.name], power[element.name], window, left, keeps=HEAT_PUMP_KEEPS)
    for element in working:
        if element.kind != "pv":
            _make_up(element, moved[element.name], power.get(element.name), call.last)
    return moved


def _even_watts(battery: Element, hours: float) -> int:
    return min(battery.rated_w, int((battery.rated_wh or 0) * (1 - RESERVE) / hours))


def _lower(moved: Watts, power: Watts, window: slice, left: Watts, *, keeps: float) -> Watts:
    """Take away what can be spared, at most what is left; returns what it was."""
    spare = (power[window] * (1 - keeps)).astype(np.int64)
    taken = np.maximum(np.minimum(spare, left), 0)
    moved[window] -= taken
    return taken


def _discharge(batteries: Sequence[Element], moved: dict[str, Watts], window: slice, left: Watts) -> None:
    """Each battery gives its share of what is left, within its power and what it holds."""
    hours = (window.stop - window.start) / 4
    most = {b.name: _even_watts(b, hours) for b in batteries}
    total = sum(most.values())
    if not total:
        return
    wanted = np.clip(left, 0, total)
    for battery in batteries:
        given = wanted * most[battery.name] // total
        moved[battery.name][window] -= given
        left -= given


def _make_up(element: Element, moved: Watts, power: Watts | None, after: int) -> None:
    """Energy that was not taken in the event is taken later, within the rated power."""
    missing = -int(moved[:after].sum())  # watt quarter-hours
    if missing <= 0:
        return
    if element.kind == "heat_pump":
        _spread(moved, int(missing * HEAT_REBOUND), after, HEAT_REBOUND_STEPS)
    elif element.kind == "storage":
        midnight = -(-after // STEPS) * STEPS
        _spread(moved, int(missing / CHARGE_EFFICIENCY), midnight, NIGHT_STEPS)
    elif power is not None:
        _charge(moved, power, element.rated_w, missing, after)


def _spread(moved: Watts, energy: int, start: int, steps: int) -> None:
    end = min(start + steps, moved.size)
    if end > start:
        moved[start:end] += energy // (end - start)


def _charge(moved: Watts, power: Watts, rated: int, missing: int, start: int) -> None:
    """The car fills up at whatever its socket has free, until it has what it missed."""
    for i in range(start, moved.size):
        if missing <= 0:
            return
        extra = min(missing, max(0, rated - int(power[i])))
        moved[i] += extra
        missing -= extra
