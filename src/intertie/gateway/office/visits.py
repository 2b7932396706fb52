"""Who is behind a request: the session of a cookie, still valid, in the same browser, of a person who may come in."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec

from intertie.gateway.office.people import SEEN_EVERY, PeopleBook, Person, Session, Visitor, digest


class Present(NamedTuple):
    """A person who is signed in."""

    person: Person
    session: Session


def present(
    book: PeopleBook, key: str, visitor: Visitor, now: datetime, *, seen: bool = True
) -> Present | None:
    """Who it is; None for no session, an ended one, another browser's, or one of a person who may come in no more.

    `seen`: a sign of the person. What a page asks by itself is none, or a session would never end at an empty desk.
    """
    if not 20 <= len(key) <= 100:
        return None
    session = book.session(digest(key))
    if session is None or session.agent != visitor.agent_digest:
        return None
    person = book.person(session.person)
    if not session.valid(now) or person is None or person.disabled is not None:
        book.end_session(session.digest)
        return None
    if seen and now > session.seen + SEEN_EVERY:
        session = msgspec.structs.replace(session, seen=now)
        book.put_session(session)
    return Present(person, session)


def say_next(book: PeopleBook, session: Session, said: str) -> None:
    """What the next page says first."""
    now_kept = book.session(session.digest)
    if now_kept is not None:
        book.put_session(msgspec.structs.replace(now_kept, said=said[:500]))


def heard(book: PeopleBook, session: Session) -> str:
    """What was to be said, once."""
    if session.said:
        book.put_session(msgspec.structs.replace(session, said=""))
    return session.said
