"""The circuit breaker towards one partner: a table, total, and when to try again. A partner whose door does not answer is
asked by one parcel at a time, later each time, instead of by every message that waits.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from intertie.exchange.outbound import backoff

# One lost packet is no reason to stop; three failures one after the other are.
FAILURES_MAX = 3
# While it is open, the first probe after this, then doubled up to the ceiling: soon enough for the outage notice that waits,
# rare enough for a door that is just coming up.
FIRST_SECONDS = 2.0
CEILING_SECONDS = 15.0
# What a partner may ask for by Retry-After at most: longer than this no priority message can bear to wait unseen.
RETRY_AFTER_MAX = timedelta(seconds=600)


class Circuit(StrEnum):
    """Where the breaker is."""

    CLOSED = "closed"  # all goes
    OPEN = "open"  # nothing goes until `until`
    HALF_OPEN = "half_open"  # one parcel goes, to see


class Event(StrEnum):
    """What can happen to it."""

    SUCCESS = "success"  # the door answered, whatever it said of the parcel
    FAILURE = "failure"  # no answer, or one that says "not now" (5xx), and there were few before
    FAILURES = "failures"  # as many one after the other as are borne
    WAIT = "wait"  # the door asked to wait (Retry-After)
    TIME = "time"  # `until` has come


TABLE: dict[tuple[Circuit, Event], Circuit] = {
    (Circuit.CLOSED, Event.SUCCESS): Circuit.CLOSED,
    (Circuit.CLOSED, Event.FAILURE): Circuit.CLOSED,
    (Circuit.CLOSED, Event.FAILURES): Circuit.OPEN,
    (Circuit.CLOSED, Event.WAIT): Circuit.OPEN,
    (Circuit.CLOSED, Event.TIME): Circuit.CLOSED,
    # A parcel that was under way when it opened may still be answered.
    (Circuit.OPEN, Event.SUCCESS): Circuit.CLOSED,
    (Circuit.OPEN, Event.FAILURE): Circuit.OPEN,
    (Circuit.OPEN, Event.FAILURES): Circuit.OPEN,
    (Circuit.OPEN, Event.WAIT): Circuit.OPEN,
    (Circuit.OPEN, Event.TIME): Circuit.HALF_OPEN,
    (Circuit.HALF_OPEN, Event.SUCCESS): Circuit.CLOSED,
    (Circuit.HALF_OPEN, Event.FAILURE): Circuit.OPEN,
    (Circuit.HALF_OPEN, Event.FAILURES): Circuit.OPEN,
    (Circuit.HALF_OPEN, Event.WAIT): Circuit.OPEN,
    (Circuit.HALF_OPEN, Event.TIME): Circuit.HALF_OPEN,
}


class Breaker(NamedTuple):
    """The breaker of one partner; begins closed."""

    state: Circuit = Circuit.CLOSED
    failures: int = 0  # one after the other
    until: datetime | None = None  # while open


def success(breaker: Breaker) -> Breaker:
    """The door answered."""
    return Breaker(TABLE[breaker.state, Event.SUCCESS])


def failure(breaker: Breaker, now: datetime, jitter: float, retry_after: timedelta | None = None) -> Breaker:
    """It did not, or said when to come again. `jitter` in [0, 1)."""
    failures = breaker.failures + 1
    enough = failures >= FAILURES_MAX
    event = Event.WAIT if retry_after is not None else Event.FAILURES if enough else Event.FAILURE
    state = TABLE[breaker.state, event]
    if state is Circuit.CLOSED:
        return Breaker(state, failures)
    wait = backoff(max(failures - FAILURES_MAX, 0), jitter, first=FIRST_SECONDS, ceiling=CEILING_SECONDS)
    if retry_after is not None:
        wait = min(max(retry_after, timedelta()), RETRY_AFTER_MAX)
    until = now + wait
    # A second answer while it is open never shortens what was asked for.
    if breaker.state is Circuit.OPEN and breaker.until is not None:
        until = max(until, breaker.until)
    return Breaker(state, failures, until)


def look(breaker: Breaker, now: datetime) -> Breaker:
    """The breaker at this time: what is open becomes half open when its time has come. A clock that was put back does
    not keep it open for longer than anybody could have asked."""
    if breaker.state is not Circuit.OPEN or breaker.until is None:
        return breaker
    due = now >= breaker.until or breaker.until - now > RETRY_AFTER_MAX
    return breaker._replace(state=TABLE[breaker.state, Event.TIME]) if due else breaker


def may_send(breaker: Breaker) -> bool:
    """Whether a parcel may go now. Deliveries to one partner go one after the other, so half open is one parcel."""
    return breaker.state is not Circuit.OPEN
