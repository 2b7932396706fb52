"""Answers still to be posted, in memory: the twin of stores/sqlite_answers.py."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NamedTuple

from intertie.gateway.ports import ParcelRow
from intertie.gateway.translating.translated_ports import ANSWERS_AT_ONCE, OwedAnswer
from intertie.model.ids import ParcelId, PartyId
from intertie.stores.sending import Tell


class _Owed(NamedTuple):
    since: datetime
    attempts: int
    next_attempt: datetime


class MemoryAnswers:
    """What `gateway.translating.translated_ports.TranslatedStore` says, in a dictionary; part of MemoryStore."""

    _open: Callable[[], AbstractContextManager[None]]
    _tell: Tell
    _parcels: dict[tuple[ParcelId, bool, PartyId], ParcelRow]

    def __init__(self) -> None:
        super().__init__()
        self._owed: dict[tuple[PartyId, ParcelId], _Owed] = {}

    def owe_answer(self, partner: PartyId, parcel: ParcelId, now: datetime) -> None:
        """Post it (again)."""
        with self._open():
            self._owed[partner, parcel] = _Owed(now, 0, now)
        self._tell({partner: (0,)})

    def owed_answers(self, partner: PartyId, now: datetime) -> list[OwedAnswer]:
        """What is due."""
        with self._open():
            found = [
                (owed.since, parcel, owed)
                for (party, parcel), owed in self._owed.items()
                if party == partner and owed.next_attempt <= now
            ]
            return [
                OwedAnswer(
                    parcel, self._parcels[parcel, False, partner].receipt or b"", owed.attempts, owed.since
                )
                for _, parcel, owed in sorted(found)[:ANSWERS_AT_ONCE]
            ]

    def defer_answer(self, partner: PartyId, parcel: ParcelId, next_attempt: datetime) -> None:
        """Later."""
        with self._open():
            owed = self._owed.get((partner, parcel))
            if owed is not None:
                self._owed[partner, parcel] = _Owed(owed.since, owed.attempts + 1, next_attempt)

    def settle_answer(self, partner: PartyId, parcel: ParcelId, since: datetime) -> None:
        """No more."""
        with self._open():
            owed = self._owed.get((partner, parcel))
            if owed is not None and owed.since == since:
                del self._owed[partner, parcel]
