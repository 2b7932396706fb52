"""An outgoing message and the parcel that carries it, from queued to delivered or given up: tables, and `step` over them.

Every (state, event) is in a table or is an error with a name: nothing is ignored in silence. DESIGN section 7.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from intertie.model.errors import IntertieError


class State(StrEnum):
    """Where an outgoing message is."""

    QUEUED = "queued"
    SENDING = "sending"  # sealed in a parcel; whether it arrived is not known yet
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"  # the partner had it already: delivered
    REFUSED = "refused"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"  # never left: no key or profile that the flow needs; or given up
    HANDED_OVER = (
        "handed_over"  # it left by a way on which nothing comes back: whether it arrived, nobody says
    )


class Event(StrEnum):
    """What can happen to an outgoing message."""

    SEAL = "seal"
    NO_ANSWER = "no_answer"
    ACCEPT = "accept"
    FIND_DUPLICATE = "find_duplicate"
    REFUSE = "refuse"
    EXPIRE = "expire"
    CANCEL = "cancel"
    FAIL = "fail"
    REQUEUE = "requeue"  # refused because of keys, size or a clock: it goes again in another parcel
    HAND_OVER = "hand_over"  # it is on a way without a way back: there is nothing to wait for
    RESEND = "resend"  # an operator sends its content again, as a new message


class ParcelState(StrEnum):
    """Where an outgoing parcel is."""

    WAITING = "waiting"  # for a receipt
    RECEIPTED = "receipted"
    ABANDONED = "abandoned"  # refused whole, or all its messages expired: not sent again


class ParcelEvent(StrEnum):
    """What can happen to an outgoing parcel."""

    NO_ANSWER = "no_answer"
    RECEIPT = "receipt"
    ABANDON = "abandon"


class ImpossibleEvent(IntertieError):
    """An event that cannot happen in this state: another process was faster, or this program is wrong."""

    def __init__(self, what: str, state: StrEnum, event: StrEnum) -> None:
        super().__init__(
            f"{what} is {state}: {event} is not possible", do="read its state again and decide anew"
        )
        self.state = state
        self.event = event


class ResentBefore(IntertieError):
    """A dead letter that was sent again already: once more would be a second message with the same content."""

    def __init__(self, message: str, again: str) -> None:
        super().__init__(
            f"message {message} was sent again as {again}", do=f"send {again} again, should it be dead too"
        )


# No attempt is put off for longer, whatever a partner or a setting says: a priority message could not bear more.
WAIT_MAX = timedelta(minutes=10)
STARTS = State.QUEUED
DELIVERED = frozenset({State.ACCEPTED, State.DUPLICATE})
FINAL = frozenset(set(State) - {State.QUEUED, State.SENDING})

# Nothing more is waited for, and nobody has to look: escalating or sending again would change nothing.
SETTLED = DELIVERED | {State.CANCELLED, State.HANDED_OVER}
# The answers of a receipt. They also reach a message that we gave up: two processes may have sent the same parcel,
# and what the partner signed is stronger than what we made of its silence.
_ANSWERS = {
    Event.ACCEPT: State.ACCEPTED,
    Event.FIND_DUPLICATE: State.DUPLICATE,
    Event.REFUSE: State.REFUSED,
}

TABLE: dict[tuple[State, Event], State] = {
    (State.QUEUED, Event.SEAL): State.SENDING,
    (State.QUEUED, Event.EXPIRE): State.EXPIRED,
    (State.QUEUED, Event.CANCEL): State.CANCELLED,
    (State.QUEUED, Event.FAIL): State.FAILED,
    (State.SENDING, Event.NO_ANSWER): State.SENDING,
    (State.SENDING, Event.EXPIRE): State.EXPIRED,
    (State.SENDING, Event.FAIL): State.FAILED,
    (State.SENDING, Event.REQUEUE): State.QUEUED,
    **{(State.SENDING, event): state for event, state in _ANSWERS.items()},
    (State.SENDING, Event.HAND_OVER): State.HANDED_OVER,
    # Somebody may bring a receipt all the same, by hand; its time does not end it, and it is no dead letter.
    **{(State.HANDED_OVER, event): state for event, state in _ANSWERS.items()},
    **{(State.EXPIRED, event): state for event, state in _ANSWERS.items()},
    **{(State.FAILED, event): state for event, state in _ANSWERS.items()},
    **{(State.REFUSED, event): state for event, state in _ANSWERS.items()},  # the parcel was refused whole
    # A dead letter stays what it is; the new message has a life of its own.
    (State.REFUSED, Event.RESEND): State.REFUSED,
    (State.EXPIRED, Event.RESEND): State.EXPIRED,
    (State.FAILED, Event.RESEND): State.FAILED,
}

PARCEL_TABLE: dict[tuple[ParcelState, ParcelEvent], ParcelState] = {
    (ParcelState.WAITING, ParcelEvent.NO_ANSWER): ParcelState.WAITING,
    (ParcelState.WAITING, ParcelEvent.RECEIPT): ParcelState.RECEIPTED,
    (ParcelState.WAITING, ParcelEvent.ABANDON): ParcelState.ABANDONED,
    # A late receipt is still a receipt; everything else that comes late changes nothing.
    (ParcelState.ABANDONED, ParcelEvent.RECEIPT): ParcelState.RECEIPTED,
    (ParcelState.ABANDONED, ParcelEvent.NO_ANSWER): ParcelState.ABANDONED,
    (ParcelState.ABANDONED, ParcelEvent.ABANDON): ParcelState.ABANDONED,
    (ParcelState.RECEIPTED, ParcelEvent.RECEIPT): ParcelState.RECEIPTED,
    (ParcelState.RECEIPTED, ParcelEvent.NO_ANSWER): ParcelState.RECEIPTED,
    (ParcelState.RECEIPTED, ParcelEvent.ABANDON): ParcelState.RECEIPTED,
}

# The event that ends in a state, for callers that know the outcome and not what led to it.
_EVENT_FOR: dict[State, Event] = {
    State.SENDING: Event.SEAL,
    State.ACCEPTED: Event.ACCEPT,
    State.DUPLICATE: Event.FIND_DUPLICATE,
    State.REFUSED: Event.REFUSE,
    State.EXPIRED: Event.EXPIRE,
    State.CANCELLED: Event.CANCEL,
    State.FAILED: Event.FAIL,
    State.QUEUED: Event.REQUEUE,
    State.HANDED_OVER: Event.HAND_OVER,
}


def step(state: State, event: Event, *, message: str = "") -> State:
    """The state after the event; ImpossibleEvent, naming the message, if the table has none."""
    after = TABLE.get((state, event))
    if after is None:
        raise ImpossibleEvent(f"message {message}".strip(), state, event)
    return after


def step_parcel(state: ParcelState, event: ParcelEvent) -> ParcelState:
    """The parcel's state after the event; the table is total."""
    return PARCEL_TABLE[state, event]


def event_for(outcome: State) -> Event:
    """The event that brings a message to this state."""
    return _EVENT_FOR[outcome]


def is_due(next_attempt: datetime | None, now: datetime) -> bool:
    """Whether the time for another attempt has come. One that lies further ahead than anybody waits was set by a clock that
    has been put back since."""
    return next_attempt is None or not now < next_attempt <= now + WAIT_MAX


def backoff(attempt: int, jitter: float, *, first: float = 1.0, ceiling: float = 300.0) -> timedelta:
    """How long to wait after attempt number `attempt` (from 0) came to nothing: `first` seconds, doubled per attempt up
    to `ceiling`, of which the upper half is spread by `jitter` in [0, 1) so that partners do not come back in step."""
    # 2.0 ** 1024 overflows; long before that the ceiling holds.
    whole = min(ceiling, first * 2.0 ** min(attempt, 60))
    return timedelta(seconds=whole * (1.0 + min(max(jitter, 0.0), 1.0)) / 2.0)
