"""The books of the trade, one for each partner, in memory and kept current from the store.

What a look at the store costs is paid only by who asks for a book. Several processes may write: each reads what is new since
it last asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

from intertie.gateway.trading.trade_ports import EVENTS_AT_ONCE, SharedRow, TradeStore
from intertie.market.book import STEPS, Ledger
from intertie.market.event import Event
from intertie.model.documents import read_message
from intertie.model.errors import Refused
from intertie.model.ids import PartyId
from intertie.model.message import Header
from intertie.model.record import Record


class Standing(NamedTuple):
    """What is known of one partner: the ledger, how far the store was read, and how many messages could not be: erased, or
    of a version that this program does not read."""

    ledger: Ledger
    number: int
    unread: int
    founding: tuple[Event, ...] = ()  # what stands on paper, and not in the store


class Books:
    """The books of all partners. Safe to use from any thread."""

    def __init__(self, founding: Callable[[PartyId], tuple[Event, ...]] = lambda party: ()) -> None:
        """`founding` gives what stands between us and a partner on paper, as events."""
        self._founding = founding
        self._lock = threading.Lock()
        self._store: TradeStore | None = None
        self._standing: dict[PartyId, Standing] = {}

    def of(self, store: TradeStore, partner: PartyId) -> Standing:
        """The partner's, with all that the store has now. A copy: it stays as it is. Raises StoreError."""
        with self._lock:
            if store is not self._store:  # another store: nothing that was read is of it
                self._store, self._standing = store, {}
            founding = self._founding(partner)
            standing = self._standing.get(partner)
            if standing is None or standing.founding != founding:
                standing = Standing(Ledger().plus(founding), 0, 0, founding)
            fresh = list(_read(store, partner, standing.number))
            if fresh:
                events = [event for row in fresh if (event := event_of(row.body, row.received)) is not None]
                standing = Standing(
                    standing.ledger.plus(events),
                    fresh[-1].number,
                    standing.unread + len(fresh) - len(events),
                    founding,
                )
            self._standing[partner] = standing
            return standing


def _read(store: TradeStore, partner: PartyId, after: int) -> Iterable[SharedRow]:
    while rows := store.shared_messages(partner, after=after):
        yield from rows
        if len(rows) < EVENTS_AT_ONCE:
            return
        after = rows[-1].number


def event_of(raw: bytes, received: datetime) -> Event | None:
    """The event of a message; None if it cannot be read any more."""
    if not raw:
        return None
    try:
        header, body = read_message(raw)
    except Refused:
        return None
    return new_event(header, body, received) if type(body) in STEPS else None


def new_event(header: Header, body: Record, received: datetime) -> Event:
    """A message as the rules see it. It counts as received when its sender wrote it, should the recipient's clock say that it
    came before: an answer never stands before what its sender had when it was written, whatever the two clocks say."""
    return Event(
        message=header.id,
        sender=header.sender,
        recipient=header.recipient,
        created=header.created,
        received=max(received, header.created),
        body=body,
        agreement=header.agreement,
        conversation=header.conversation,
        in_reply_to=header.in_reply_to,
    )
