"""The act of settling many meters from a folder of Parquet: in parts by meter, each written when it is done, so that a run
that was killed goes on, and a run over revised readings does only what changed.

What a part was made from is kept beside it: the job, and the files. If neither changed, the part is not looked at. If files
were only added, the meters in them are looked at; otherwise all of the part. Of a meter that is looked at, lines are made
only if the hash of its inputs is another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from typing import Any, NamedTuple, Protocol

from intertie.formats.many_job import Job, customers_of, programme_of, text_of, without_meters
from intertie.formats.many_lines import Ask, settle_table
from intertie.formats.many_loads import empty_table
from intertie.market.many import Customer, Programme, places
from intertie.model.errors import StoreError
from intertie.model.record import Record

# Meters of a part: a block of four months of quarter hours is then some 100 MB, and 100,000 meters are 200 parts.
PART_METERS = 500

Table = Any


class InputFile(Record, frozen=True, kw_only=True):
    """A file of readings as it was: another size or time is another file."""

    name: str
    size: int
    changed: int


class MadeFrom(Record, frozen=True, kw_only=True):
    """What a part was made from, and its hash."""

    job: str
    files: tuple[InputFile, ...]
    sha256: str


class Work(NamedTuple):
    """A part to settle: its meters are all from `low` up to, not with, `high`."""

    number: int
    low: str
    high: str | None
    ask: Ask


class Inputs(Protocol):
    """The folder of readings."""

    def files(self) -> Sequence[InputFile]:
        """All of them, by name. Raises StoreError if there are none, or one has no readings in it."""

    def meters(self, names: Iterable[str]) -> set[str]:
        """The meters that these files speak of."""


class Results(Protocol):
    """Where parts are kept; a part is there whole, with what it was made from, or not at all."""

    def alone(self) -> AbstractContextManager[None]:
        """For the time of a run, no other run writes here. StoreError if one does."""

    def bounds(self, make: Callable[[], Sequence[str]]) -> Sequence[str]:
        """The first meter of each part; made once, the same for each later run."""

    def made_from(self, number: int) -> MadeFrom | None:
        """Of a part that is there and unharmed."""

    def read(self, number: int) -> Table:
        """The lines of a part."""

    def write(self, number: int, lines: Table, job: str, files: Sequence[InputFile]) -> None:
        """Keep the lines of a part."""


class Engine(Protocol):
    """Whoever computes. Any order, any place: the lines are the same."""

    def lines(self, works: Iterable[Work]) -> Iterator[tuple[Work, Table]]:
        """The lines of each work, all meters of it, or none for those that are known."""


class Progress(NamedTuple):
    """How far a run is."""

    done: int
    parts: int
    meters: int


class Done(NamedTuple):
    """What a run did."""

    parts: int
    untouched: int  # parts that were not looked at
    settled: int  # meters whose lines were made
    same: int  # meters that were looked at, and whose lines stand
    lines: int
    cents: int
    sha256: str  # of all lines, in the order of the parts
    foreign: tuple[str, ...]  # meters with readings that are not of the job
    silent: tuple[str, ...]  # meters of the job without a reading


class Part(NamedTuple):
    """A part with its meters and the hash of all that they are settled by, besides readings."""

    number: int
    low: str
    high: str | None
    customers: Sequence[Customer]
    job: str


def settle_many(
    job: Job,
    inputs: Inputs,
    results: Results,
    engine: Engine,
    shown: Callable[[Progress], None] = lambda _: None,
    part_meters: int = PART_METERS,
) -> Done:
    """All lines of a job, in parts. Raises IntertieError; what is done stays, and another call goes on."""
    with results.alone():
        return _settled(job, inputs, results, engine, shown, part_meters)


def _settled(
    job: Job,
    inputs: Inputs,
    results: Results,
    engine: Engine,
    shown: Callable[[Progress], None],
    part_meters: int,
) -> Done:
    programme, customers, files = programme_of(job), customers_of(job), inputs.files()
    places(programme)
    about = without_meters(job)
    starts = results.bounds(lambda: [one.meter for one in customers[::part_meters]])
    parts = _parts(starts, customers, about)
    spoken = inputs.meters(one.name for one in files)
    changed = _Changed(inputs, files)
    untouched: set[int] = set()
    works = _works(parts, programme, about, results, changed, untouched)
    settled = same = 0
    shown(Progress(0, len(parts), 0))
    for finished, (work, lines) in enumerate(engine.lines(works), 1):
        part = parts[work.number]
        fresh = _with_silent(lines, work, spoken)
        settled += len(fresh["meter"].unique())
        same += len(work.ask.customers) - len(fresh["meter"].unique())
        results.write(work.number, _merged(part, fresh, results), part.job, files)
        shown(Progress(finished + len(untouched), len(parts), settled))
    mine = {one.meter for one in customers}
    lines_, cents, digest = _summed(parts, results)
    return Done(
        len(parts),
        len(untouched),
        settled,
        same,
        lines_,
        cents,
        digest,
        tuple(sorted(spoken - mine)),
        tuple(sorted(mine - spoken)),
    )


def _parts(starts: Sequence[str], customers: Sequence[Customer], about: bytes) -> list[Part]:
    """Meters that came later go to the part in whose range they are."""
    found: list[list[Customer]] = [[] for _ in starts]
    at = 0
    for one in customers:
        while at + 1 < len(starts) and one.meter >= starts[at + 1]:
            at += 1
        found[at].append(one)
    made = []
    for number, some in enumerate(found):
        low = "" if number == 0 else starts[number]
        high = starts[number + 1] if number + 1 < len(starts) else None
        digest = sha256(about)
        for customer, text in zip(some, text_of(some), strict=True):
            digest.update(customer.meter.encode() + b"\0" + text)
        made.append(Part(number, low, high, some, digest.hexdigest()))
    return made


class _Changed:
    """Which meters a change of files may touch, asked of the folder once for each earlier list of files."""

    def __init__(self, inputs: Inputs, files: Sequence[InputFile]) -> None:
        self._inputs, self.files = inputs, tuple(files)
        self._known: dict[tuple[InputFile, ...], set[str] | None] = {self.files: set()}

    def since(self, before: tuple[InputFile, ...]) -> set[str] | None:
        """None: any."""
        if before not in self._known:
            gone = set(before) - set(self.files)
            added = [one.name for one in self.files if one not in set(before)]
            self._known[before] = None if gone else self._inputs.meters(added)
        return self._known[before]


def _works(
    parts: Sequence[Part],
    programme: Programme,
    about: bytes,
    results: Results,
    changed: _Changed,
    untouched: set[int],
) -> Iterator[Work]:
    for part in parts:
        made = results.made_from(part.number)
        touched = None if made is None or made.job != part.job else changed.since(made.files)
        looked = [one for one in part.customers if touched is None or one.meter in touched]
        if made is not None and not looked and made.job == part.job:
            untouched.add(part.number)
            continue
        known = {} if made is None else _known(results.read(part.number))
        yield Work(part.number, part.low, part.high, Ask(programme, about, looked, known))


def _known(lines: Table) -> dict[str, str]:
    return dict(zip(lines["meter"].to_pylist(), lines["inputs"].to_pylist(), strict=True))


def _with_silent(lines: Table, work: Work, spoken: set[str]) -> Table:
    """A cluster makes no lines for a meter of which it has no row: those are settled here, on nothing."""
    there = set(lines["meter"].unique().to_pylist())
    silent = [one for one in work.ask.customers if one.meter not in spoken and one.meter not in there]
    if not silent:
        return lines
    return type(lines).from_batches(
        [*lines.to_batches(), *settle_table(empty_table(), work.ask._replace(customers=silent)).to_batches()],
        schema=lines.schema,
    )


def _merged(part: Part, fresh: Table, results: Results) -> Table:
    """The new lines of a part in the place of the old ones of those meters, and none of meters that left."""
    tables = [fresh]
    if results.made_from(part.number) is not None:
        old = results.read(part.number)
        new, mine = set(fresh["meter"].to_pylist()), {one.meter for one in part.customers}
        keep = [meter in mine and meter not in new for meter in old["meter"].to_pylist()]
        tables.append(old.filter(keep))
    batches = [batch for table in tables for batch in table.to_batches()]
    return (
        type(fresh)
        .from_batches(batches, schema=fresh.schema)
        .sort_by([("meter", "ascending"), ("line", "ascending")])
    )


def _summed(parts: Sequence[Part], results: Results) -> tuple[int, int, str]:
    lines = cents = 0
    digest = sha256()
    for part in parts:
        made = results.made_from(part.number)
        if made is None:
            raise StoreError(f"part {part.number} is not there", do="Run it again: it goes on from there.")
        digest.update(bytes.fromhex(made.sha256))
        table = results.read(part.number)
        lines += len(table)
        cents += sum(table["amount"].to_pylist())
    return lines, cents, digest.hexdigest()
