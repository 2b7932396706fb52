"""The trade in PostgreSQL: which messages both parties hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from intertie.exchange.outbound import DELIVERED, State
from intertie.gateway.ports import NewMessage, ParcelRow
from intertie.gateway.trading.trade_ports import EVENTS_AT_ONCE, Shared, SharedRow, Underway
from intertie.model.ids import MessageId, PartyId
from intertie.seal.body_cipher import BodyKeys
from intertie.stores.postgres_bodies import BODY_COLUMNS, BODY_FROM, message_rows
from intertie.stores.postgres_readers import PostgresReaders
from intertie.stores.postgres_schema import Db
from intertie.stores.rows import micros, moment

_KEEP = """INSERT INTO trade (number, seq, partner, received)
    SELECT coalesce(max(number), 0) + 1, %s, %s, %s FROM trade ON CONFLICT (seq) DO NOTHING"""
_NUMBERS = "SELECT number, received FROM trade WHERE partner = %s AND number > %s ORDER BY number LIMIT %s"
_ROWS = f"""SELECT {BODY_COLUMNS} FROM {BODY_FROM} JOIN trade AS t ON t.seq = m.seq
    WHERE t.partner = %s AND t.number > %s ORDER BY t.number LIMIT %s"""  # noqa: S608

_UNDER_WAY = f"""SELECT {BODY_COLUMNS} FROM {BODY_FROM} JOIN parcels AS w ON w.number = m.parcel
    WHERE w.partner = %s AND w.outgoing = 1 AND w.state = 'waiting' ORDER BY m.seq"""  # noqa: S608


def keep_arrived(db: Db, parcel: ParcelRow, messages: Sequence[NewMessage], first: int) -> None:
    """Messages that came and were kept from seq `first`."""
    for seq, message in enumerate(messages, first):
        if message.traded:
            db.execute(_KEEP, (seq, parcel.partner, micros(parcel.at)))


def keep_delivered(
    db: Db,
    partner: PartyId,
    shared: Shared,
    outcomes: Sequence[tuple[MessageId, State, str]],
    seqs: Mapping[MessageId, int],
) -> None:
    """Messages that went, with their outcomes."""
    for message, state, _ in outcomes:
        if message in shared.messages and state in DELIVERED:
            db.execute(_KEEP, (seqs[message], partner, micros(shared.received)))


class PostgresTrade:
    """What `gateway.trading.trade_ports.TradeStore` says, in PostgreSQL; part of PostgresStore."""

    _keys: BodyKeys
    _readers: PostgresReaders

    def shared_messages(
        self, partner: PartyId, *, after: int, limit: int = EVENTS_AT_ONCE
    ) -> list[SharedRow]:
        """Messages that both hold."""
        asked = (partner, after, limit)

        def ask(db: Db) -> list[SharedRow]:
            numbers = db.execute(_NUMBERS, asked, binary=True).fetchall()
            rows = message_rows(self._keys, db.execute(_ROWS, asked, binary=True)) if numbers else []
            return [
                SharedRow(number, moment(received), row.outgoing, row.body)
                for (number, received), row in zip(numbers, rows, strict=True)
            ]

        return self._readers.snapshot(ask)

    def unreceipted_messages(self, partner: PartyId) -> list[Underway]:
        """Messages in parcels without a receipt."""
        rows = self._readers.snapshot(
            lambda db: message_rows(self._keys, db.execute(_UNDER_WAY, (partner,), binary=True))
        )
        return [
            Underway(row.document, row.agreement, row.conversation, row.created, row.body) for row in rows
        ]
