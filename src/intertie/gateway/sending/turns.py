"""Whose turn it is: of the processes over one store, one at a time delivers to a partner, or keeps house."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from intertie.gateway.ports import Store
from intertie.model.errors import StoreError
from intertie.model.ids import PartyId

# What is done for the whole store: expiry, escalations, answers to proofs, files on their way. Partners are named like hosts,
# and none is named like this.
HOUSEKEEPING = "~housekeeping"


class Turns:
    """The claims of this process, each held while anything of it is at work. For one thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._at_work: Counter[PartyId] = Counter()

    @contextmanager
    def turn(self, party: PartyId) -> Iterator[bool]:
        """Whether this process may deliver to the partner, for the length of the block; after the last one the partner is
        free for other processes. Raises StoreError."""
        if not self._store.claim(party):
            yield False
            return
        self._at_work[party] += 1
        try:
            yield True
        finally:
            self._at_work[party] -= 1
            if not self._at_work[party]:
                self._store.unclaim(party)

    def keeps_house(self) -> bool:
        """Whether this process does what is done once; it goes on doing it until it ends. Not while the store is away."""
        try:
            return self._store.claim(HOUSEKEEPING)
        except StoreError:
            return False
