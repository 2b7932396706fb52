"""The trade in SQLite: which messages both parties hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import apsw

from intertie.exchange.outbound import DELIVERED, State
from intertie.gateway.ports import NewMessage, ParcelRow
from intertie.gateway.trading.trade_ports import EVENTS_AT_ONCE, Shared, SharedRow, Underway
from intertie.model.ids import MessageId, PartyId
from intertie.seal.body_cipher import BodyKeys
from intertie.stores.readers import Readers
from intertie.stores.rows import MESSAGE_COLUMNS, MESSAGE_FROM, micros, moment
from intertie.stores.sqlite_bodies import message_rows

_KEEP = "INSERT INTO trade (seq, partner, received) VALUES (?, ?, ?) ON CONFLICT (seq) DO NOTHING"
_NUMBERS = "SELECT number, received FROM trade WHERE partner = ? AND number > ? ORDER BY number LIMIT ?"
_ROWS = f"""SELECT {MESSAGE_COLUMNS} FROM trade AS t CROSS JOIN {MESSAGE_FROM}
    WHERE t.partner = ? AND t.number > ? AND m.seq = t.seq ORDER BY t.number LIMIT ?"""  # noqa: S608

_UNDER_WAY = f"""SELECT {MESSAGE_COLUMNS} FROM parcels AS w CROSS JOIN {MESSAGE_FROM}
    WHERE w.partner = ? AND w.outgoing = 1 AND w.state = 'waiting' AND m.parcel = w.number ORDER BY m.seq"""  # noqa: S608


def keep_arrived(db: apsw.Connection, parcel: ParcelRow, messages: Sequence[NewMessage], first: int) -> None:
    """Messages that came and were kept from seq `first`."""
    for seq, message in enumerate(messages, first):
        if message.traded:
            db.execute(_KEEP, (seq, parcel.partner, micros(parcel.at)))


def keep_delivered(
    db: apsw.Connection,
    partner: PartyId,
    shared: Shared,
    outcomes: Sequence[tuple[MessageId, State, str]],
    seqs: Mapping[MessageId, int],
) -> None:
    """Messages that went, with their outcomes."""
    for message, state, _ in outcomes:
        if message in shared.messages and state in DELIVERED:
            db.execute(_KEEP, (seqs[message], partner, micros(shared.received)))


class SqliteTrade:
    """What `gateway.trading.trade_ports.TradeStore` says, in a SQLite file; part of SqliteStore."""

    _keys: BodyKeys
    _readers: Readers

    def shared_messages(
        self, partner: PartyId, *, after: int, limit: int = EVENTS_AT_ONCE
    ) -> list[SharedRow]:
        """Messages that both hold."""
        asked = (partner, after, limit)
        with self._readers.snapshot() as db:
            numbers = list(db.execute(_NUMBERS, asked))
            rows = message_rows(db, self._keys, db.execute(_ROWS, asked)) if numbers else []
        return [
            SharedRow(number, moment(received), row.outgoing, row.body)
            for (number, received), row in zip(numbers, rows, strict=True)
        ]

    def unreceipted_messages(self, partner: PartyId) -> list[Underway]:
        """Messages in parcels without a receipt."""
        with self._readers.snapshot() as db:
            rows = message_rows(db, self._keys, db.execute(_UNDER_WAY, (partner,)))
        return [
            Underway(row.document, row.agreement, row.conversation, row.created, row.body) for row in rows
        ]
