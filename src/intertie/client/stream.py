"""Server-sent events, read line by line (WHATWG HTML, 9.2.6), and where a reader resumes."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from intertie.client.calls import BASE
from intertie.model.office import Happened

PATH = f"{BASE}/events"


class EventLines:
    """Lines in, events out; remembers the last one, also of those that nobody asked for."""

    def __init__(
        self, after: int | None, documents: Collection[str] | None, kinds: Collection[str] | None
    ) -> None:
        self.last = after
        self._documents = None if documents is None else frozenset(documents)
        self._kinds = None if kinds is None else frozenset(kinds)
        self._data: list[str] = []
        self._id = ""

    def begin(self) -> dict[str, str]:
        """A connection begins: what was half read is forgotten; the headers that resume."""
        self._data, self._id = [], ""
        return {"Last-Event-ID": str(self.last)} if self.last is not None and self.last >= 0 else {}

    @property
    def query(self) -> dict[str, int]:
        """From the beginning, which no event's id says."""
        return {"after": -1} if self.last == -1 else {}

    def take(self, line: str) -> Happened | None:
        """One line more; the event that it completes, if it was asked for."""
        if line.startswith("id:"):
            self._id = line[3:].strip()
            return None
        if line.startswith("data:"):
            self._data.append(line[5:].removeprefix(" "))
            return None
        if line:
            return None
        if self._id.isdecimal():  # also of an event without data, with which a stream begins
            self.last = int(self._id)
        if not self._data:
            return None
        event = msgspec.json.decode("\n".join(self._data), type=Happened)
        self._data = []
        return event if self._wanted(event) else None

    def _wanted(self, event: Happened) -> bool:
        return (self._documents is None or event.document in self._documents) and (
            self._kinds is None or event.kind in self._kinds
        )
