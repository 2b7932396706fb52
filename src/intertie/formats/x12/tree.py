"""What a set says, by the names of its map: values, loops as lists, and loops without loops in them as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias


class Table(NamedTuple):
    """Rows of a loop, by column. A column may be missing; an empty value says that the row has none.

    `first` is the number of the first row's first segment, where they were read from.
    """

    length: int
    columns: Mapping[str, Sequence[str]]
    first: int = 0

    def column(self, name: str) -> Sequence[str]:
        """A column; empty values, if no row has any."""
        return self.columns.get(name) or ("",) * self.length

    def rows(self) -> list[dict[str, str]]:
        """One mapping a row."""
        names = list(self.columns)
        if not names:
            return [{} for _ in range(self.length)]
        return [dict(zip(names, row, strict=True)) for row in zip(*self.columns.values(), strict=True)]


Node: TypeAlias = "dict[str, str | list[Node] | Table]"
EMPTY = Table(0, {})


def text(node: Node, name: str) -> str:
    """A value, or "" if there is none."""
    value = node.get(name, "")
    return value if isinstance(value, str) else ""


def nodes(node: Node, name: str) -> list[Node]:
    """The turns of a loop that has loops in it."""
    value = node.get(name)
    return value if isinstance(value, list) else []


def table(node: Node, name: str) -> Table:
    """A loop without loops in it; an empty one if it is not there."""
    value = node.get(name)
    return value if isinstance(value, Table) else EMPTY


def table_of(rows: Sequence[Mapping[str, str]], first: int = 0) -> Table:
    """Columns of rows; what a row lacks is empty."""
    names = dict.fromkeys(name for row in rows for name in row)
    return Table(len(rows), {name: [row.get(name, "") for row in rows] for name in names}, first)
