"""Customers of a data custodian, who decide for themselves: a code that the custodian hands out for an account lets its customer
in once; in there the customer sees who asks for which meters, agrees or refuses, and ends what was agreed to.

What the code proves is what the custodian made sure of when it was handed out: with a letter to the account's address, or at a
counter. Of codes and sessions only hashes are kept. Each change is alone, and on disk before it is said.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple, Protocol

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from intertie.gateway.espi.espi_grants import Grants, NotGranted
from intertie.gateway.espi.espi_ports import METERS_OF_CONSENT_MAX, Asking, Consent, Digest, digest_of
from intertie.gateway.gateway import Gateway
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import SettingsError
from intertie.model.ids import MeterRef, Name
from intertie.model.interval import Instant
from intertie.model.record import Record
from intertie.model.rules import no_repeats

# 100 bits, without letters that look alike: nobody guesses it, and a person types it from a letter.
CODE_CHARACTERS, CODE_GROUP = 20, 5
_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
# A letter is on its way for some days, and lies for some.
CODE_DAYS, CODE_DAYS_MAX = 14, 60
# Reading a page and deciding; who comes again asks for another code.
SESSION_LIFE = timedelta(minutes=30)
# As custodians have it; a customer may choose less.
CONSENT_DAYS_MAX = 3660


class Invitation(Record, frozen=True, kw_only=True):
    """A code that was handed out for an account: whose it is, and which meters are theirs."""

    digest: Digest
    customer: Name  # the custodian's reference
    meters: Annotated[tuple[MeterRef, ...], Meta(min_length=1, max_length=METERS_OF_CONSENT_MAX)]
    made: Instant
    expires: Instant
    used: Instant | None = None

    def check(self) -> None:
        """Each meter once."""
        no_repeats("meters", self.meters)


class CustomerSession(Record, frozen=True, kw_only=True):
    """A customer who came in. `csrf` stands in every form of its pages."""

    digest: Digest
    csrf: str
    customer: Name
    meters: tuple[MeterRef, ...]
    made: Instant
    expires: Instant


class CustomerBook(Protocol):
    """Where both are kept. What is put is there after a crash, whole; SettingsError if it cannot be read or written."""

    def invitation(self, digest: str) -> Invitation | None:
        """One."""

    def put_invitation(self, one: Invitation) -> None:
        """In place of that with the same digest."""

    def session(self, digest: str) -> CustomerSession | None:
        """One."""

    def put_session(self, one: CustomerSession, now: datetime) -> None:
        """In place of that with the same digest; those that are over go."""

    def forget_session(self, digest: str) -> None:
        """It is over."""

    def alone(self) -> AbstractContextManager[None]:
        """While it is entered nobody else, in any process, changes anything."""


class Given(NamedTuple):
    """A consent of a customer, and by which name its application is known."""

    consent: Consent
    application: str


class Customers:
    """The acts, over what is kept."""

    def __init__(self, gateway: Gateway, grants: Grants, book: CustomerBook) -> None:
        self.gateway, self.grants, self.book = gateway, grants, book

    def invite(
        self, customer: str, meters: Sequence[str], life: timedelta, now: datetime, by: str = ""
    ) -> str:
        """A code for an account, which is seen this once. SettingsError."""
        if not timedelta(0) < life <= timedelta(days=CODE_DAYS_MAX):
            raise SettingsError(f"a code counts up to {CODE_DAYS_MAX} days", do="Give it a shorter time.")
        text = "".join(secrets.choice(_ALPHABET) for _ in range(CODE_CHARACTERS))
        try:
            one = msgspec.convert(
                {
                    "digest": digest_of(text),
                    "customer": customer,
                    "meters": tuple(meters),
                    "made": now,
                    "expires": now + life,
                },
                Invitation,
            )
        except (msgspec.ValidationError, ValueError) as error:
            raise SettingsError(
                str(error), do="Give your reference to the customer, and the customer's meters."
            ) from error
        with self.book.alone():
            self.book.put_invitation(one)
        self._note("espi customer invited", one.digest, now, by)
        return "-".join(text[at : at + CODE_GROUP] for at in range(0, CODE_CHARACTERS, CODE_GROUP))

    def enter(self, code: str, address: str, now: datetime) -> tuple[str, CustomerSession]:
        """Whoever has a code is let in, once; the key of the session. NotGranted, which never says why."""
        text = "".join(c for c in code.upper() if c in _ALPHABET)
        with self.book.alone():
            one = self.book.invitation(digest_of(text)) if len(text) == CODE_CHARACTERS else None
            if one is None or one.used is not None or now >= one.expires:
                raise NotGranted("no code that counts", do="Ask for another one.")
            key = secrets.token_urlsafe(32)
            session = CustomerSession(
                digest=digest_of(key),
                csrf=secrets.token_urlsafe(32),
                customer=one.customer,
                meters=one.meters,
                made=now,
                expires=now + SESSION_LIFE,
            )
            self.book.put_session(session, now)
            self.book.put_invitation(replace(one, used=now))
        self._note("espi customer came in", one.digest, now, address)
        return key, session

    def present(self, key: str, now: datetime) -> CustomerSession | None:
        """Who comes with this key, if the session counts."""
        one = self.book.session(digest_of(key)) if 20 <= len(key) <= 100 else None
        return one if one is not None and now < one.expires else None

    def leave(self, session: CustomerSession) -> None:
        """The session is over."""
        self.book.forget_session(session.digest)

    def is_form_of(self, session: CustomerSession, csrf: str) -> bool:
        """Whether a page of this session made the form."""
        return hmac.compare_digest(csrf.encode(), session.csrf.encode())

    def agree(
        self,
        session: CustomerSession,
        asking: Asking,
        meters: Sequence[str],
        days: int,
        address: str,
        now: datetime,
    ) -> Consent:
        """The customer lets the third party have the readings of these meters. SettingsError."""
        if not meters or not set(meters) <= set(session.meters):
            raise SettingsError("no meter of yours is chosen", do="Choose one at least.")
        if not 1 <= days <= CONSENT_DAYS_MAX:
            raise SettingsError(f"from 1 to {CONSENT_DAYS_MAX} days", do="Choose another time.")
        chosen = [meter for meter in session.meters if meter in set(meters)]
        until = now + timedelta(days=days)
        one = self.grants.decide(asking.id, session.customer, chosen, until, None, now, own=True)
        self._note(f"espi consent {one.id}: agreed to by the customer", session.digest, now, address)
        return one

    def refuse(self, session: CustomerSession, asking: Asking, address: str, now: datetime) -> Asking:
        """The third party hears that it was denied. SettingsError."""
        one = self.grants.deny(asking.id, now)
        self._note(f"espi consent {one.id}: refused by the customer", session.digest, now, address)
        return one

    def consents(self, session: CustomerSession) -> list[Given]:
        """All of the customer's, the newest first."""
        names = {one.id: one.name for one in self.grants.book.applications()}
        found = [
            Given(one, names.get(one.application, one.application)) for one in self._theirs(session.customer)
        ]
        return sorted(found, key=lambda given: given.consent.made, reverse=True)

    def _theirs(self, customer: str) -> Iterator[Consent]:
        return (one for one in self.grants.book.consents_of(customer) if one.customer == customer)

    def revoke(
        self, session: CustomerSession, application: str, id: str, address: str, now: datetime
    ) -> Consent:
        """It is over. SettingsError if it is none of the customer's."""
        known = self.grants.book.consent(application, id)
        if known is None or known.customer != session.customer:
            raise SettingsError("there is no such consent of yours", do="Look at the list.")
        one = self.grants.revoke(application, id, now)
        self._note(f"espi consent {one.id}: ended by the customer", session.digest, now, address)
        return one

    def _note(self, what: str, digest: str, now: datetime, who: str) -> None:
        said = f"{what}, {who}" if who else what
        digest = hashlib.sha256(digest.encode()).hexdigest()
        self.gateway.store.note([Entry(kind=Kind.ACT, at=now, digest=digest, note=said)])
