"""Answers still to be posted, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

from intertie.gateway.ports import ParcelRow
from intertie.gateway.translating.translated_ports import ANSWERS_AT_ONCE, OwedAnswer
from intertie.model.ids import ParcelId, PartyId
from intertie.stores.postgres_readers import PostgresReaders
from intertie.stores.postgres_schema import Db
from intertie.stores.postgres_writer import PostgresWriter
from intertie.stores.rows import micros, moment
from intertie.stores.sending import Tell

_OWE = """INSERT INTO answers (partner, parcel, since, next_attempt) VALUES (%s, %s, %s, %s)
    ON CONFLICT (partner, parcel) DO UPDATE
    SET since = excluded.since, attempts = 0, next_attempt = excluded.next_attempt"""
_DUE = """SELECT a.parcel, p.receipt, a.attempts, a.since FROM answers AS a
    JOIN parcels AS p ON p.id = a.parcel AND p.outgoing = 0 AND p.partner = a.partner
    WHERE a.partner = %s AND a.next_attempt <= %s ORDER BY a.since, a.parcel LIMIT %s"""
_DEFER = "UPDATE answers SET attempts = attempts + 1, next_attempt = %s WHERE partner = %s AND parcel = %s"
_SETTLE = "DELETE FROM answers WHERE partner = %s AND parcel = %s AND since = %s"


def keep_owed(db: Db, parcel: ParcelRow) -> None:
    """The answer of a parcel that came, if it is to be posted."""
    if parcel.owes:
        db.execute(_OWE, (parcel.partner, parcel.id, micros(parcel.at), micros(parcel.at)))


class PostgresAnswers:
    """What `gateway.translating.translated_ports.TranslatedStore` says, in PostgreSQL; part of PostgresStore."""

    _readers: PostgresReaders
    _writer: PostgresWriter
    _tell: Tell

    def owe_answer(self, partner: PartyId, parcel: ParcelId, now: datetime) -> None:
        """Post it (again)."""
        values = (partner, parcel, micros(now), micros(now))
        self._writer.run(lambda db: db.execute(_OWE, values))
        self._tell({partner: (0,)})

    def owed_answers(self, partner: PartyId, now: datetime) -> list[OwedAnswer]:
        """What is due."""
        asked = (partner, micros(now), ANSWERS_AT_ONCE)
        rows = self._readers.ask(lambda db: db.execute(_DUE, asked, binary=True).fetchall())
        return [
            OwedAnswer(parcel, answer, attempts, moment(since)) for parcel, answer, attempts, since in rows
        ]

    def defer_answer(self, partner: PartyId, parcel: ParcelId, next_attempt: datetime) -> None:
        """Later."""
        self._writer.run(lambda db: db.execute(_DEFER, (micros(next_attempt), partner, parcel)))

    def settle_answer(self, partner: PartyId, parcel: ParcelId, since: datetime) -> None:
        """No more."""
        self._writer.run(lambda db: db.execute(_SETTLE, (partner, parcel, micros(since))))
