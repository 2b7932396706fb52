"""What an ESPI feed says, entry by entry: frozen types."""

from __future__ import annotations

from array import array
from datetime import datetime
from typing import NamedTuple

from intertie.model.errors import Fault, IntertieError


class EspiError(IntertieError):
    """A feed, or a part of it, that is not ESPI; says in which entry and where in it."""

    fault = Fault.THEIRS

    def __init__(self, place: str, why: str) -> None:
        super().__init__(
            f"{place}: {why}"[:400], do="Ask who made the feed to validate it against the ESPI schema."
        )
        self.place = place


class Links(NamedTuple):
    """Paths of an entry's links, without host, query and a slash at the end."""

    own: str = ""
    up: str = ""
    related: tuple[str, ...] = ()


class UsagePoint(NamedTuple):
    """Where energy is metered."""

    service: int | None = None  # ServiceKind


class MeterReading(NamedTuple):
    """A series of one usage point; its blocks and its type are linked. `kind` if it stands inside (as some feeds have it)."""

    kind: ReadingType | None = None


class ReadingType(NamedTuple):
    """What the values of a series are; codes as ESPI has them, None where the feed says nothing."""

    accumulation: int | None = None
    commodity: int | None = None
    default_quality: int | None = None
    flow: int | None = None
    interval_seconds: int | None = None
    measurement: int | None = None
    power_of_ten: int = 0
    unit: int | None = None


class IntervalBlock(NamedTuple):
    """Values of successive intervals. Starts are Unix seconds (UTC), lengths seconds; quality -1 where the feed says none."""

    start: int
    seconds: int
    starts: array[int]
    lengths: array[int]
    values: array[int]
    qualities: array[int]


class Blocks(NamedTuple):
    """The blocks of an entry: one, or in some feeds several."""

    blocks: tuple[IntervalBlock, ...]


class LocalTime(NamedTuple):
    """The zone's rules, as the feed has them."""

    offset_seconds: int
    dst_offset_seconds: int
    dst_start: str
    dst_end: str


class Other(NamedTuple):
    """An entry that is of no use here; named, so that nobody thinks that it was read."""

    name: str


Content = UsagePoint | MeterReading | ReadingType | LocalTime | Other | Blocks


class Entry(NamedTuple):
    """One entry. `number` is its place in the feed, from 1."""

    number: int
    id: str
    links: Links
    published: datetime | None
    updated: datetime | None
    title: str
    content: Content
