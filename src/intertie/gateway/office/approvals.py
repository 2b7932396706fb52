"""Acts that two people do: one asks, another approves, and only then anything happens. Which, the settings say."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Protocol

from msgspec import Meta

from intertie.gateway.office.people import PersonName
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.interval import Instant
from intertie.model.record import Record

# Over a long weekend; what was asked for before that is asked for again.
WAIT = timedelta(days=4)
# Nobody looks through more, and each is a form of up to half a megabyte.
OPEN_MAX = 200


class TwoPeople(StrEnum):
    """Kinds of acts that may need two people."""

    PAYMENT = "payment"
    OVERRIDE = "override"  # a dispatch beyond what was sold, in an emergency
    PARTNER = "partner"
    PERSON = "person"
    KEY = "key"


class Approval(Record, frozen=True, kw_only=True):
    """An act that waits: which, with what, and who asked."""

    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}(?!\n)$")]
    kind: TwoPeople
    act: str
    path: str
    at: Mapping[str, str]
    fields: tuple[tuple[str, str], ...]
    person: PersonName
    asked: Instant


class ApprovalBook(Protocol):
    """Where they wait."""

    def put_approval(self, approval: Approval) -> None:
        """Keep it."""

    def approvals(self) -> Sequence[Approval]:
        """All that wait, oldest first."""

    def take_approval(self, id: str) -> Approval | None:
        """It waits no more: whoever gets it here does it, and nobody else."""


class NotAlone(IntertieError):
    """Nobody approves what they asked for."""


def ask(
    book: ApprovalBook,
    kind: TwoPeople,
    act: str,
    path: str,
    at: Mapping[str, str],
    fields: Sequence[tuple[str, str]],
    person: str,
    now: datetime,
) -> Approval:
    """Let it wait. SettingsError if too much does."""
    waiting = book.approvals()
    for old in waiting:
        if now > old.asked + WAIT:
            book.take_approval(old.id)
    if len(waiting) >= OPEN_MAX:
        raise SettingsError(
            f"{OPEN_MAX} acts wait for a second person already", do="Look through them first."
        )
    made = Approval(
        id=secrets.token_hex(8),
        kind=kind,
        act=act,
        path=path,
        at=dict(at),
        fields=tuple(fields),
        person=person,
        asked=now,
    )
    book.put_approval(made)
    return made


def open_approvals(book: ApprovalBook, now: datetime) -> list[Approval]:
    """Those that still count."""
    return [one for one in book.approvals() if now <= one.asked + WAIT]


def find_approval(book: ApprovalBook, id: str, now: datetime) -> Approval:
    """The one; SettingsError if it waits no more."""
    for one in open_approvals(book, now):
        if one.id == id:
            return one
    raise SettingsError(
        "it waits no more: somebody approved or dropped it, or it is too old", do="Ask again."
    )


def check_second(approval: Approval, person: str) -> None:
    """NotAlone for whoever asked."""
    if approval.person == person:
        raise NotAlone("you asked for this yourself", do="Another person approves it.")
