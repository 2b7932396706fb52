"""The journal read back: every entry hashes to its leaf, and the leaves to the head."""

from __future__ import annotations

from collections.abc import Iterator

from intertie.gateway.ports import Store
from intertie.journal.checkpoint import Head
from intertie.journal.verify import verify_entries

PAGE = 10_000


def verify_journal(store: Store) -> Head:
    """The head, if the whole journal agrees with it; EvidenceError names the first entry that does not."""
    return verify_entries(_entries(store), store.head())


def _entries(store: Store) -> Iterator[tuple[bytes, bytes]]:
    after = 0
    while page := store.entries(after=after, limit=PAGE):
        for _, raw, leaf in page:
            yield raw, leaf
        after += len(page)
