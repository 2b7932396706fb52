"""What a data custodian keeps: applications of third parties, customers' consents, and hashes of the tokens under them.

A secret is shown once, and kept as its hash: 256 bits of chance need nothing slower (as office/api_keys.py). A token's text
names what it belongs to, so that no list is searched for it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Annotated, NamedTuple, Protocol
from urllib.parse import urlsplit

from msgspec import Meta

from intertie.formats.espi.scope import SCOPE_CHARACTERS, Scope, read_scope
from intertie.model.ids import MeterRef, Name, ShortText
from intertie.model.interval import Instant
from intertie.model.record import Record
from intertie.model.rules import no_repeats

ID_BYTES = 6
ID_CHARACTERS = 2 * ID_BYTES
SECRET_BYTES = 32
# Nobody: where a token names an application alone.
NO_ID = "0" * ID_CHARACTERS
# Access tokens of one consent, or one application, that count at once: a third party asks again before the last one ends.
TOKENS_MAX = 8
URI_CHARACTERS = 500
METERS_OF_CONSENT_MAX = 500

Id = Annotated[str, Meta(pattern=rf"^[0-9a-f]{{{ID_CHARACTERS}}}(?!\n)$")]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]
Uri = Annotated[str, Meta(pattern=r"^https?://[^\s#<>\"]+(?!\n)$", max_length=URI_CHARACTERS)]
ScopeText = Annotated[str, Meta(max_length=SCOPE_CHARACTERS)]


class Token(Record, frozen=True, kw_only=True):
    """What is kept of a token."""

    digest: Digest
    expires: Instant
    scope: ScopeText = ""

    def is_it(self, secret: str, now: datetime) -> bool:
        """Whether the secret is this one's, and it counts; in the same time for each."""
        return hmac.compare_digest(digest_of(secret), self.digest) and now < self.expires


class Application(Record, frozen=True, kw_only=True):
    """A third party's program. Its id is the client id."""

    id: Id
    name: ShortText
    digest: Digest  # of the client secret
    made: Instant
    redirect_uris: Annotated[tuple[Uri, ...], Meta(min_length=1, max_length=10)]
    notify_uri: Uri | None = None
    scope: ScopeText  # the most that it may ask for
    revoked: Instant | None = None
    access: Annotated[tuple[Token, ...], Meta(max_length=TOKENS_MAX)] = ()
    # Of its bulk: what came until then, and how many meter days that were. -1: it was told of nothing yet.
    told: Instant | None = None
    told_rows: int = -1

    def check(self) -> None:
        """Plain HTTP leads to this machine only; the scope is one."""
        no_repeats("redirect_uris", self.redirect_uris)
        for uri in (*self.redirect_uris, *([self.notify_uri] if self.notify_uri else [])):
            parts = urlsplit(uri)
            if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
                raise ValueError(f"{uri}: https, unless it is on this machine")
        _ = self.what

    @property
    def what(self) -> Scope:
        """Its scope."""
        return read_scope(self.scope)


class Consent(Record, frozen=True, kw_only=True):
    """A customer lets an application have the readings of some meters: an Authorization, and a Subscription of the same id."""

    id: Id
    application: Id
    customer: Name  # the custodian's reference
    meters: Annotated[tuple[MeterRef, ...], Meta(min_length=1, max_length=METERS_OF_CONSENT_MAX)]
    scope: ScopeText
    made: Instant
    until: Instant
    since: Instant  # readings from then on
    revoked: Instant | None = None
    refresh: Token | None = None
    access: Annotated[tuple[Token, ...], Meta(max_length=TOKENS_MAX)] = ()
    told: Instant | None = None  # as an application's
    told_rows: int = -1
    told_end: bool = False  # that it was revoked

    def check(self) -> None:
        """ValueError for a consent that ends before it begins, or a scope that is none."""
        no_repeats("meters", self.meters)
        if self.until <= self.made:
            raise ValueError("until: not after made")
        _ = self.what

    @property
    def what(self) -> Scope:
        """Its scope."""
        return read_scope(self.scope)

    def counts(self, now: datetime) -> bool:
        """Whether anything may be had under it."""
        return self.revoked is None and now < self.until


class Asking(Record, frozen=True, kw_only=True):
    """A customer was sent here to consent, and waits for an answer. `digest` is of the secret of the page's address."""

    id: Id
    digest: Digest
    application: Id
    redirect_uri: Uri
    scope: ScopeText
    state: Annotated[str, Meta(max_length=1000)] = ""
    challenge: Annotated[str, Meta(max_length=128)] = ""
    method: Annotated[str, Meta(max_length=8)] = ""
    asked: Instant
    denied: bool = False
    consent: Id | None = None
    own: bool = False  # by the customer: only the browser that the third party sent takes the code back
    code: Token | None = None
    redeemed: bool = False


class Secret(NamedTuple):
    """A new secret: its text, and what is kept of it."""

    text: str
    digest: str


def new_id() -> str:
    """Of anything here."""
    return secrets.token_hex(ID_BYTES)


def new_secret(*belongs: str) -> Secret:
    """A secret that names what it belongs to."""
    text = "".join(belongs) + secrets.token_urlsafe(SECRET_BYTES)
    return Secret(text, digest_of(text))


def digest_of(text: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def ids_in(text: str, count: int) -> list[str] | None:
    """The ids that a secret names; None if it is none of ours."""
    head = text[: count * ID_CHARACTERS]
    if len(text) <= len(head) or len(text) > 200 or not set(head) <= set("0123456789abcdef"):
        return None
    found = [head[at : at + ID_CHARACTERS] for at in range(0, len(head), ID_CHARACTERS)]
    return found if len(found) == count and all(len(one) == ID_CHARACTERS for one in found) else None


class GrantBook(Protocol):
    """Where they are kept. What is put is there after a crash, whole; SettingsError if it cannot be read or written."""

    def applications(self) -> Sequence[Application]:
        """All, by name."""

    def application(self, id: str) -> Application | None:
        """One."""

    def put_application(self, one: Application) -> None:
        """In place of that with the same id."""

    def consents(self, application: str) -> Iterator[Consent]:
        """Of one application, by id."""

    def consents_of(self, customer: str) -> Iterator[Consent]:
        """Of one customer, by any application."""

    def consent(self, application: str, id: str) -> Consent | None:
        """One."""

    def put_consent(self, one: Consent) -> None:
        """In place of that with the same id."""

    def askings(self) -> Sequence[Asking]:
        """Who waits, or waited lately; the oldest first."""

    def asking(self, id: str) -> Asking | None:
        """One."""

    def put_asking(self, one: Asking) -> None:
        """In place of that with the same id."""

    def forget_asking(self, id: str) -> None:
        """It is over."""

    def alone(self) -> AbstractContextManager[None]:
        """While it is entered nobody else, in any process, changes anything."""
