"""Parcels of others, and what relays said of ours, in memory: the twin of stores/sqlite_relay.py."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from intertie.exchange.outbound import is_due
from intertie.exchange.relaying import GIVE_UP_AFTER, LINGER, Back, Event, Passage, Telling
from intertie.gateway.relaying.relay_ports import ENDING_AT_ONCE, Load, Relayed
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry
from intertie.journal.growth import Growth, grow
from intertie.model.errors import StoreError
from intertie.model.ids import ParcelId, PartyId
from intertie.stores import relaying
from intertie.stores.relaying import Moved


class MemoryRelay:
    """What `gateway.relaying.relay_ports.RelayStore` says, in dictionaries; part of MemoryStore."""

    _open: Callable[[], AbstractContextManager[None]]
    _grown: Callable[[Growth], Head]
    _nodes: bytes

    def __init__(self) -> None:
        super().__init__()
        self._relayed: dict[ParcelId, Relayed] = {}
        self._hops: dict[tuple[ParcelId, bool, PartyId], list[bytes]] = {}

    def take_relayed(self, row: Relayed, write: Callable[[Head], bytes], now: datetime) -> bytes:
        """Keep it with its hop receipt, or find the one of before."""
        with self._open():
            known = self._relayed.get(row.parcel)
            if known is not None:
                return relaying.check_again(row, known)
            taken = grow(self._nodes, [relaying.taken_entry(row, now)])
            receipt = write(taken.head)
            said = grow(taken.nodes, [relaying.hop_receipt_entry(row, receipt, now)])
            self._grown(taken)
            self._grown(said)
            self._relayed[row.parcel] = row._replace(receipt=receipt)
            return receipt

    def relayed(self, parcel: ParcelId) -> Relayed | None:
        """One parcel of others."""
        with self._open():
            return self._relayed.get(parcel)

    def relay_due(
        self, party: PartyId, now: datetime, *, without: Collection[ParcelId] = ()
    ) -> Relayed | None:
        """What goes to this party now."""
        with self._open():
            found = [
                row
                for row in self._relayed.values()
                if party in _goes_to(row, now) and row.parcel not in without
            ]
            return min(found, key=lambda row: (row.priority, row.at, row.parcel), default=None)

    def relay_parties(self, now: datetime) -> set[PartyId]:
        """To whom something could go now."""
        return {party for row in self._relayed.values() for party in _goes_to(row, now)}

    def defer_relayed(self, parcel: ParcelId, next_attempt: datetime, detail: str) -> None:
        """Later."""
        with self._open():
            row = self._relayed[parcel]
            attempts = row.attempts + 1
            self._relayed[parcel] = row._replace(attempts=attempts, next_attempt=next_attempt, detail=detail)

    def move_relayed(
        self,
        parcel: ParcelId,
        event: Event,
        entry: Entry,
        *,
        onward: bytes | None = None,
        answer: bytes | None = None,
        detail: str = "",
    ) -> bool:
        """A step of the way on."""
        return self._step(parcel, lambda row: relaying.moved(row, event, onward, answer, detail), entry)

    def tell_relayed(self, parcel: ParcelId, telling: Telling, entry: Entry) -> bool:
        """A step of the way back."""
        return self._step(parcel, lambda row: relaying.told(row, telling), entry)

    def _step(self, parcel: ParcelId, change: Callable[[Relayed], Moved], entry: Entry) -> bool:
        with self._open():
            row = self._relayed.get(parcel)
            if row is None:
                raise StoreError(f"no parcel {parcel} of others is here", do="report this")
            moved = change(row)
            if moved.changed:
                self._grown(grow(self._nodes, [entry]))
                self._relayed[parcel] = moved.row
            return moved.changed

    def relay_load(self, sender: PartyId) -> Load:
        """How much of a sender's waits."""
        with self._open():
            waiting = [row.size for row in self._relayed.values() if _waits(row, sender)]
            return Load(len(waiting), sum(waiting))

    def relay_ending(self, now: datetime) -> list[Relayed]:
        """What ends now."""
        with self._open():
            found = [row for row in self._relayed.values() if _ends(row, now)]
            return sorted(found, key=lambda row: (row.expires, row.parcel))[:ENDING_AT_ONCE]

    def relayed_rows(self, *, waiting: bool, limit: int) -> list[Relayed]:
        """The newest."""
        under_way = (Passage.TAKEN, Passage.PASSED)
        with self._open():
            found = [
                row._replace(blob=None, answer=None)
                for row in self._relayed.values()
                if not waiting or row.passage in under_way or row.back is Back.OWED
            ]
            return sorted(found, key=lambda row: (row.at, row.parcel), reverse=True)[:limit]

    def keep_hops(
        self,
        parcel: ParcelId,
        *,
        outgoing: bool,
        partner: PartyId,
        statements: Sequence[bytes],
        now: datetime,
    ) -> None:
        """Keep what relays said."""
        with self._open():
            kept = self._hops.setdefault((parcel, outgoing, partner), [])
            for statement in statements:
                if statement not in kept:
                    self._grown(grow(self._nodes, [relaying.hop_entry(parcel, partner, statement, now)]))
                    kept.append(statement)

    def hops(self, parcel: ParcelId, *, outgoing: bool, partner: PartyId) -> list[bytes]:
        """What relays said."""
        with self._open():
            return list(self._hops.get((parcel, outgoing, partner), ()))


def _goes_to(row: Relayed, now: datetime) -> list[PartyId]:
    if not is_due(row.next_attempt, now):
        return []
    on = [row.next] if row.passage is Passage.TAKEN and row.expires > now else []
    return on + ([row.previous] if row.back is Back.OWED else [])


def _waits(row: Relayed, sender: PartyId) -> bool:
    return row.sender == sender and row.passage is Passage.TAKEN


def _ends(row: Relayed, now: datetime) -> bool:
    lingers = row.passage is Passage.PASSED and row.expires <= now - LINGER
    owed = row.back is Back.OWED and row.expires <= now - GIVE_UP_AFTER
    return lingers or owed or (row.passage is Passage.TAKEN and row.expires <= now)
