"""Signing in at the portal: by password and one-time code, by a passkey, or once by a code; and how often one may fail.

Who fails waits, longer each time, at their own address: whoever types a name wrong from elsewhere locks nobody out. Where a
name fails at many addresses, it waits only at those where its owner was never seen; a passkey or a code lets the owner in from
anywhere.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from intertie.gateway.gateway import Gateway
from intertie.gateway.office.people import (
    TOKEN_BYTES,
    Failures,
    How,
    NotKnown,
    PeopleBook,
    Person,
    Session,
    Visitor,
    digest,
    note,
)
from intertie.model.errors import IntertieError
from intertie.seal.one_time_codes import matching_step
from intertie.seal.passkeys import NoPasskey, Site, ask_known, read_known, said_id
from intertie.seal.passwords import same_password

# People mistype a few times.
FREE = 5
# From one address several people come (an office behind one): more names may be mistyped there.
FREE_ADDRESS = 30
# Tries at one name from everywhere: far from what guesses a password, far above what one person mistypes.
FREE_NAME = 100
WAIT_MAX = timedelta(minutes=15)
FORGOTTEN = timedelta(hours=1)
# A person looks for the telephone, and is asked by it for a finger.
CHALLENGE_LIFE = timedelta(minutes=5)


class Wait(IntertieError):
    """Too many failures from there."""

    retry = True


def by_password(
    gateway: Gateway,
    book: PeopleBook,
    name: str,
    password: str,
    code: str,
    visitor: Visitor,
    now: datetime,
    wall: datetime,
) -> tuple[str, Session]:
    """The cookie's key and the session. Wait; NotKnown, which never says what was wrong.

    `wall`: the time on the wall, which authenticators show codes of, also where a rehearsal has a clock of its own.
    """
    known = "" if len(name) > 64 else name
    keys = _keys(known, visitor)
    check_wait(book, keys, now)
    person = book.person(known)
    good = same_password(person.password if person is not None else None, password)
    if good and person is not None and person.disabled is None and _use_code(book, person, code, wall):
        return _begin(gateway, book, person, visitor, "password", now)
    raise _failed(gateway, book, keys, known, visitor, now)


def by_passkey(
    gateway: Gateway,
    book: PeopleBook,
    site: Site,
    asked: str,
    said: Mapping[str, Any],
    visitor: Visitor,
    now: datetime,
) -> tuple[str, Session]:
    """The same, by the answer to what `ask_passkey` asked under this name."""
    keys = _keys("", visitor)
    check_wait(book, keys, now)
    try:
        id = said_id(said).hex()
        challenge = taken_challenge(book, asked, now)
        person = book.owner_of(id)
        key = next((one for one in person.passkeys if one.id == id), None) if person is not None else None
        if person is None or key is None or person.disabled is not None:
            raise NoPasskey("there is no such passkey here", do="Use another, or the password.")
        count = read_known(site, challenge, said, bytes.fromhex(key.public_key), key.count)
    except NoPasskey as error:
        raise _failed(gateway, book, keys, "a passkey", visitor, now) from error

    def used(now_known: Person | None) -> Person:
        if now_known is None:
            raise NotKnown("the person is gone", do="Ask an administrator.")
        again = tuple(
            msgspec.structs.replace(one, count=count) if one.id == id else one for one in now_known.passkeys
        )
        return msgspec.structs.replace(now_known, passkeys=again)

    return _begin(gateway, book, book.change(person.name, used), visitor, "passkey", now)


def ask_passkey(book: PeopleBook, site: Site, asked: str, now: datetime) -> dict[str, Any]:
    """What the browser is asked."""
    challenge, options = ask_known(site)
    book.put_challenge(asked, challenge, now)
    return options


def taken_challenge(book: PeopleBook, asked: str, now: datetime) -> bytes:
    """What was asked under this name, once; NoPasskey if that is too long ago."""
    taken = book.take_challenge(asked)
    if taken is None or now > taken[1] + CHALLENGE_LIFE:
        raise NoPasskey("the question was asked too long ago", do="Try again.")
    return taken[0]


def by_code(
    gateway: Gateway, book: PeopleBook, code: str, visitor: Visitor, now: datetime
) -> tuple[str, Session]:
    """The same, by a code, which counts no more then."""
    keys = _keys("", visitor)
    check_wait(book, keys, now)
    text = "".join(code.lower().split()).replace("-", "")
    taken = book.take_code(digest(text)) if len(text) <= 64 else None
    person = book.person(taken.person) if taken is not None else None
    if taken is None or now >= taken.expires or person is None or person.disabled is not None:
        raise _failed(gateway, book, keys, "a code", visitor, now)
    return _begin(gateway, book, person, visitor, "code", now)


def by_oidc(
    gateway: Gateway, book: PeopleBook, name: str, visitor: Visitor, now: datetime
) -> tuple[str, Session]:
    """The same, for whom a provider has said to be of this name: if our own people have one of it."""
    keys = _keys("", visitor)
    check_wait(book, keys, now)
    person = book.person(name[:64])
    if person is None or person.disabled is not None:
        raise _failed(gateway, book, keys, "a sign-on", visitor, now)
    return _begin(gateway, book, person, visitor, "oidc", now)


def sign_out(gateway: Gateway, book: PeopleBook, session: Session, now: datetime) -> None:
    """The session ends."""
    book.end_session(session.digest)
    note(gateway, "signed out", session.person, now, session.address)


def check_wait(book: PeopleBook, keys: Mapping[str, int], now: datetime) -> None:
    """Wait if one of these failed too often lately."""
    for key, free in keys.items():
        failed = book.failures(key)
        if failed is None or failed.count < free:
            continue
        until = failed.last + min(WAIT_MAX, timedelta(seconds=2 ** min(failed.count - free, 20)))
        if now < until:
            raise Wait(
                "too many attempts",
                do=f"Wait {int((until - now).total_seconds()) + 1} seconds, or sign in with a passkey.",
            )


def _keys(name: str, visitor: Visitor) -> dict[str, int]:
    """Under which keys failures are counted, and how many are free."""
    keys = {f"address {visitor.address}": FREE_ADDRESS}
    if name:
        keys[f"name {name} at {visitor.address}"] = FREE
        keys[f"name {name}"] = FREE_NAME
    return keys


def _known_here(book: PeopleBook, name: str, visitor: Visitor) -> bool:
    return any(session.address == visitor.address for session in book.sessions(name))


def _use_code(book: PeopleBook, person: Person, code: str, wall: datetime) -> bool:
    """Whether the one-time code fits; it counts once."""
    if person.totp is None:
        return False
    fits: list[bool] = []

    def used(known: Person | None) -> Person:
        if known is None or known.totp is None:
            raise NotKnown("the person is gone", do="Ask an administrator.")
        step = matching_step(known.totp, code, wall, known.step)
        fits.append(step is not None)
        return known if step is None else msgspec.structs.replace(known, step=step)

    book.change(person.name, used)
    return fits[0]


def _begin(
    gateway: Gateway, book: PeopleBook, person: Person, visitor: Visitor, how: How, now: datetime
) -> tuple[str, Session]:
    key = secrets.token_urlsafe(TOKEN_BYTES)
    session = Session(
        digest=digest(key),
        person=person.name,
        csrf=secrets.token_urlsafe(TOKEN_BYTES),
        made=now,
        seen=now,
        address=visitor.address,
        agent=visitor.agent_digest,
        how=how,
    )
    book.put_session(session)
    _forget(book, (f"name {person.name} at {visitor.address}",))
    note(gateway, f"signed in by {how}", person.name, now, visitor.address)
    return key, session


def _failed(
    gateway: Gateway, book: PeopleBook, keys: Mapping[str, int], who: str, visitor: Visitor, now: datetime
) -> NotKnown:
    """Count the failure; the error to raise. The journal holds the first that made somebody wait, not each guess."""
    for key, free in keys.items():
        if key == f"name {who}" and _known_here(book, who, visitor):
            continue
        known = book.failures(key)
        count = 1 if known is None or now > known.last + FORGOTTEN else known.count + 1
        book.put_failures(key, Failures(count=count, last=now))
        if count == free:
            note(gateway, f"sign-in fails again and again: {key}"[:120], "nobody", now, visitor.address)
    return NotKnown(
        "name, password and one-time code do not fit together, or the code counts no more",
        do="Try again; a new one-time code comes every 30 seconds. An administrator can make a sign-in code.",
    )


def _forget(book: PeopleBook, keys: Collection[str]) -> None:
    for key in keys:
        book.put_failures(key, None)
