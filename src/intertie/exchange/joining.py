"""How two organisations become partners: one table, what may be agreed, and the conversation that proves it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, NamedTuple

from msgspec import Meta

from intertie.catalogue.flow import Flow
from intertie.exchange.outbound import ImpossibleEvent
from intertie.model.errors import Code, Fault, IntertieError, Refused
from intertie.model.ids import AgreementId, AgreementRef, ConversationId, PartyName
from intertie.model.record import Record

# Conversations and agreements of this form belong to onboarding and to nothing else.
RESERVED = "onboarding-"
# An interface ("DA"), or one document on it ("DA/invoice").
Cover = Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9]{1,7}(/[a-z][a-z0-9_]{1,63})?(?!\n)$")]
# As many as a catalogue has flows, several times over.
COVERS_MAX = 400


class State(StrEnum):
    """Where a joining is, on one of its two sides."""

    INVITED = "invited"  # a code is out; the joiner: the code was entered, nothing is settled
    JOINED = "joined"  # both have each other's descriptor and roots; people have to compare the words
    PROVING = "proving"  # the words were the same: the test conversation may run, and nothing else
    LIVE = "live"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Event(StrEnum):
    """What can happen to a joining."""

    JOIN = "join"  # a side that has the code proved it; again when its answer was lost
    CONFIRM = "confirm"  # an operator compared the words
    PASS = "pass"  # noqa: S105 - every agreed flow has its receipt, and an operator says go; not a secret
    CANCEL = "cancel"
    EXPIRE = "expire"


TABLE: dict[tuple[State, Event], State] = {
    (State.INVITED, Event.JOIN): State.JOINED,
    (State.INVITED, Event.CANCEL): State.CANCELLED,
    (State.INVITED, Event.EXPIRE): State.EXPIRED,
    (State.JOINED, Event.JOIN): State.JOINED,
    (State.JOINED, Event.CONFIRM): State.PROVING,
    (State.JOINED, Event.CANCEL): State.CANCELLED,
    (State.PROVING, Event.CONFIRM): State.PROVING,  # said again after a crash between its files
    (State.PROVING, Event.PASS): State.LIVE,
    (State.PROVING, Event.CANCEL): State.CANCELLED,
    (State.LIVE, Event.PASS): State.LIVE,
}
FINAL = frozenset({State.LIVE, State.CANCELLED, State.EXPIRED})


def step(state: State, event: Event, *, invitation: str = "") -> State:
    """The state after the event; ImpossibleEvent if the table has none."""
    after = TABLE.get((state, event))
    if after is None:
        raise ImpossibleEvent(f"joining {invitation}".strip(), state, event)
    return after


class Reason(StrEnum):
    """Why a joining stopped: what the other side is told, or what we found."""

    WRONG_CODE = "wrong_code"
    USED = "used"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    BUSY = "busy"
    MALFORMED = "malformed"
    CHANGED = "changed"
    BAD_DESCRIPTOR = "bad_descriptor"
    KNOWN_PARTY = "known_party"
    OTHER_PARTY = "other_party"
    OTHER_TERMS = "other_terms"


_ASK = "Ask for a new invitation"
# What happened, and what to do.
SENTENCES: dict[Reason, tuple[str, str]] = {
    Reason.WRONG_CODE: (
        "this door has no invitation for this code",
        f"Check the code; {_ASK.lower()} if it is right.",
    ),
    Reason.USED: ("somebody else joined with this code", f"Tell the inviter at once, then {_ASK.lower()}."),
    Reason.EXPIRED: ("the invitation has ended", f"{_ASK}."),
    Reason.CANCELLED: ("the invitation was taken back, or closed after too many wrong codes", f"{_ASK}."),
    Reason.BUSY: ("the door asks to wait", "Try again in a minute."),
    Reason.MALFORMED: ("what came is no message of joining", "Use the newest intertie on both sides."),
    Reason.CHANGED: (
        "whoever answers does not have the code, or something was changed on the way",
        "Nothing of it was believed. Find out who is between you and the inviter.",
    ),
    Reason.BAD_DESCRIPTOR: (
        "the descriptor does not verify under the roots that came with it",
        "`intertie doctor` on its side says why.",
    ),
    Reason.KNOWN_PARTY: (
        "this party is known here already",
        "`intertie partner cancel` removes one that is not live.",
    ),
    Reason.OTHER_PARTY: ("the invitation is for another party", f"{_ASK} for this one."),
    Reason.OTHER_TERMS: ("the terms are not those that were offered", "Agree on them, then invite again."),
}


class JoinRefused(IntertieError):
    """A joining that stopped; nothing of the other side was believed."""

    fault = Fault.THEIRS

    def __init__(self, reason: Reason, detail: str = "") -> None:
        sentence, do = SENTENCES[reason]
        super().__init__(f"{sentence}{f' ({detail})' if detail else ''}", do=do)
        self.reason = reason
        self.detail = detail
        self.retry = reason is Reason.BUSY


class Terms(Record, frozen=True, kw_only=True):
    """What the inviter proposes. `covers`: what of the catalogue is agreed; empty: every flow that the roles allow."""

    agreement: AgreementRef | None = None
    start: datetime | None = None
    until: datetime | None = None
    covers: Annotated[tuple[Cover, ...], Meta(max_length=COVERS_MAX)] = ()
    # The only party that may join; None: whoever has the code.
    party: PartyName | None = None

    def check(self) -> None:
        """An agreement has a beginning, and its name is not one of onboarding's."""
        if (self.agreement is None) != (self.start is None):
            raise ValueError("start: belongs to an agreement, and an agreement needs one")
        if self.until is not None and (self.start is None or self.until <= self.start):
            raise ValueError("until: not after start")
        if self.agreement is not None and self.agreement.startswith(RESERVED):
            raise ValueError(f"agreement: names that begin with {RESERVED} belong to test conversations")


def covered(flow: Flow, covers: Sequence[str]) -> bool:
    """Whether a flow is among what was agreed."""
    return not covers or flow.interface in covers or f"{flow.interface}/{flow.document}" in covers


def within(accepted: Sequence[str], offered: Sequence[str]) -> bool:
    """Whether what is accepted is a part of what was offered."""
    if not offered:
        return True
    return bool(accepted) and all(one in offered or one.partition("/")[0] in offered for one in accepted)


class Trial(NamedTuple):
    """The test conversation of a partner that is not live: its name, and what it has to prove."""

    conversation: ConversationId
    covers: tuple[str, ...] = ()

    @property
    def agreement(self) -> AgreementId:
        """The agreement that test messages name. It is in force in the test and nowhere else, so that no act that looks
        for business under an agreement can take a test message for it."""
        return AgreementId(self.conversation)


def trial_of(invitation: str, covers: Sequence[str] = ()) -> Trial:
    """The test conversation that belongs to an invitation."""
    return Trial(ConversationId(f"{RESERVED}{invitation}"), tuple(covers))


def is_test(conversation: ConversationId | None) -> bool:
    """Whether a message of this conversation is a test, whose document has no effect."""
    return conversation is not None and conversation.startswith(RESERVED)


def check_live(
    trial: Trial | None, conversation: ConversationId | None, agreement: AgreementId | None
) -> None:
    """Before a partner is live only its test conversation is taken, afterwards never again. Refused(NOT_LIVE)."""
    if trial is None:
        if is_test(conversation) or (agreement is not None and agreement.startswith(RESERVED)):
            raise Refused(Code.NOT_LIVE, "the partner is live: its test conversation is over")
    elif conversation != trial.conversation or agreement != trial.agreement:
        raise Refused(Code.NOT_LIVE)
