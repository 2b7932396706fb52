"""Answers still to be posted, in SQLite."""

from __future__ import annotations

from datetime import datetime

import apsw

from intertie.gateway.ports import ParcelRow
from intertie.gateway.translating.translated_ports import ANSWERS_AT_ONCE, OwedAnswer
from intertie.model.ids import ParcelId, PartyId
from intertie.stores.readers import Readers
from intertie.stores.rows import micros, moment
from intertie.stores.sending import Tell
from intertie.stores.writer import Writer

_OWE = """INSERT INTO answers (partner, parcel, since, next_attempt) VALUES (?, ?, ?, ?)
    ON CONFLICT (partner, parcel) DO UPDATE
    SET since = excluded.since, attempts = 0, next_attempt = excluded.next_attempt"""
_DUE = """SELECT a.parcel, p.receipt, a.attempts, a.since FROM answers AS a
    JOIN parcels AS p ON p.id = a.parcel AND p.outgoing = 0 AND p.partner = a.partner
    WHERE a.partner = ? AND a.next_attempt <= ? ORDER BY a.since, a.parcel LIMIT ?"""
_DEFER = "UPDATE answers SET attempts = attempts + 1, next_attempt = ? WHERE partner = ? AND parcel = ?"
_SETTLE = "DELETE FROM answers WHERE partner = ? AND parcel = ? AND since = ?"


def keep_owed(db: apsw.Connection, parcel: ParcelRow) -> None:
    """The answer of a parcel that came, if it is to be posted."""
    if parcel.owes:
        db.execute(_OWE, (parcel.partner, parcel.id, micros(parcel.at), micros(parcel.at)))


class SqliteAnswers:
    """What `gateway.translating.translated_ports.TranslatedStore` says, in a SQLite file; part of SqliteStore."""

    _readers: Readers
    _writer: Writer
    _tell: Tell

    def owe_answer(self, partner: PartyId, parcel: ParcelId, now: datetime) -> None:
        """Post it (again)."""
        values = (partner, parcel, micros(now), micros(now))
        self._writer.run(lambda db: db.execute(_OWE, values))
        self._tell({partner: (0,)})

    def owed_answers(self, partner: PartyId, now: datetime) -> list[OwedAnswer]:
        """What is due."""
        with self._readers.snapshot() as db:
            rows = list(db.execute(_DUE, (partner, micros(now), ANSWERS_AT_ONCE)))
        return [
            OwedAnswer(parcel, answer, attempts, moment(since)) for parcel, answer, attempts, since in rows
        ]

    def defer_answer(self, partner: PartyId, parcel: ParcelId, next_attempt: datetime) -> None:
        """Later."""
        self._writer.run(lambda db: db.execute(_DEFER, (micros(next_attempt), partner, parcel)))

    def settle_answer(self, partner: PartyId, parcel: ParcelId, since: datetime) -> None:
        """No more."""
        self._writer.run(lambda db: db.execute(_SETTLE, (partner, parcel, micros(since))))
