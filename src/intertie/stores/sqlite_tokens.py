"""Revoked access tokens in SQLite: operations for the writer, questions for readers."""

from __future__ import annotations

from datetime import datetime

import apsw

from intertie.gateway.ports import RevokedToken
from intertie.model.ids import PartyId
from intertie.stores.rows import micros, moment

_REVOKED = """SELECT EXISTS (SELECT 1 FROM revoked_tokens WHERE id = :id)
    OR EXISTS (SELECT 1 FROM revoked_partners WHERE partner = :partner AND at >= :issued)"""
_REVOKE_PARTNER = """INSERT INTO revoked_partners (partner, at) VALUES (?, ?)
    ON CONFLICT (partner) DO UPDATE SET at = max(at, excluded.at)"""


def revoke(db: apsw.Connection, token: RevokedToken, now: datetime) -> None:
    """`Store.revoke_token`."""
    db.execute("DELETE FROM revoked_tokens WHERE until <= ?", (micros(now),))
    values = (token.id, token.partner, micros(token.until))
    db.execute("INSERT OR IGNORE INTO revoked_tokens (id, partner, until) VALUES (?, ?, ?)", values)


def revoke_all(db: apsw.Connection, partner: PartyId, at: datetime) -> None:
    """`Store.revoke_tokens_of`."""
    db.execute(_REVOKE_PARTNER, (partner, micros(at)))


def is_revoked(db: apsw.Connection, token: str, partner: PartyId, issued: datetime) -> bool:
    """`Store.token_revoked`."""
    return bool(db.execute(_REVOKED, {"id": token, "partner": partner, "issued": micros(issued)}).get)


def revoked(db: apsw.Connection, now: datetime) -> list[RevokedToken]:
    """`Store.revoked_tokens`."""
    sql = "SELECT id, partner, until FROM revoked_tokens WHERE until > ? ORDER BY id"
    return [
        RevokedToken(id, partner, moment(until)) for id, partner, until in db.execute(sql, (micros(now),))
    ]


def revoked_partners(db: apsw.Connection) -> dict[PartyId, datetime]:
    """`Store.revoked_partners`."""
    sql = "SELECT partner, at FROM revoked_partners ORDER BY partner"
    return {partner: moment(at) for partner, at in db.execute(sql)}
