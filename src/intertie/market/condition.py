"""Conditions of the system: limits, forecasts and switching, each by name and revision, until they end or are back to normal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from intertie.market.event import Broken, Event, Rule
from intertie.market.feeder import Switches
from intertie.model.ids import ConnectionPointId
from intertie.model.interval import IntervalSeries, Window
from intertie.model.system import ConditionKind, SwitchAction, SystemCondition

STALE = Rule(
    "condition.revision",
    "A condition that is told again has a higher revision.",
    "001 item 2, paragraph 3: accuracy of content goes first",
)
NOTHING_TO_END = Rule(
    "condition.nothing_to_end",
    "What goes back to normal is a condition that was told and has not ended.",
    "OpenADR 3 capacity limits, by name (docs/grid.md)",
)
RULES: tuple[Rule, ...] = (STALE, NOTHING_TO_END)


class Condition(NamedTuple):
    """The newest revision of a condition, and when it went back to normal."""

    body: SystemCondition
    ended: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Whether it counts at a time."""
        return self.body.window.holds(at) and (self.ended is None or at < self.ended)


Conditions = Mapping[str, Condition]


def apply(conditions: Conditions, event: Event) -> Conditions:
    """The conditions after a message. Raises Broken."""
    body = event.body
    if not isinstance(body, SystemCondition):
        return conditions
    known = conditions.get(body.condition)
    if known is not None and body.revision <= known.body.revision:
        raise Broken(STALE, f"{body.condition} is at revision {known.body.revision} already")
    if body.kind is not ConditionKind.NORMAL:
        return {**conditions, body.condition: Condition(body)}
    if known is None or known.ended is not None:
        raise Broken(NOTHING_TO_END, f"there is no {body.condition}")
    ended = Condition(_at_revision(known.body, body.revision), max(body.window.start, event.received))
    return {**conditions, body.condition: ended}


def _at_revision(body: SystemCondition, revision: int) -> SystemCondition:
    """What is kept of a condition that ended: what it was, and the revision that ended it."""
    fields = {name: getattr(body, name) for name in body.__struct_fields__}
    return SystemCondition(**{**fields, "revision": revision})


def switches_at(conditions: Conditions, at: datetime) -> Switches:
    """The devices that are operated at a time, by the last step about each; when their condition is over they are as before."""
    done: dict[str, tuple[datetime, SwitchAction]] = {}
    for one in conditions.values():
        if one.body.kind is ConditionKind.SWITCHING and one.holds(at):
            for step in one.body.switching:
                moves = step.action in (SwitchAction.OPEN, SwitchAction.CLOSE)
                if moves and step.at <= at and (step.device not in done or done[step.device][0] <= step.at):
                    done[step.device] = step.at, step.action
    return {device: action for device, (_, action) in done.items()}


def switching_times(conditions: Conditions, window: Window) -> list[datetime]:
    """The times inside a window at which a switch may change its state."""
    times: set[datetime] = set()
    for one in conditions.values():
        if one.body.kind is ConditionKind.SWITCHING:
            times |= {step.at for step in one.body.switching} | {one.body.window.start, one.body.window.end}
            times |= {one.ended} if one.ended is not None else set()
    return sorted(at for at in times if window.holds(at))


def limits_at(
    conditions: Conditions, points: Iterable[ConnectionPointId], at: datetime
) -> tuple[Decimal | None, Decimal | None]:
    """The least limit towards these points and back from them at a time, where there is one."""
    wanted = frozenset(points)
    towards: list[Decimal] = []
    back: list[Decimal] = []
    for one in conditions.values():
        if one.body.kind is ConditionKind.LIMIT and one.holds(at) and wanted & frozenset(one.body.points):
            towards += value_of(one.body.limit_kw, at)
            back += value_of(one.body.export_limit_kw, at)
    return min(towards, default=None), min(back, default=None)


def value_of(series: IntervalSeries | None, at: datetime) -> list[Decimal]:
    """What a series says of a time, if anything."""
    if series is None or not series.start <= at < series.end:
        return []
    value = series.quantity((at - series.start) // series.step)
    return [] if value is None else [value]
