"""Aggregations and their DERs, a page at a time: how each stands, what was decided and why, and what happened before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from intertie.gateway.trading.trade_desk import Desk
from intertie.market.grid import Able, able
from intertie.market.registry import REVIEW, Aggregation, Noted, Standing, Suspended, Version
from intertie.model.errors import SettingsError
from intertie.model.ids import AggregationId, DerId

# What a person reads, and decides on, at once.
DERS_PAGE = 100
# Older lines of an aggregation's history are in its messages.
HISTORY_SHOWN = 50
# The names of a line of history; a registration names thousands.
NAMED = 5
OVER = "over"


class AggregationLine(NamedTuple):
    """An aggregation, and how its DERs stand."""

    name: AggregationId
    services: tuple[str, ...]
    revision: int
    effective: datetime
    ends: datetime | None
    waiting: int
    accepted: int
    refused: int
    counting_kw: Decimal


class DerLine(NamedTuple):
    """A DER by its newest record; `counts_kw` by the one that counts now, which may be an older one."""

    aggregation: AggregationId
    der: DerId
    newest: Version
    counts_kw: Decimal | None
    able_kw: Decimal
    why: str  # less than was accepted, if it is less
    suspended_by: str
    decide_by: datetime | None  # while it waits for its decision

    @property
    def waits(self) -> bool:
        """Whether the utility has not decided."""
        return self.newest.standing is Standing.OFFERED


class SuspensionLine(NamedTuple):
    """DERs that do not take part for a while: `state` is ahead, holds or over. No `ders` are all of the aggregation."""

    aggregation: AggregationId
    name: str
    by: str
    ders: tuple[DerId, ...]
    more: int
    starts: datetime
    ends: datetime | None
    reason: str
    state: str
    can_resume: bool


class Step(NamedTuple):
    """A line of the history: who did what, to how many DERs."""

    at: datetime
    by: str
    what: str
    ders: tuple[DerId, ...]
    more: int
    effective: datetime
    revision: int


class Wanted(NamedTuple):
    """Which DERs: of an aggregation, that stand so, whose id, point, meter or feeder has this text, after this DER."""

    aggregation: AggregationId | None = None
    standing: Standing | None = None
    text: str = ""
    after: str = ""


class RegistrationView(NamedTuple):
    """All aggregations, and a page of DERs. `matching` are all that were asked for; `next` is the cursor of the next page."""

    aggregations: tuple[AggregationLine, ...]
    ders: tuple[DerLine, ...]
    matching: int
    next: str | None
    suspensions: tuple[SuspensionLine, ...]
    history: tuple[Step, ...]


class DerView(NamedTuple):
    """One DER with all its records, newest first."""

    line: DerLine
    versions: tuple[Version, ...]
    suspensions: tuple[SuspensionLine, ...]
    history: tuple[Step, ...]


def registration_view(desk: Desk, wanted: Wanted) -> RegistrationView:
    """The page, of what both hold. An aggregation that is not there has no DERs."""
    registry = desk.book.registry
    chosen = [one for name, one in registry.items() if wanted.aggregation in (None, name)]
    found = sorted((one.name, der) for one in chosen for der in _matching(one, wanted))
    after = tuple(wanted.after.split(" ", 1))  # of an aggregation, and of a DER in it
    rest = [one for one in found if one > after]
    page = rest[:DERS_PAGE]
    return RegistrationView(
        tuple(_aggregation(one, desk.now) for _, one in sorted(registry.items())),
        tuple(_lines(desk, [(registry[name], der) for name, der in page])),
        len(found),
        " ".join(page[-1]) if len(rest) > len(page) else None,
        _suspensions(desk, chosen),
        tuple(_history(chosen))[:HISTORY_SHOWN],
    )


def der_view(desk: Desk, aggregation: AggregationId, der: DerId) -> DerView:
    """One DER; SettingsError if it is not in the aggregation."""
    known = desk.book.registry.get(aggregation)
    if known is None or der not in known.ders:
        raise SettingsError(f"no DER {der} in {aggregation}", do="Look for it in the list.")
    steps = [one for one in _steps(known, NAMED) if der in one[1].ders]
    return DerView(
        next(_lines(desk, [(known, der)])),
        tuple(reversed(known.ders[der])),
        _suspensions(desk, [known], der),
        tuple(step for step, _ in reversed(steps))[:HISTORY_SHOWN],
    )


def _suspensions(
    desk: Desk, chosen: Iterable[Aggregation], der: DerId | None = None
) -> tuple[SuspensionLine, ...]:
    """Those of a DER or of all, the newest first; what holds or is ahead stands before what is over."""
    found = [
        _suspension(desk, one.name, held)
        for one in chosen
        for held in one.suspensions.values()
        if der is None or not held.ders or der in held.ders
    ]
    found.sort(key=lambda line: (line.state != OVER, line.starts), reverse=True)
    return tuple(found[:HISTORY_SHOWN])


def _suspension(desk: Desk, aggregation: AggregationId, one: Suspended) -> SuspensionLine:
    over = one.ends is not None and one.ends <= desk.now
    return SuspensionLine(
        aggregation,
        one.name,
        one.by,
        one.ders[:NAMED],
        max(len(one.ders) - NAMED, 0),
        one.starts,
        one.ends,
        one.reason.value,
        OVER if over else "ahead" if one.starts > desk.now else "holds",
        not over and one.by == desk.us,
    )


def _matching(one: Aggregation, wanted: Wanted) -> Iterator[DerId]:
    text = wanted.text.strip().casefold()
    for der, versions in one.ders.items():
        newest = versions[-1]
        if wanted.standing not in (None, newest.standing):
            continue
        body = newest.der
        if text and not any(text in part.casefold() for part in (der, body.point, body.meter, body.feeder)):
            continue
        yield der


def _aggregation(one: Aggregation, now: datetime) -> AggregationLine:
    stands: dict[Standing, int] = {}
    for versions in one.ders.values():
        standing = versions[-1].standing
        stands[standing] = stands.get(standing, 0) + 1
    return AggregationLine(
        one.name,
        tuple(one.services),
        one.revision,
        one.effective,
        one.ends,
        stands.get(Standing.OFFERED, 0),
        stands.get(Standing.ACCEPTED, 0),
        stands.get(Standing.REFUSED, 0),
        sum((version.kw for version in one.counting(now).values()), Decimal(0)),
    )


def _lines(desk: Desk, page: Iterable[tuple[Aggregation, DerId]]) -> Iterator[DerLine]:
    """What each can do now is asked of the grid for all of the page at once: it looks at every DER that there is."""
    wanted = list(page)
    points = {version.der.point for one, der in wanted for version in one.ders[der]}
    grid, registry, now = desk.book.grid, desk.book.registry, desk.now
    counting = {(one.aggregation.name, one.der): one for one in able(grid, registry, points, None, now, now)}
    for one, der in wanted:
        yield _line(one, der, counting.get((one.name, der)), now)


def _line(one: Aggregation, der: DerId, now_able: Able | None, now: datetime) -> DerLine:
    newest, held = one.ders[der][-1], one.suspended(der, now)
    return DerLine(
        one.name,
        der,
        newest,
        None if now_able is None else now_able.version.kw,
        Decimal(0) if now_able is None else now_able.kw,
        "" if now_able is None or held is not None else now_able.why,
        "" if held is None else f"{held.name}, by {held.by}",
        newest.offered + REVIEW if newest.standing is Standing.OFFERED else None,
    )


def _history(chosen: Iterable[Aggregation]) -> list[Step]:
    steps = [step for one in chosen for step, _ in _steps(one, NAMED)[-HISTORY_SHOWN:]]
    return sorted(steps, key=lambda one: one.at, reverse=True)


def _steps(one: Aggregation, named: int) -> list[tuple[Step, Noted]]:
    return [
        (
            Step(
                noted.at,
                noted.by,
                noted.what,
                noted.ders[:named],
                max(len(noted.ders) - named, 0),
                noted.effective,
                noted.revision,
            ),
            noted,
        )
        for noted in one.history
    ]
