"""What a request asks for of a feed: `published-min` and so on, by the time at which an entry came or changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from intertie.formats.espi.nodes import BLOCK, Node
from intertie.model.errors import Fault, IntertieError

# More entries than any feed has.
ENTRIES_MAX = 5_000_000
# Usage point, meter reading, block.
DEPTH_MAX = 3
TIMES = ("published-min", "published-max", "updated-min", "updated-max")
KNOWN = frozenset({*TIMES, "start-index", "max-results", "depth"})


class BadQuery(IntertieError):
    """A query that says nothing, or what is not known here."""

    fault = Fault.THEIRS


class Query(NamedTuple):
    """Bounds are from the first on and before the second; entries are counted from 1."""

    published_min: datetime | None = None
    published_max: datetime | None = None
    updated_min: datetime | None = None
    updated_max: datetime | None = None
    start: int = 1
    most: int | None = None
    depth: int | None = None

    @property
    def is_bounded(self) -> bool:
        """Whether it asks for some time."""
        return any(self[:4])

    def takes(self, node: Node) -> bool:
        """Whether it is of the times that are asked for."""
        return (
            (self.published_min is None or node.published >= self.published_min)
            and (self.published_max is None or node.published < self.published_max)
            and (self.updated_min is None or node.updated >= self.updated_min)
            and (self.updated_max is None or node.updated < self.updated_max)
        )

    def page(self, nodes: Iterable[Node]) -> Iterator[Node]:
        """Those from `start` on."""
        stop = None if self.most is None else self.start - 1 + self.most
        return islice(nodes, self.start - 1, stop)


def read_query(said: Mapping[str, str], count: int) -> Query:
    """The query of a request with so many parameters. BadQuery names what is wrong."""
    strange = [name for name in said if name not in KNOWN]
    if strange or count != len(said):
        what = f"one that is none of {', '.join(sorted(KNOWN))}" if strange else "one twice"
        raise BadQuery(f"of its parameters there is {what}", do="Leave it out.")
    first, last, changed, unchanged = (_time(name, said.get(name, "")) for name in TIMES)
    return Query(
        first,
        last,
        changed,
        unchanged,
        _number(said, "start-index", 1, ENTRIES_MAX) or 1,
        _number(said, "max-results", 1, ENTRIES_MAX),
        _number(said, "depth", 0, DEPTH_MAX),
    )


def within_batch(nodes: Iterable[Node], query: Query) -> Iterator[Node]:
    """Of one meter's entries, in their order, those that a batch has: blocks and summaries of the times asked for, and what they
    hang on. Nothing, if a time is asked for and there is none of it."""
    if not query.is_bounded:
        yield from nodes
        return
    all_of_it = list(nodes)
    leaves = {node.path for node in all_of_it if _is_leaf(node) and query.takes(node)}
    parents = {path.rsplit("/", 2)[0] for path in leaves}
    types = {path for node in all_of_it if node.path in parents for path in node.related}
    taken = leaves | parents | types
    for node in all_of_it if leaves else ():
        if node.path in taken or node.name in ("UsagePoint", "LocalTimeParameters"):
            yield node


def _is_leaf(node: Node) -> bool:
    return node.name == "UsageSummary" or (node.level == BLOCK and node.name == "IntervalBlock")


def under(nodes: Iterable[Node], path: str, depth: int) -> Iterator[Node]:
    """The entry at a path, or those of the collection there, and what hangs on them so many levels down."""
    top: int | None = None
    for node in nodes:
        here = node.path == path or node.up == path
        if here:
            top = node.level
        inside = node.path.startswith(f"{path}/")
        beside = node.name in ("LocalTimeParameters", "ReadingType")
        if here or (top is not None and top < node.level <= top + depth and (inside or beside)):
            yield node


def _time(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        # A plus sign that was not escaped comes as a blank.
        at = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError as error:
        raise BadQuery(f"{name} is no time of RFC 3339", do=f"Write {name}=2026-07-01T00:00:00Z.") from error
    if at.tzinfo is None:
        raise BadQuery(f"{name} has no offset", do=f"Write {name}=2026-07-01T00:00:00Z.")
    return at


def _number(said: Mapping[str, str], name: str, least: int, most: int) -> int | None:
    text = said.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 9 and least <= int(text) <= most):
        raise BadQuery(f"{name} is no number from {least} to {most}", do="Mend it.")
    return int(text)
