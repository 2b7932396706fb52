"""A store whose every write may be struck: the process ends, or the write fails, and what it wrote is lost or kept."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from intertie.gateway.ports import Store
from intertie.model.errors import StoreError
from intertie.stores.memory import MemoryStore

# Asked every few seconds, mostly for nothing: struck as often as others they would be all that is struck.
RARELY = frozenset({"expire", "escalate"})
# What the acts of a simulation write.
WRITES = frozenset(
    {
        "add_outgoing",
        "next_seq",
        "add_parcel",
        "defer",
        "retry_parcel",
        "close_parcel",
        "set_state",
        "expire",
        "accept",
        "refuse",
        "keep_chains",
        "escalate",
        "set_told",
    }
)


class Crash(BaseException):
    """The process is gone. No error of the program's: nothing catches it."""


class Strike(StrEnum):
    """What can happen to a write."""

    CRASH_LOST = "crash_lost"
    CRASH_KEPT = "crash_kept"
    ERROR_LOST = "error_lost"
    ERROR_KEPT = "error_kept"


class Disk:
    """`gateway.ports.Store` over a store that outlives the process."""

    def __init__(self, store: Store, chance: random.Random, say: Callable[[str], None]) -> None:
        self.store = store
        self.rate = 0.0  # of writes that are struck
        self.struck: Counter[tuple[str, Strike]] = Counter()
        self.answers_first = False  # a mistake to be found: the answer leaves before the write is done
        self._chance = chance
        self._say = say

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.store, name)
        if name not in WRITES:
            return method

        often = 0.1 if name in RARELY else 1.0

        def write(*args: Any, **kwargs: Any) -> Any:
            if self._chance.random() >= self.rate * often:
                return method(*args, **kwargs)
            strike = self._chance.choice(tuple(Strike))
            self.struck[name, strike] += 1
            self._say(f"{name} {strike}")
            if self.answers_first and name == "accept" and strike is Strike.CRASH_LOST:
                return MemoryStore().accept(*args, **kwargs)
            if strike in (Strike.CRASH_KEPT, Strike.ERROR_KEPT):
                method(*args, **kwargs)
            if strike in (Strike.CRASH_LOST, Strike.CRASH_KEPT):
                raise Crash
            raise StoreError("the disk failed")

        # Asked for again and again: once bound, found without this method.
        self.__dict__[name] = write
        return write
