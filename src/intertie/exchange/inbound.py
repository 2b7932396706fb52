"""An incoming message: what a receipt says of it, by what we hold under its id. One table, total. DESIGN section 6, step 9."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from intertie.model.errors import Code


class Standing(StrEnum):
    """What we hold under a sender's message id."""

    UNSEEN = "unseen"
    KEPT = "kept"


class Arrival(StrEnum):
    """What arrives under that id."""

    SOUND = "sound"  # passes every rule, the id is new
    SAME = "same"  # the bytes we hold
    OTHER = "other"  # other bytes than we hold
    FAULTY = "faulty"  # breaks a rule; the refusal says which


class Verdict(NamedTuple):
    """The standing after, and what the receipt says. `code` is None where the broken rule names it."""

    standing: Standing
    status: str
    code: Code | None = None


# A refused message leaves its id free: the sender mends what was wrong and may send the same message again.
TABLE: dict[tuple[Standing, Arrival], Verdict] = {
    (Standing.UNSEEN, Arrival.SOUND): Verdict(Standing.KEPT, "accepted"),
    (Standing.UNSEEN, Arrival.FAULTY): Verdict(Standing.UNSEEN, "refused"),
    (Standing.KEPT, Arrival.SAME): Verdict(Standing.KEPT, "duplicate"),
    (Standing.KEPT, Arrival.OTHER): Verdict(Standing.KEPT, "refused", Code.MESSAGE_ID_REUSED),
    (Standing.KEPT, Arrival.FAULTY): Verdict(Standing.KEPT, "refused"),
}


def judge(held: bytes | None, leaf: bytes) -> Verdict:
    """The verdict on a message that broke no rule: `held` is the leaf hash we hold under its id, None if unseen."""
    if held is None:
        return TABLE[Standing.UNSEEN, Arrival.SOUND]
    return TABLE[Standing.KEPT, Arrival.SAME if held == leaf else Arrival.OTHER]
