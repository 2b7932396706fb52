"""Reading a journal back: every entry is canonical, hashes to the leaf that is stored, and the leaves to the head."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from intertie.journal.checkpoint import Head
from intertie.journal.entry import JOURNAL_STEP, entry_leaf, read_entry
from intertie.model.errors import EvidenceError
from intertie.seal.tree import Frontier

_DO = "stop this gateway and compare the store with its last backup and with the heads that partners hold"


def verify_entries(
    entries: Iterable[tuple[bytes, bytes]], head: Head, witnesses: Sequence[Head] = ()
) -> Head:
    """The head, if (entry bytes, stored leaf) in order lead to it and pass every witnessed head on the way.

    `witnesses` are earlier heads of the same journal, in any order: those that receipts committed to. Raises
    EvidenceError naming the index of the first entry, or the size of the first head, that does not agree. Reads each
    entry once and holds none.
    """
    seen: dict[int, set[bytes]] = {}
    for witness in [*witnesses, head]:
        seen.setdefault(witness.size, set()).add(witness.root)
    frontier = Frontier()
    _check_roots(frontier, seen)
    for index, (raw, leaf) in enumerate(entries):
        _check_entry(index, raw, leaf)
        frontier.append(leaf)
        _check_roots(frontier, seen)
    if frontier.size != head.size:
        raise EvidenceError(
            JOURNAL_STEP, f"the journal has {frontier.size} entries, its head says {head.size}", do=_DO
        )
    if seen:
        raise EvidenceError(JOURNAL_STEP, f"a head of size {min(seen)} lies beyond the journal's end", do=_DO)
    return head


def _check_entry(index: int, raw: bytes, leaf: bytes) -> None:
    if entry_leaf(raw) != leaf:
        raise EvidenceError(JOURNAL_STEP, f"journal entry {index} does not hash to its leaf", do=_DO)
    try:
        read_entry(raw)
    except EvidenceError as error:
        raise EvidenceError(JOURNAL_STEP, f"journal entry {index}: {error.why}", do=_DO) from error


def _check_roots(frontier: Frontier, seen: dict[int, set[bytes]]) -> None:
    """Compare with the heads of this size, and strike them off."""
    roots = seen.pop(frontier.size, None)
    if roots and roots != {frontier.root()}:
        raise EvidenceError(
            JOURNAL_STEP, f"the journal's root at size {frontier.size} is not the one in its head", do=_DO
        )
