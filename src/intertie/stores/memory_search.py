"""Searching messages in memory: the twin of stores/searching.py."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from intertie.gateway.ports import Found, MessageRow, Search
from intertie.stores.memory_rows import partner_of
from intertie.stores.searching import fits, leading


class MemorySearch:
    """Part of MemoryStore."""

    _open: Callable[[], AbstractContextManager[None]]
    _rows: list[MessageRow]

    def search(self, wanted: Search) -> Found:
        """Messages, newest first; no more are looked at than in the other stores."""
        lead = leading(wanted)
        with self._open():
            led = [row for row in reversed(self._rows) if fits(row, partner_of(row), lead)]
        within = [row for row in led if wanted.before is None or row.seq < wanted.before]
        looked = within[: wanted.scan]
        found = [row._replace(body=b"") for row in looked if fits(row, partner_of(row), wanted)]
        if len(found) >= wanted.limit:
            here = found[: wanted.limit]
            return Found(here, here[-1].seq)
        return Found(found, looked[-1].seq if len(looked) == wanted.scan else None)
