"""Outages that the utility tells of, from notice to restoration: which points have no supply, since when, and until when.

Whether a point is dead is asked of (state, time). Past its estimated restoration an outage goes on until it is restored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from intertie.market.event import Broken, Event, Rule
from intertie.market.feeder import Tree
from intertie.model.ids import ConnectionPointId
from intertie.model.system import (
    OutageCause,
    OutageKind,
    OutageNotice,
    OutageStatus,
    OutageUpdate,
    RestorationNotice,
)


class State(StrEnum):
    """How an outage stands."""

    OPEN = "open"  # announced, or going on
    PARTLY_RESTORED = "partly_restored"
    RESTORED = "restored"
    CANCELLED = "cancelled"  # it did not take place


class Step(StrEnum):
    """What can be said of an outage."""

    NEWS = "news"
    POSTPONE = "postpone"
    RESTORE_PART = "restore_part"
    RESTORE = "restore"
    CANCEL = "cancel"


TABLE: dict[tuple[State, Step], State] = {
    (State.OPEN, Step.NEWS): State.OPEN,
    (State.OPEN, Step.POSTPONE): State.OPEN,
    (State.OPEN, Step.RESTORE_PART): State.PARTLY_RESTORED,
    (State.OPEN, Step.RESTORE): State.RESTORED,
    (State.OPEN, Step.CANCEL): State.CANCELLED,
    (State.PARTLY_RESTORED, Step.NEWS): State.PARTLY_RESTORED,
    (State.PARTLY_RESTORED, Step.RESTORE_PART): State.PARTLY_RESTORED,
    (State.PARTLY_RESTORED, Step.RESTORE): State.RESTORED,
}
STARTS = State.OPEN
FINAL = frozenset({State.RESTORED, State.CANCELLED})
_STEPS = {
    OutageStatus.POSTPONED: Step.POSTPONE,
    OutageStatus.CANCELLED: Step.CANCEL,
    OutageStatus.PARTLY_RESTORED: Step.RESTORE_PART,
}

NAME = Rule(
    "outage.name",
    "An outage has a name that no other outage has; news of it are updates.",
    "000 Discussed Categories, System/Outage Information",
)
UNKNOWN = Rule(
    "outage.unknown",
    "News and restoration are of an outage that was told.",
    "000 Discussed Categories, System/Outage Information",
)
STALE = Rule(
    "outage.revision",
    "An update has a higher revision than the one before it.",
    "001 item 2, paragraph 3: accuracy of content goes first",
)
OVER = Rule(
    "outage.over",
    "An outage that is restored or cancelled stays so; a part that is restored is neither postponed nor cancelled.",
    "State table of an outage (docs/states.md)",
)
NOT_AFFECTED = Rule(
    "outage.not_affected",
    "Supply comes back where it was lost.",
    "001 item 2, paragraph 3: accuracy of content goes first",
)
NO_SECTION = Rule(
    "outage.no_section",
    "A section that is out is in the feeder model.",
    "Parent-child order of the feeder model (docs/grid.md)",
)
EARLY = Rule(
    "outage.early",
    "Supply does not come back before it was lost.",
    "001 item 2, paragraph 3: accuracy of content goes first",
)
RULES: tuple[Rule, ...] = (NAME, UNKNOWN, STALE, OVER, NOT_AFFECTED, NO_SECTION, EARLY)


class Loss(NamedTuple):
    """A point without supply: since when, and until when if it is back. No `since` is the outage's own start."""

    since: datetime | None = None
    until: datetime | None = None


class Outage(NamedTuple):
    """One outage with the points that it took supply from."""

    name: str
    kind: OutageKind
    cause: OutageCause
    starts: datetime
    expected: datetime | None
    lost: Mapping[ConnectionPointId, Loss]
    sections: tuple[str, ...] = ()
    state: State = STARTS
    status: OutageStatus | None = None
    revision: int = 0
    text: str = ""

    def span(self, point: ConnectionPointId, now: datetime) -> tuple[datetime, datetime | None] | None:
        """From when until when a point has no supply, as far as is known at `now`; an end that is not known is None."""
        loss = self.lost.get(point)
        if loss is None or self.state is State.CANCELLED:
            return None
        since = self.starts if loss.since is None else loss.since
        if loss.until is not None:
            return (since, loss.until) if since < loss.until else None
        return since, self.expected if self.expected is not None and self.expected > now else None


