"""The feeder model, as far as a partner needs it: sections, what feeds what, and where connection points hang."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from intertie.model.contract import POINTS_MAX, Revision
from intertie.model.ids import Name, PointRef
from intertie.model.interval import Instant
from intertie.model.record import Record, RuleError
from intertie.model.rules import no_repeats

# A feeder is cut into tens of sections by its switches; this is a substation with many feeders.
SECTIONS_MAX = 2000


class Section(Record, frozen=True, kw_only=True):
    """A piece of a feeder between switches. Fed by `parent`, through `device` if a switch lies between; without a parent, by the
    substation."""

    section: Name
    feeder: Name
    parent: Name | None = None
    device: Name | None = None


class Tie(Record, frozen=True, kw_only=True):
    """A switch between two sections that is open as a rule, and closed to feed one from the other."""

    device: Name
    first: Name
    second: Name

    def check(self) -> None:
        """Two sections."""
        if self.first == self.second:
            raise RuleError("second: the same section as first")


class PointPlace(Record, frozen=True, kw_only=True):
    """The section that a connection point hangs on, and the point that it is behind, as a customer's behind a transformer."""

    point: PointRef
    section: Name
    parent: PointRef | None = None


class FeederModel(Record, frozen=True, kw_only=True):
    """The sections that matter to a partner and the points on them; a higher `revision` replaces it from `effective` on.

    How sections feed each other is the parent-child order of IEC 61968 connectivity, put simply.
    """

    model: Name
    revision: Revision
    effective: Instant
    sections: Annotated[tuple[Section, ...], Meta(min_length=1, max_length=SECTIONS_MAX)]
    points: Annotated[tuple[PointPlace, ...], Meta(min_length=1, max_length=POINTS_MAX)]
    ties: Annotated[tuple[Tie, ...], Meta(max_length=SECTIONS_MAX)] = ()

    def check(self) -> None:
        """Everything once; every name used is a section; parents lead to the substation, never in a circle."""
        no_repeats("sections", (one.section for one in self.sections))
        no_repeats("points", (one.point for one in self.points))
        devices = [one.device for one in self.sections if one.device is not None]
        no_repeats("devices", [*devices, *(one.device for one in self.ties)])
        parents = {one.section: one.parent for one in self.sections}
        used = [*(one.section for one in self.points), *(p for p in parents.values() if p is not None)]
        used += [end for tie in self.ties for end in (tie.first, tie.second)]
        if any(name not in parents for name in used):
            raise RuleError("sections: a point, parent or tie names one that is not there")
        behind: dict[str, str | None] = {one.point: one.parent for one in self.points}
        if any(parent is not None and parent not in behind for parent in behind.values()):
            raise RuleError("points: a parent is not among them")
        _no_circle("sections", parents)
        _no_circle("points", behind)


def _no_circle(field: str, parents: dict[str, str | None]) -> None:
    """Each section is visited once: the way up from it ends at the substation, or at one whose way is known."""
    safe: set[str] = set()
    for start in parents:
        way: list[str] = []
        here: str | None = start
        while here is not None and here not in safe:
            if len(way) > len(parents):
                raise RuleError(f"{field}: parents go in a circle")
            way.append(here)
            here = parents[here]
        safe.update(way)
