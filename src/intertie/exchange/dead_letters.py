"""Messages that will not be delivered: which end each came to, and whether it may be sent again without harm."""

from __future__ import annotations

from enum import StrEnum

from intertie.exchange.outbound import State
from intertie.model.errors import RULES, Code


class Death(StrEnum):
    """Why a message was given up."""

    REFUSED = "refused"  # by the partner, with a code: it was not accepted
    FAILED = "failed"  # here, before it left: no key, profile or scope that its flow needs
    EXPIRED = "expired"  # before it left
    EXHAUSTED = "exhausted"  # it was sent until it expired and never answered: the partner may have it


# From here on a partner refuses only what it does not have (docs/parcel.md, order of verification).
REPEAT_STEP = 5
DEAD = (State.REFUSED, State.EXPIRED, State.FAILED)


def death_of(state: State, *, sealed: bool) -> Death | None:
    """The end that a message came to, None if it is on its way, delivered or taken back. `sealed`: it is in a parcel."""
    if state is State.EXPIRED:
        return Death.EXHAUSTED if sealed else Death.EXPIRED
    return {State.REFUSED: Death.REFUSED, State.FAILED: Death.FAILED}.get(state)


def may_have_arrived(state: State, *, sealed: bool, receipted: bool, detail: str) -> bool:
    """Whether the partner may hold it all the same: then the same content under a new id could take effect twice.

    So it is when nobody ever answered; and when its parcel was refused whole before the partner looked whether it had it
    already (step 5 of the order of verification): an earlier attempt, whose answer was lost, may have been accepted, and how
    often a parcel was sent is not on disk before it is sent. `detail` begins with the code of a refusal.
    """
    death = death_of(state, sealed=sealed)
    if death is not Death.REFUSED or receipted:
        return death is Death.EXHAUSTED
    code = detail.partition(":")[0]
    return code not in RULES or RULES[Code(code)].step < REPEAT_STEP
