"""The journal read back: every entry hashes to its leaf, the leaves to the head, and the stored tree to the leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from intertie.gateway.ports import Store
from intertie.journal.checkpoint import Head
from intertie.journal.entry import JOURNAL_STEP
from intertie.journal.rows import check_rows
from intertie.journal.verify import verify_entries
from intertie.model.errors import EvidenceError

PAGE = 10_000


def verify_journal(store: Store, witnesses: Sequence[Head] = ()) -> Head:
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


def _entries(store: Store, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The first `size` entries, as they are numbered: a gap is where they end."""
    after = 0
    while after < size and (page := store.entries(after=after, limit=min(PAGE, size - after))):
        for index, raw, leaf in page:
            if index != after:
                return
            yield raw, leaf
            after += 1
