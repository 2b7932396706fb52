"""Who may have whose readings: applications of third parties, customers' consents, and tokens under them.

A customer is sent here by a third party (`ask`), and waits; whoever speaks for the customer consents or denies (`decide`): the
customer, on a page of its own (espi_customers.py), or an operator of the custodian. What was decided is fetched with a
code, once (`redeem`). Each change is made alone, is on disk before it is said, and decisions are noted in the journal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from intertie.formats.espi.scope import BadScope, Scope, read_scope
from intertie.gateway.espi.espi_ports import (
    NO_ID,
    TOKENS_MAX,
    Application,
    Asking,
    Consent,
    GrantBook,
    Token,
    digest_of,
    ids_in,
    new_id,
    new_secret,
)
from intertie.gateway.gateway import Gateway
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.record import Record

_Of = TypeVar("_Of", bound=Record)
# As custodians have it; RFC 6749 asks for ten minutes at most.
CODE_LIFE = timedelta(seconds=60)
# Somebody who was asked and did not answer in a day is asked again.
ASKING_LIFE = timedelta(days=1)
# Customers who wait at once: more come by a program, and not by a customer.
ASKINGS_MAX = 1000


class NotGranted(IntertieError):
    """A token, a code or a secret that opens nothing. Never says why: who holds none learns nothing."""


class Lives(NamedTuple):
    """How long tokens live."""

    access: timedelta
    refresh: timedelta


class Bearer(NamedTuple):
    """Who comes with a token: an application, for one consent or (None) for itself, and what it may see."""

    application: Application
    consent: Consent | None
    scope: Scope


class Given(NamedTuple):
    """Tokens as they are said, this once."""

    access: str
    refresh: str | None
    consent: Consent | None
    scope: str


class Told(NamedTuple):
    """Of what a third party was told: what came until then, so many meter days; and that a consent ended."""

    until: datetime | None
    rows: int
    ended: bool = False


class Grants:
    """The acts, over what is kept."""

    def __init__(self, gateway: Gateway, book: GrantBook, lives: Lives) -> None:
        self._gateway, self.book, self.lives = gateway, book, lives

    # Applications

    def add_application(
        self, name: str, redirect_uris: Sequence[str], notify_uri: str | None, scope: str, now: datetime
    ) -> tuple[Application, str]:
        """A third party's program, and its secret, which is shown this once. SettingsError, BadScope."""
        read_scope(scope)
        secret = new_secret()
        with self.book.alone():
            if any(one.name == name and one.revoked is None for one in self.book.applications()):
                raise SettingsError(
                    f"there is an application {name} already", do="Revoke it, or choose another name."
                )
            one = _made(
                Application,
                id=new_id(),
                name=name,
                digest=secret.digest,
                made=now,
                redirect_uris=tuple(redirect_uris),
                notify_uri=notify_uri,
                scope=scope,
            )
            self.book.put_application(one)
        self._note("espi application added", one, now)
        return one, secret.text

    def revoke_application(self, id: str, now: datetime) -> Application:
        """Nothing of it counts any more. SettingsError if there is none."""
        with self.book.alone():
            one = replace(self.find_application(id), revoked=now, access=())
            self.book.put_application(one)
        self._note("espi application revoked", one, now)
        return one

    def find_application(self, id: str) -> Application:
        """One that counts; SettingsError."""
        one = self.book.application(id)
        if one is None or one.revoked is not None:
            raise SettingsError(
                f"there is no application {id[:40]}", do="`intertie espi applications` lists them."
            )
        return one

    def is_secret_of(self, id: str, secret: str) -> bool:
        """Whether it is this application's secret."""
        one = self.book.application(id)
        known = Token(digest=one.digest if one is not None else digest_of(""), expires=_NEVER)
        return known.is_it(secret, _ONCE) and one is not None and one.revoked is None

    # Customers are asked, and consent

    def ask(
        self,
        application: Application,
        redirect_uri: str,
        scope: str,
        state: str,
        challenge: tuple[str, str],
        now: datetime,
    ) -> str:
        """A customer waits; the secret of the page on which it does. BadScope for more than the application may ask for."""
        if not read_scope(scope).within(application.what):
            raise BadScope(
                "more than was agreed with this application",
                do="Ask for less, or ask the custodian for more.",
            )
        id = new_id()
        secret = new_secret(id)
        one = _made(
            Asking,
            id=id,
            digest=secret.digest,
            application=application.id,
            redirect_uri=redirect_uri,
            scope=scope,
            state=state,
            challenge=challenge[0],
            method=challenge[1],
            asked=now,
        )
        with self.book.alone():
            waiting = self.book.askings()
            for old in waiting:
                if now - old.asked > ASKING_LIFE:
                    self.book.forget_asking(old.id)
            if len(waiting) >= ASKINGS_MAX:
                raise NotGranted("too many customers wait for an answer", do="Try again later.")
            self.book.put_asking(one)
        return secret.text

    def asked(self, secret: str, now: datetime) -> Asking:
        """Who waits with this secret; NotGranted."""
        ids = ids_in(secret, 1)
        one = self.book.asking(ids[0]) if ids else None
        if one is None or digest_of(secret) != one.digest or now - one.asked > ASKING_LIFE:
            raise NotGranted("nobody waits here", do="Begin again at the third party.")
        return one

    def decide(
        self,
        id: str,
        customer: str,
        meters: Sequence[str],
        until: datetime,
        scope: str | None,
        now: datetime,
        *,
        own: bool = False,
    ) -> Consent:
        """The customer who waits consents, for these meters; `own`: on its own page. SettingsError, BadScope."""
        with self.book.alone():
            asking = self._undecided(id)
            wanted = scope or asking.scope
            if not read_scope(wanted).within(read_scope(asking.scope)):
                raise BadScope("more than was asked for", do="Leave --scope out, or give less.")
            application = self.find_application(asking.application)
            one = self._consent(application, customer, meters, wanted, until, now)
            self.book.put_asking(replace(asking, consent=one.id, own=own))
        self._note("espi consent given", one, now)
        return one

    def deny(self, id: str, now: datetime) -> Asking:
        """The customer who waits does not. SettingsError."""
        with self.book.alone():
            one = replace(self._undecided(id), denied=True)
            self.book.put_asking(one)
        self._note("espi consent denied", one, now)
        return one

    def give(
        self,
        application: str,
        customer: str,
        meters: Sequence[str],
        until: datetime,
        scope: str | None,
        now: datetime,
    ) -> Consent:
        """A customer who consented elsewhere, on paper: the application gets it in its bulk. SettingsError, BadScope."""
        with self.book.alone():
            found = self.find_application(application)
            wanted = scope or found.scope
            if not read_scope(wanted).within(found.what):
                raise BadScope(
                    "more than was agreed with this application", do="Leave --scope out, or give less."
                )
            one = self._consent(found, customer, meters, wanted, until, now)
        self._note("espi consent given", one, now)
        return one

    def revoke(self, application: str, id: str, now: datetime) -> Consent:
        """It is over: nothing more is given under it, and its tokens open nothing. SettingsError if there is none."""
        with self.book.alone():
            one = self.book.consent(application, id)
            if one is None:
                raise SettingsError(
                    f"there is no consent {id[:40]}", do="`intertie espi consents` lists them."
                )
            if one.revoked is not None:
                return one
            one = replace(one, revoked=now, access=(), refresh=None)
            self.book.put_consent(one)
        self._note("espi consent revoked", one, now)
        return one

    # Codes and tokens

    def code_for(self, secret: str, now: datetime) -> tuple[Asking, str | None]:
        """What the customer takes back to the third party; None if there is no answer yet, or it was denied."""
        with self.book.alone():
            asking = self.asked(secret, now)
            if asking.consent is None or asking.redeemed:
                return asking, None
            code = new_secret(asking.id)
            kept = Token(digest=code.digest, expires=now + CODE_LIFE)
            self.book.put_asking(replace(asking, code=kept))
        return asking, code.text

    def redeem(self, application: str, code: str, now: datetime) -> Asking:
        """The code counts this once. One that comes again ends the tokens that came of it (RFC 6749 s.4.1.2). NotGranted."""
        with self.book.alone():
            ids = ids_in(code, 1)
            asking = self.book.asking(ids[0]) if ids else None
            if (
                asking is None
                or asking.code is None
                or asking.application != application
                or asking.consent is None
            ):
                raise NotGranted("no code that counts")
            if digest_of(code) != asking.code.digest:
                raise NotGranted("no code that counts")
            if asking.redeemed:
                consent = self.book.consent(application, asking.consent)
                if consent is not None:
                    self.book.put_consent(replace(consent, access=(), refresh=None))
                raise NotGranted("no code that counts")
            if not asking.code.is_it(code, now):
                raise NotGranted("no code that counts")
            self.book.put_asking(replace(asking, redeemed=True))
        return asking

    def issue(self, application: str, consent: str, now: datetime, *, refresh: bool) -> Given:
        """Tokens under a consent. NotGranted if it does not count."""
        with self.book.alone():
            one = self.book.consent(application, consent)
            if one is None or not one.counts(now):
                raise NotGranted("no consent that counts")
            access, again = new_secret(application, consent), new_secret(application, consent)
            token = Token(
                digest=access.digest, expires=min(now + self.lives.access, one.until), scope=one.scope
            )
            kept = one.refresh
            if refresh:
                kept = Token(digest=again.digest, expires=now + self.lives.refresh)
            elif kept is not None:  # it was used: it lives on
                kept = replace(kept, expires=now + self.lives.refresh)
            self.book.put_consent(replace(one, access=_newest(one.access, token, now), refresh=kept))
        return Given(access.text, again.text if refresh else None, one, one.scope)

    def issue_own(self, application: str, scope: str, now: datetime) -> Given:
        """A token of the application for itself: its own resources, and its bulk. BadScope, NotGranted."""
        with self.book.alone():
            one = self.book.application(application)
            if one is None or one.revoked is not None:
                raise NotGranted("no application that counts")
            wanted = scope or one.scope
            if not read_scope(wanted).within(one.what):
                raise BadScope("more than was agreed with this application")
            access = new_secret(application, NO_ID)
            token = Token(digest=access.digest, expires=now + self.lives.access, scope=wanted)
            self.book.put_application(replace(one, access=_newest(one.access, token, now)))
        return Given(access.text, None, None, wanted)

    def let_in(self, token: str, now: datetime) -> Bearer:
        """Who comes with an access token; NotGranted."""
        application, consent = self._of(token)
        tokens = consent.access if consent is not None else application.access
        for one in tokens:
            if one.is_it(token, now) and (consent is None or consent.counts(now)):
                return Bearer(application, consent, read_scope(one.scope).bounded(application.what))
        raise NotGranted("no token that counts", do="Ask the token endpoint for another one.")

    def refreshed_by(self, token: str, now: datetime) -> Consent:
        """The consent of a refresh token; NotGranted."""
        _, consent = self._of(token)
        if (
            consent is None
            or consent.refresh is None
            or not consent.counts(now)
            or not consent.refresh.is_it(token, now)
        ):
            raise NotGranted("no token that counts")
        return consent

    def end_token(self, application: str, token: str, now: datetime) -> None:
        """Nothing is had by this token any more (RFC 7009): an access token alone, with a refresh token all under its consent.
        What is no token of the application changes nothing."""
        with self.book.alone():
            try:
                owner, consent = self._of(token)
            except NotGranted:
                return
            if owner.id != application:
                return
            digest = digest_of(token)
            if consent is None:
                left = tuple(one for one in owner.access if one.digest != digest)
                self.book.put_application(replace(owner, access=left))
            elif consent.refresh is not None and consent.refresh.digest == digest:
                self.book.put_consent(replace(consent, refresh=None, access=()))
            else:
                left = tuple(one for one in consent.access if one.digest != digest)
                self.book.put_consent(replace(consent, access=left))

    # Third parties are told

    def told(self, application: str, consents: Mapping[str, Told], bulk: Told | None) -> None:
        """The third party has it."""
        with self.book.alone():
            one = self.book.application(application)
            if one is not None and bulk is not None:
                self.book.put_application(replace(one, told=bulk.until, told_rows=bulk.rows))
            for id, told in consents.items():
                consent = self.book.consent(application, id)
                if consent is not None:
                    changed = replace(consent, told=told.until, told_rows=told.rows, told_end=told.ended)
                    self.book.put_consent(changed)

    def _of(self, token: str) -> tuple[Application, Consent | None]:
        ids = ids_in(token, 2)
        application = self.book.application(ids[0]) if ids else None
        if not ids or application is None or application.revoked is not None:
            raise NotGranted("no token that counts", do="Ask the token endpoint for another one.")
        consent = None if ids[1] == NO_ID else self.book.consent(ids[0], ids[1])
        if consent is None and ids[1] != NO_ID:
            raise NotGranted("no token that counts", do="Ask the token endpoint for another one.")
        return application, consent

    def _undecided(self, id: str) -> Asking:
        one = self.book.asking(id)
        if one is None or one.denied or one.consent is not None:
            raise SettingsError(f"nobody waits as {id[:40]}", do="`intertie espi asking` lists who does.")
        return one

    def _consent(
        self,
        application: Application,
        customer: str,
        meters: Sequence[str],
        scope: str,
        until: datetime,
        now: datetime,
    ) -> Consent:
        history = read_scope(scope).bounded(application.what).history
        one = _made(
            Consent,
            id=new_id(),
            application=application.id,
            customer=customer,
            meters=tuple(meters),
            scope=scope,
            made=now,
            until=until,
            since=now - history if history is not None else _ONCE,
        )
        self.book.put_consent(one)
        return one

    def _note(self, what: str, one: Application | Consent | Asking, now: datetime) -> None:
        digest = hashlib.sha256(msgspec.json.encode(one)).hexdigest()
        self._gateway.store.note([Entry(kind=Kind.ACT, at=now, digest=digest, note=f"{what}: {one.id}")])


_ONCE = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
_NEVER = datetime.fromisoformat("2999-01-01T00:00:00+00:00")


def _newest(known: Sequence[Token], token: Token, now: datetime) -> tuple[Token, ...]:
    """Those that count, the new one last, and not more than may."""
    return tuple([*(one for one in known if now < one.expires), token][-TOKENS_MAX:])


def _made(kind: type[_Of], **fields: object) -> _Of:
    """A record of what people say; SettingsError names what is wrong."""
    try:
        return msgspec.convert(fields, kind)
    except (msgspec.ValidationError, ValueError) as error:
        raise SettingsError(str(error), do="Give it as the command's --help has it.") from error