Outages = Mapping[str, Outage]


def apply(outages: Outages, event: Event, tree: Tree) -> Outages:
    """The outages after a message. Raises Broken."""
    match event.body:
        case OutageNotice() as body:
            after = _notice(outages, body, tree)
        case OutageUpdate() as body:
            after = _update(_known(outages, body.outage), body, tree)
        case RestorationNotice() as body:
            after = _restore(_known(outages, body.outage), body, tree)
        case _:
            return outages
    return {**outages, after.name: after}


def _known(outages: Outages, name: str) -> Outage:
    found = outages.get(name)
    if found is None:
        raise Broken(UNKNOWN, f"there is no {name}")
    return found


def _notice(outages: Outages, body: OutageNotice, tree: Tree) -> Outage:
    if body.outage in outages:
        raise Broken(NAME, f"{body.outage} was told before")
    return Outage(
        body.outage,
        body.kind,
        body.cause,
        body.starts,
        body.estimated_restoration,
        {point: Loss() for point in sorted({*tree.under(body.points), *_below(body.sections, tree)})},
        body.sections,
        text=body.text,
    )


def _below(sections: Iterable[str], tree: Tree) -> frozenset[ConnectionPointId]:
    unknown = [name for name in sections if name not in tree.parents]
    if unknown:
        raise Broken(NO_SECTION, f"there is no section {unknown[0]}")
    return tree.points_below(sections)


def _update(before: Outage, body: OutageUpdate, tree: Tree) -> Outage:
    if body.revision <= before.revision:
        raise Broken(STALE, f"{before.name} is at revision {before.revision} already")
    step = _STEPS.get(body.status, Step.RESTORE_PART if body.restored_points else Step.NEWS)
    lost = dict(before.lost)
    lost.update({point: Loss(body.at) for point in sorted(tree.under(body.added_points))})
    lost = _back(before, lost, _of(before, body.restored_points, tree), body.at)
    expected = body.estimated_restoration or before.expected
    if (
        body.status is OutageStatus.POSTPONED
        and body.estimated_restoration is None
        and expected
        and body.starts
    ):
        expected += body.starts - before.starts  # as long as it was meant to last
    after = before._replace(
        state=_step(before, step),
        status=body.status,
        revision=body.revision,
        starts=body.starts or before.starts,
        expected=expected,
        cause=body.cause or before.cause,
        lost=lost,
        text=body.text,
    )
    return _whole(after)


def _restore(before: Outage, body: RestorationNotice, tree: Tree) -> Outage:
    below = _below(body.sections, tree) & _still_lost(before)
    points = {*_of(before, body.points, tree), *below}
    lost = _back(before, dict(before.lost), sorted(points), body.restored)
    if body.complete:
        lost = {
            point: loss._replace(until=body.restored) if loss.until is None else loss
            for point, loss in lost.items()
        }
    after = before._replace(
        state=_step(before, Step.RESTORE if body.complete else Step.RESTORE_PART), lost=lost
    )
    return _whole(after)


def _of(before: Outage, points: Iterable[ConnectionPointId], tree: Tree) -> list[ConnectionPointId]:
    """The points that are named, and those behind them that were lost and are not back."""
    named = set(points)
    return sorted(named | (tree.under(named) & _still_lost(before)))


def _still_lost(before: Outage) -> frozenset[ConnectionPointId]:
    return frozenset(point for point, loss in before.lost.items() if loss.until is None)


def _back(
    before: Outage, lost: dict[ConnectionPointId, Loss], points: Iterable[ConnectionPointId], at: datetime
) -> dict[ConnectionPointId, Loss]:
    for point in points:
        loss = lost.get(point)
        if loss is None:
            raise Broken(NOT_AFFECTED, f"{point} is not in {before.name}")
        if at < (before.starts if loss.since is None else loss.since):
            raise Broken(EARLY, f"{point} was lost later")
        lost[point] = loss._replace(until=at)
    return lost


def _whole(outage: Outage) -> Outage:
    """Once every point is back, it is over, whoever says so and how."""
    partly = outage.state is State.PARTLY_RESTORED
    if partly and all(loss.until is not None for loss in outage.lost.values()):
        return outage._replace(state=State.RESTORED)
    return outage


def _step(before: Outage, step: Step) -> State:
    after = TABLE.get((before.state, step))
    if after is None:
        raise Broken(OVER, f"{before.name} is {before.state}")
    return after
