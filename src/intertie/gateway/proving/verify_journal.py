"""The journal read back: every entry hashes to its leaf, the leaves to the head, and the stored tree to the leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from intertie.journal.checkpoint import Head
from intertie.journal.entry import JOURNAL_STEP
from intertie.journal.rows import Rows, check_rows
from intertie.journal.verify import verify_entries
from intertie.model.errors import EvidenceError

PAGE = 10_000


class KeptJournal(Rows, Protocol):
    """A journal as any store keeps it."""

    def head(self) -> Head:
        """Size and root as stored."""

    def entries(self, *, after: int = 0, limit: int = 10_000) -> list[tuple[int, bytes, bytes]]:
        """Entries: (index from 0, entry bytes, leaf hash as stored), from index `after`."""


def verify_journal(store: KeptJournal, witnesses: Sequence[Head] = ()) -> Head:
    """The head, if the whole journal agrees with it and passes every witnessed head; EvidenceError names the first entry
    or head that does not. A running gateway may append meanwhile: what it adds is not looked at."""
    head = store.head()
    verified = verify_entries(_entries(store, head.size), head, witnesses)
    if store.head().size == head.size and store.entries(after=head.size, limit=1):
        raise EvidenceError(
            JOURNAL_STEP,
            f"the journal has more entries than the {head.size} of its head",
            do="Stop this gateway and compare the store with its last backup.",
        )
    check_rows(store)
    return verified


def _entries(store: KeptJournal, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The first `size` entries, as they are numbered: a gap is where they end."""
    after = 0
    while after < size and (page := store.entries(after=after, limit=min(PAGE, size - after))):
        for index, raw, leaf in page:
            if index != after:
                return
            yield raw, leaf
            after += 1
