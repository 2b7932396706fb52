"""Proofs over a journal of millions of entries without reading them all: the tree in rows of every eighth level.

A row holds the hashes of one level: row 0 is the leaves, row 8 has one hash over each 256 leaves, row 16 one over each
256 of those. A store keeps the rows above the leaves (1/255 of the journal's hashes); what is complete never changes,
so they are written once and lazily, not by whoever appends. A hash in between is worked out from at most 256 hashes of
the row below it: a proof reads a few hundred hashes, whatever the journal's size.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import pairwise
from threading import Lock
from typing import Protocol

from intertie.journal.checkpoint import Head
from intertie.journal.entry import JOURNAL_STEP
from intertie.model.errors import EvidenceError
from intertie.seal.tree import (
    HASH_BYTES,
    Span,
    consistency_spans,
    fold,
    inclusion_spans,
    node_hash,
    peaks_of,
    verify_consistency,
)
from intertie.seal.tree import root as root_over

# Levels between two rows: 256 hashes are 8 KiB, read in one go and hashed in a tenth of a millisecond.
STEP = 8
WIDTH = 1 << STEP
# Four rows above the leaves reach 2^40 entries.
TOP = 4 * STEP
# Tiles written in one transaction: 64 of them read half a megabyte.
PAGE = 64
# Tiles held in memory with all hashes in between, 16 KiB each: 8 MiB.
CACHE = 512


class Rows(Protocol):
    """Where the rows are kept; `gateway.ports.Store` is one."""

    def tree_row(self, level: int, start: int, end: int) -> bytes:
        """The hashes of a row from `start` up to `end`, end to end; fewer if there are fewer."""

    def tree_row_size(self, level: int) -> int:
        """How many hashes of a row above the leaves are kept."""

    def add_tree_row(self, level: int, start: int, hashes: bytes) -> None:
        """Keep more of a row above the leaves; what is there stays."""


class TreeRows:
    """The tree of a journal that only grows. Safe to use from any thread."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._lock = Lock()
        self._tiles: OrderedDict[tuple[int, int], list[list[bytes]]] = OrderedDict()
        self._filled = 0  # entries for which all rows are known to be written

    def root(self, size: int) -> bytes:
        """The root over the first `size` entries; EvidenceError if there are fewer."""
        return self._root_of((0, size))

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """What `seal.tree.inclusion_proof` gives for the first `size` entries."""
        if not 0 <= index < size:
            raise EvidenceError(JOURNAL_STEP, f"there is no entry {index} among the first {size}")
        return [self._root_of(span) for span in inclusion_spans(index, size)]

    def consistency(self, earlier: int, size: int) -> list[bytes]:
        """What `seal.tree.consistency_proof` gives for the first `size` entries."""
        if not 0 <= earlier <= size:
            raise EvidenceError(JOURNAL_STEP, f"{earlier} is not within the first {size} entries")
        return [self._root_of(span) for span in consistency_spans(earlier, size)]

    def head(self, size: int, present: Head) -> Head:
        """The head at an earlier size, once it is sure that the present one extends it; EvidenceError otherwise. Whoever
        signs a head must not do so by a damaged row."""
        if not 0 <= size <= present.size:
            raise EvidenceError(JOURNAL_STEP, f"the journal has {present.size} entries, it never had {size}")
        earlier = Head(size, self.root(size))
        proof = self.consistency(size, present.size)
        if not verify_consistency(*earlier, *present, proof):
            raise EvidenceError(
                JOURNAL_STEP,
                f"the stored tree does not lead from size {size} to the head of size {present.size}",
                do="Run `intertie journal verify`.",
            )
        return earlier

    def _root_of(self, span: Span) -> bytes:
        self._fill(span[1])
        return fold([self._node(level, place) for level, place in peaks_of(span)])

    def _fill(self, size: int) -> None:
        """Write what the rows lack for a journal of this size; each hash is worked out once in a journal's life."""
        if size <= self._filled:
            return
        for level in range(STEP, TOP + STEP, STEP):
            have, wanted = self._rows.tree_row_size(level), size >> level
            while have < wanted:
                count = min(PAGE, wanted - have)
                tiles = self._read(level - STEP, have * WIDTH, (have + count) * WIDTH)
                hashes = [root_over(tiles[i : i + WIDTH]) for i in range(0, len(tiles), WIDTH)]
                self._rows.add_tree_row(level, have, b"".join(hashes))
                have += count
        self._filled = max(self._filled, size)

    def _node(self, level: int, place: int) -> bytes:
        """The hash of one perfect subtree."""
        row, rise = level // STEP * STEP, level % STEP
        start = place << rise
        tile, within = start // WIDTH, start % WIDTH
        with self._lock:
            levels = self._tiles.get((row, tile))
        if levels is None or len(levels[0]) < within + (1 << rise):
            levels = self._load(row, tile, within + (1 << rise))
        return levels[rise][within >> rise]

    def _load(self, row: int, tile: int, least: int) -> list[list[bytes]]:
        """A tile with all perfect subtrees in it: complete, or as far as the row goes now."""
        hashes = self._read(row, tile * WIDTH, tile * WIDTH + WIDTH, least)
        levels = [hashes]
        while len(levels[-1]) > 1:
            below = levels[-1]
            levels.append([node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])
        with self._lock:
            self._tiles.pop((row, tile), None)
            self._tiles[row, tile] = levels
            if len(self._tiles) > CACHE:
                self._tiles.popitem(last=False)
        return levels

    def _read(self, row: int, start: int, end: int, least: int | None = None) -> list[bytes]:
        raw = self._rows.tree_row(row, start, end)
        if len(raw) < HASH_BYTES * (end - start if least is None else least):
            raise EvidenceError(
                JOURNAL_STEP,
                f"the journal lacks entries before {end << row}",
                do="Run `intertie journal verify`.",
            )
        return [raw[i : i + HASH_BYTES] for i in range(0, len(raw), HASH_BYTES)]


def check_rows(rows: Rows) -> None:
    """EvidenceError unless every hash above the leaves follows from the row below it. Reads each hash once."""
    for level in range(STEP, TOP + STEP, STEP):
        size = rows.tree_row_size(level)
        for start, end in pairwise([*range(0, size, PAGE), size] if size else []):
            kept = rows.tree_row(level, start, end)
            found = b"".join(_tile_roots(rows.tree_row(level - STEP, start * WIDTH, end * WIDTH)))
            if kept != found:
                raise EvidenceError(
                    JOURNAL_STEP,
                    f"the stored tree over entries {start << level} to {end << level} does not follow from its leaves",
                    do="Compare the store with its last backup.",
                )


def _tile_roots(raw: bytes) -> Iterator[bytes]:
    hashes = [raw[i : i + HASH_BYTES] for i in range(0, len(raw), HASH_BYTES)]
    for i in range(0, len(hashes), WIDTH):
        yield root_over(hashes[i : i + WIDTH])
