"""Appending to a journal: the lines to write and the head after them, worked out before anything is written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry, Lines, entry_leaf
from intertie.seal.tree import Frontier


class Growth(NamedTuple):
    """What an append writes: (index, entry bytes, leaf) each, the new head, and the frontier to go on from."""

    lines: list[tuple[int, bytes, bytes]]
    head: Head
    nodes: bytes


def grow(nodes: bytes, entries: Iterable[Entry]) -> Growth:
    """Append entries to the journal whose frontier these bytes are; EvidenceError for an entry that is none."""
    frontier = Frontier.from_bytes(nodes)
    lines, written = [], Lines()
    for index, entry in enumerate(entries, frontier.size):
        raw = written.line(entry)
        leaf = entry_leaf(raw)
        frontier.append(leaf)
        lines.append((index, raw, leaf))
    return Growth(lines, Head(frontier.size, frontier.root()), frontier.to_bytes())
