"""The people who come in at the portal: who they are, in which roles, by what they are known; and their sessions."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from intertie.gateway.gateway import Gateway
from intertie.gateway.office.api_keys import OfficeRole
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.interval import Instant
from intertie.model.record import Record
from intertie.seal.one_time_codes import matching_step
from intertie.seal.passwords import check_new, hash_password

# A name is typed, seen in the journal, and said on the telephone.
PERSON = r"^[a-z0-9][a-z0-9._@-]{0,63}(?!\n)$"
PersonName = Annotated[str, Meta(pattern=PERSON)]
_Hex = Annotated[str, Meta(pattern=r"^(?:[0-9a-f]{2})+(?!\n)$", max_length=8192)]
# A person has a telephone, a notebook and a key or two.
PASSKEYS_MAX = 10
# A code is read out or sent, and used at once; a new colleague may begin after a long weekend.
CODE_LIFE = timedelta(days=1)
CODE_LIFE_MAX = timedelta(days=7)
# Thirteen bytes are more than anybody guesses in that time.
CODE_BYTES = 13
TOKEN_BYTES = 32
# A shift. SP 800-63B-4, 2.2.3: at most 24 hours, and an hour without a sign; ours are shorter.
SESSION_LIFE = timedelta(hours=12)
IDLE = timedelta(minutes=30)
# `seen` is written this often and not with each request.
SEEN_EVERY = timedelta(minutes=1)
# A name of a browser is some 200 characters.
AGENT_MAX = 512
ADDRESS_MAX = 64
How = Literal["password", "passkey", "code", "oidc"]


class Passkey(Record, frozen=True, kw_only=True):
    """A passkey of a person."""

    id: _Hex
    public_key: _Hex
    count: int
    label: Annotated[str, Meta(max_length=60)]
    made: Instant


class Person(Record, frozen=True, kw_only=True):
    """Who may come in. `totp` is a secret and `password` a hash; neither is ever shown."""

    name: PersonName
    roles: tuple[OfficeRole, ...]
    made: Instant
    handle: _Hex  # what a passkey knows its owner by; says nothing of who it is
    disabled: Instant | None = None
    password: str | None = None
    totp: str | None = None
    step: int = 0  # of the one-time code that was used last
    passkeys: tuple[Passkey, ...] = ()

    @property
    def enrolled(self) -> bool:
        """Whether the person can sign in without a code."""
        return bool(self.passkeys) or (self.password is not None and self.totp is not None)


class Session(Record, frozen=True, kw_only=True):
    """A person who is signed in, in one browser. The key in the cookie is not kept, only its digest."""

    digest: str
    person: PersonName
    csrf: str
    made: Instant
    seen: Instant
    address: str
    agent: str  # digest of what the browser calls itself: a stolen cookie in another browser opens nothing
    how: How
    said: str = ""  # what the next page says first, once

    def valid(self, now: datetime) -> bool:
        """Whether it counts now."""
        return now < self.made + SESSION_LIFE and now < self.seen + IDLE


class SignInCode(Record, frozen=True, kw_only=True):
    """A code that lets a person in once, to set up what they sign in with."""

    digest: str
    person: PersonName
    expires: Instant


class Failures(Record, frozen=True, kw_only=True):
    """How often somebody failed to sign in, and when last."""

    count: int
    last: Instant


class PeopleBook(Protocol):
    """Where people and sessions are kept; several processes share it, and a change is atomic."""

    def people(self) -> Sequence[Person]:
        """All of them, by name."""

    def person(self, name: str) -> Person | None:
        """The person of this name."""

    def change(self, name: str, changed: Callable[[Person | None], Person]) -> Person:
        """Put what `changed` makes of the person that is kept, with nobody in between."""

    def owner_of(self, passkey: str) -> Person | None:
        """Whose passkey this is."""

    def session(self, digest: str) -> Session | None:
        """The session of this digest."""

    def sessions(self, person: str) -> Sequence[Session]:
        """Those of a person, newest first."""

    def put_session(self, session: Session) -> None:
        """Keep it in place of one with the same digest."""

    def end_session(self, digest: str) -> bool:
        """Forget it; whether it was there."""

    def put_code(self, code: SignInCode) -> None:
        """Keep a code, in place of an older one of the same person."""

    def code(self, digest: str) -> SignInCode | None:
        """The code, which still counts."""

    def take_code(self, digest: str) -> SignInCode | None:
        """The code, which counts no more from now on."""

    def put_challenge(self, owner: str, challenge: bytes, now: datetime) -> None:
        """Keep what a passkey is asked, in place of what it was asked before."""

    def take_challenge(self, owner: str) -> tuple[bytes, datetime] | None:
        """What was asked and when, once."""

    def failures(self, key: str) -> Failures | None:
        """What failed under this key."""

    def put_failures(self, key: str, failures: Failures | None) -> None:
        """Keep that, or forget it."""


class Visitor(NamedTuple):
    """Where somebody comes from."""

    address: str
    agent: str

    @property
    def agent_digest(self) -> str:
        """What a session is bound to."""
        return digest(self.agent[:AGENT_MAX])


def digest(secret: str) -> str:
    """What is kept of a secret that is long and random."""
    return hashlib.sha256(secret.encode()).hexdigest()


def add_person(
    gateway: Gateway, book: PeopleBook, name: str, roles: Collection[OfficeRole], now: datetime, by: str
) -> Person:
    """A new person, who cannot come in before there is a code. SettingsError if the name is taken or none, or without a role."""
    person = _checked(
        Person(name=name, roles=tuple(sorted(set(roles))), made=now, handle=secrets.token_hex(32))
    )

    def fresh(known: Person | None) -> Person:
        if known is not None and known.disabled is None:
            raise SettingsError(
                f"there is a person named {name} already", do="Choose another name, or change that one."
            )
        return person

    made = book.change(name, fresh)
    note(gateway, f"person added: {name} as {', '.join(made.roles)}", by, now)
    return made


def set_roles(
    gateway: Gateway, book: PeopleBook, name: str, roles: Collection[OfficeRole], now: datetime, by: str
) -> Person:
    """Other roles; sessions go on with them at once."""
    done = book.change(
        name,
        lambda known: _checked(msgspec.structs.replace(_there(known, name), roles=tuple(sorted(set(roles))))),
    )
    note(gateway, f"person's roles: {name} as {', '.join(done.roles)}", by, now)
    return done


def disable(gateway: Gateway, book: PeopleBook, name: str, now: datetime, by: str) -> Person:
    """Let a person in no more; their sessions end."""
    done = book.change(name, lambda known: msgspec.structs.replace(_there(known, name), disabled=now))
    for session in book.sessions(name):
        book.end_session(session.digest)
    note(gateway, f"person disabled: {name}", by, now)
    return done


def make_code(gateway: Gateway, book: PeopleBook, name: str, life: timedelta, now: datetime, by: str) -> str:
    """A code that lets the person in once. It is seen this once; an older one counts no more."""
    if not timedelta(0) < life <= CODE_LIFE_MAX:
        raise SettingsError(f"a code lives up to {CODE_LIFE_MAX.days} days", do="Give a shorter time.")
    person = _there(book.person(name), name)
    text = secrets.token_hex(CODE_BYTES)
    book.put_code(SignInCode(digest=digest(text), person=person.name, expires=now + life))
    note(gateway, f"sign-in code made for {name}", by, now)
    return "-".join(text[i : i + 4] for i in range(0, len(text), 4))


def set_password(
    gateway: Gateway,
    book: PeopleBook,
    name: str,
    password: str,
    secret: str,
    code: str,
    now: datetime,
    wall: datetime,
) -> Person:
    """A password, and the authenticator's secret once its code was right. SettingsError says what does not do.

    `wall`: the time on the wall, which authenticators show codes of, also where a rehearsal has a clock of its own.
    """
    text = check_new(password, name, *name.split("@")[:1], str(gateway.party.id))
    step = matching_step(secret, code, wall, 0)
    if step is None:
        raise SettingsError(
            "the one-time code does not fit",
            do="Scan the picture again, and type the code that is shown now.",
        )
    hashed = hash_password(text)
    done = book.change(
        name,
        lambda known: msgspec.structs.replace(_there(known, name), password=hashed, totp=secret, step=step),
    )
    note(gateway, f"password set: {name}", name, now)
    return done


def add_passkey(gateway: Gateway, book: PeopleBook, name: str, key: Passkey, now: datetime) -> Person:
    """One more passkey. SettingsError beyond so many."""

    def more(known: Person | None) -> Person:
        person = _there(known, name)
        if len(person.passkeys) >= PASSKEYS_MAX:
            raise SettingsError(
                f"a person has at most {PASSKEYS_MAX} passkeys", do="Remove one that is used no more."
            )
        return msgspec.structs.replace(person, passkeys=(*person.passkeys, key))

    done = book.change(name, more)
    note(gateway, f"passkey added: {name}, {key.label}", name, now)
    return done


def remove_passkey(gateway: Gateway, book: PeopleBook, name: str, id: str, now: datetime) -> Person:
    """One passkey less. SettingsError if nothing would be left to sign in with."""

    def less(known: Person | None) -> Person:
        person = _there(known, name)
        left = tuple(key for key in person.passkeys if key.id != id)
        if len(left) == len(person.passkeys):
            raise SettingsError("there is no such passkey", do="Load the page again.")
        if not left and (person.password is None or person.totp is None):
            raise SettingsError(
                "this passkey is all there is to sign in with",
                do="Set a password, or add another passkey first.",
            )
        return msgspec.structs.replace(person, passkeys=left)

    done = book.change(name, less)
    note(gateway, f"passkey removed: {name}", name, now)
    return done


def note(gateway: Gateway, what: str, by: str, now: datetime, where: str = "this machine") -> None:
    """An act of a person in the journal: what, who, from where. What is too long for a line is cut, its digest is whole."""
    text = f"{what}; by {by} from {where}"
    gateway.store.note([Entry(kind=Kind.ACT, at=now, digest=digest(text), note=text[:200])])


class NotKnown(IntertieError):
    """No such person, or what they said does not fit. Never says which."""


def _there(known: Person | None, name: str) -> Person:
    if known is None or known.disabled is not None:
        raise SettingsError(f"there is no person named {name}", do="`intertie person list` shows them.")
    return known


def _checked(person: Person) -> Person:
    if not person.roles:
        raise SettingsError("a person has a role", do=f"Give one of {', '.join(OfficeRole)}.")
    try:
        return msgspec.convert(msgspec.to_builtins(person), Person)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"{person.name!r} is no name for a person", do="Use letters, digits, '.', '_', '@' and '-'."
        ) from error
