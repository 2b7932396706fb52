"""Keys of the office API: who comes in there, in which role, and until when. A key is 256 random bits, shown once; kept is its
hash, which is enough for so long a secret (no dictionary finds it) and costs a request nothing."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, NamedTuple, Protocol

from msgspec import Meta

from intertie.gateway.gateway import Gateway
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.interval import Instant
from intertie.model.record import Record

KEY_BYTES = 32
# Half of 64 bits is enough to find a key by; it is no secret.
ID_BYTES = 6
PREFIX = "itk"
# A year and a day: a key that nobody looked after for so long is forgotten, not used.
LIFE_MAX = timedelta(days=366)
KeyName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}(?!\n)$")]


class OfficeRole(StrEnum):
    """What a key is for; which acts it may do, gateway/office/office_rights.py says."""

    OPERATOR = "operator"
    TRADER = "trader"
    SETTLEMENT = "settlement"
    AUDITOR = "auditor"
    ADMIN = "admin"


class ApiKey(Record, frozen=True, kw_only=True):
    """What is kept of a key."""

    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{12}(?!\n)$")]
    name: KeyName
    role: OfficeRole
    digest: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]
    made: Instant
    expires: Instant
    revoked: Instant | None = None

    @property
    def roles(self) -> frozenset[OfficeRole]:
        """Its role, as those of whoever may have several."""
        return frozenset({self.role})

    def valid(self, now: datetime) -> bool:
        """Whether it lets anybody in now."""
        return self.revoked is None and now < self.expires


class KeyBook(Protocol):
    """Where keys are kept."""

    def all(self) -> Sequence[ApiKey]:
        """All keys, revoked and ended ones too, by name."""

    def find(self, id: str) -> ApiKey | None:
        """The key with this id."""

    def put(self, key: ApiKey) -> None:
        """Keep it in place of one with the same id."""


class NotLetIn(IntertieError):
    """No key, or none that counts now. Never says which of it: who holds no key learns nothing."""


class Made(NamedTuple):
    """A new key: its text, which is seen this once, and what is kept."""

    text: str
    key: ApiKey


def add_key(
    gateway: Gateway, book: KeyBook, name: str, role: OfficeRole, life: timedelta, now: datetime
) -> Made:
    """Make a key and journal it. SettingsError if a key that counts has the name, or the life is no life."""
    if not timedelta(0) < life <= LIFE_MAX:
        raise SettingsError(f"a key lives up to {LIFE_MAX.days} days", do="Give fewer --days.")
    if any(key.name == name and key.valid(now) for key in book.all()):
        raise SettingsError(
            f"there is a key named {name} already", do="Choose another name, or revoke that one first."
        )
    id, secret = secrets.token_hex(ID_BYTES), secrets.token_urlsafe(KEY_BYTES)
    key = ApiKey(id=id, name=name, role=role, digest=_digest(secret), made=now, expires=now + life)
    book.put(key)
    _note(gateway, f"api key added: {name} as {role}", key, now)
    return Made(f"{PREFIX}_{id}_{secret}", key)


def revoke_key(gateway: Gateway, book: KeyBook, name: str, now: datetime) -> list[ApiKey]:
    """Revoke the keys of a name, and journal it; those that counted. SettingsError if none ever had the name."""
    named = [key for key in book.all() if key.name == name]
    if not named:
        raise SettingsError(f"there is no key named {name}", do="`intertie api key list` shows them.")
    counted = [key for key in named if key.revoked is None]
    for key in counted:
        book.put(replaced(key, now))
        _note(gateway, f"api key revoked: {name}", key, now)
    return counted


def replaced(key: ApiKey, now: datetime) -> ApiKey:
    """The key, revoked."""
    return ApiKey(
        id=key.id,
        name=key.name,
        role=key.role,
        digest=key.digest,
        made=key.made,
        expires=key.expires,
        revoked=now,
    )


def let_in(book: KeyBook, text: str, now: datetime) -> ApiKey:
    """The key that this text is; NotLetIn if it is none that counts now. The comparison takes the same time for each secret."""
    prefix, _, rest = text.partition("_")
    id, _, secret = rest.partition("_")
    known = book.find(id) if prefix == PREFIX else None
    same = hmac.compare_digest(_digest(secret), known.digest if known is not None else _digest(""))
    if known is None or not same or not known.valid(now):
        raise NotLetIn(
            "there is no such key, or it does not count any more",
            do="Send 'Authorization: Bearer KEY'; `intertie api key add` makes one.",
        )
    return known


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _note(gateway: Gateway, what: str, key: ApiKey, now: datetime) -> None:
    gateway.store.note([Entry(kind=Kind.ACT, at=now, digest=key.digest, note=what)])
