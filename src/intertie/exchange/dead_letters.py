"""Messages that will not be delivered: which end each came to, and whether it may be sent again without harm."""

from __future__ import annotations

from enum import StrEnum

from intertie.exchange.outbound import State


class Death(StrEnum):
    """Why a message was given up."""

    REFUSED = "refused"  # by the partner, with a code: it was not accepted
    FAILED = "failed"  # here, before it left: no key, profile or scope that its flow needs
    EXPIRED = "expired"  # before it left
    EXHAUSTED = "exhausted"  # it was sent until it expired and never answered: the partner may have it


DEAD = (State.REFUSED, State.EXPIRED, State.FAILED)


def death_of(state: State, *, sealed: bool) -> Death | None:
    """The end that a message came to, None if it is on its way, delivered or taken back. `sealed`: it is in a parcel."""
    if state is State.EXPIRED:
        return Death.EXHAUSTED if sealed else Death.EXPIRED
    return {State.REFUSED: Death.REFUSED, State.FAILED: Death.FAILED}.get(state)


def may_have_arrived(state: State, *, sealed: bool) -> bool:
    """Whether the partner may hold it all the same: then the same content under a new id could take effect twice."""
    return death_of(state, sealed=sealed) is Death.EXHAUSTED
