"""Revoked access tokens in PostgreSQL: operations for the writer, questions for readers."""

from __future__ import annotations

from datetime import datetime

from intertie.gateway.ports import RevokedToken
from intertie.model.ids import PartyId
from intertie.stores.postgres_schema import Db, get
from intertie.stores.rows import micros, moment

_REVOKED = """SELECT EXISTS (SELECT 1 FROM revoked_tokens WHERE id = %s)
    OR EXISTS (SELECT 1 FROM revoked_partners WHERE partner = %s AND at >= %s)"""
_REVOKE_PARTNER = """INSERT INTO revoked_partners (partner, at) VALUES (%s, %s)
    ON CONFLICT (partner) DO UPDATE SET at = greatest(revoked_partners.at, excluded.at)"""


def revoke(db: Db, token: RevokedToken, now: datetime) -> None:
    """`Store.revoke_token`."""
    db.execute("DELETE FROM revoked_tokens WHERE until <= %s", (micros(now),))
    values = (token.id, token.partner, micros(token.until))
    db.execute(
        "INSERT INTO revoked_tokens (id, partner, until) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", values
    )


def revoke_all(db: Db, partner: PartyId, at: datetime) -> None:
    """`Store.revoke_tokens_of`."""
    db.execute(_REVOKE_PARTNER, (partner, micros(at)))


def is_revoked(db: Db, token: str, partner: PartyId, issued: datetime) -> bool:
    """`Store.token_revoked`."""
    return bool(get(db, _REVOKED, (token, partner, micros(issued))))


def revoked(db: Db, now: datetime) -> list[RevokedToken]:
    """`Store.revoked_tokens`."""
    sql = "SELECT id, partner, until FROM revoked_tokens WHERE until > %s ORDER BY id"
    return [
        RevokedToken(id, partner, moment(until)) for id, partner, until in db.execute(sql, (micros(now),))
    ]


def revoked_partners(db: Db) -> dict[PartyId, datetime]:
    """`Store.revoked_partners`."""
    sql = "SELECT partner, at FROM revoked_partners ORDER BY partner"
    return {partner: moment(at) for partner, at in db.execute(sql)}
