"""A parcel of others at a relay: its way on, and the way of what became of it back to who handed it over. Two tables, total.

A relay opens nothing, so it knows four ends only: the recipient's receipt, a refusal, the end of the parcel's time, and that the
next relay took it.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum


class Passage(StrEnum):
    """Where a parcel's way on is."""

    TAKEN = "taken"  # on disk here; goes to the next hop, again and again
    PASSED = "passed"  # the next relay took it and said so; what became of it comes from there
    RECEIPTED = "receipted"  # the recipient's receipt is here
    REFUSED = "refused"  # the recipient, or a relay on the way, will never take it
    EXPIRED = "expired"  # its time ended before anybody said what became of it


class Event(StrEnum):
    """What can happen to it."""

    NO_ANSWER = "no_answer"
    PASS = "pass"  # noqa: S105 - the next relay's hop receipt, and no secret
    RECEIPT = "receipt"
    REFUSE = "refuse"
    EXPIRE = "expire"


class Back(StrEnum):
    """Where the way back is: what became of the parcel is told to who handed it over."""

    NOTHING = "nothing"  # nothing is known that could be told
    OWED = "owed"
    GIVEN = "given"  # it has it, and signed that
    LOST = "lost"  # it did not take it for so long that nobody waits for it any more


class Telling(StrEnum):
    """What can happen to the way back."""

    LEARN = "learn"  # there is something (more) to tell
    CONFIRM = "confirm"
    GIVE_UP = "give_up"


# A receipt is stronger than what was made of its silence: it still counts after a refusal or the end.
_OPEN = {
    Event.PASS: Passage.PASSED,
    Event.RECEIPT: Passage.RECEIPTED,
    Event.REFUSE: Passage.REFUSED,
    Event.EXPIRE: Passage.EXPIRED,
}
TABLE: dict[tuple[Passage, Event], Passage] = {
    (Passage.TAKEN, Event.NO_ANSWER): Passage.TAKEN,
    **{(Passage.TAKEN, event): after for event, after in _OPEN.items()},
    (Passage.PASSED, Event.NO_ANSWER): Passage.PASSED,
    **{(Passage.PASSED, event): after for event, after in _OPEN.items()},
    **{(Passage.RECEIPTED, event): Passage.RECEIPTED for event in Event},
    **{(Passage.REFUSED, event): Passage.REFUSED for event in Event if event is not Event.RECEIPT},
    (Passage.REFUSED, Event.RECEIPT): Passage.RECEIPTED,
    **{(Passage.EXPIRED, event): Passage.EXPIRED for event in Event if event is not Event.RECEIPT},
    (Passage.EXPIRED, Event.RECEIPT): Passage.RECEIPTED,
}
BACK_TABLE: dict[tuple[Back, Telling], Back] = {
    **{(back, Telling.LEARN): Back.OWED for back in Back},
    (Back.OWED, Telling.CONFIRM): Back.GIVEN,
    (Back.OWED, Telling.GIVE_UP): Back.LOST,
    (Back.LOST, Telling.CONFIRM): Back.GIVEN,
    **{(back, Telling.CONFIRM): back for back in (Back.NOTHING, Back.GIVEN)},
    **{(back, Telling.GIVE_UP): back for back in (Back.NOTHING, Back.GIVEN, Back.LOST)},
}
# Ends of the way on: each is told to who handed the parcel over.
ENDS = frozenset({Passage.RECEIPTED, Passage.REFUSED, Passage.EXPIRED})
# What the next relay has may be receipted in its last moment, and the receipt is on its way back for a while.
LINGER = timedelta(minutes=10)
# Who has not come for its answer a week after the parcel's end has long found out in another way.
GIVE_UP_AFTER = timedelta(days=7)


def step(passage: Passage, event: Event) -> Passage:
    """The way on after the event; the table is total."""
    return TABLE[passage, event]


def step_back(back: Back, telling: Telling) -> Back:
    """The way back after it; the table is total."""
    return BACK_TABLE[back, telling]


def tells(before: Passage, after: Passage) -> bool:
    """Whether this step is something to tell who handed the parcel over: a new end."""
    return after is not before and after in ENDS
