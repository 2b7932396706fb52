"""Urgent messages that nobody acknowledges: until when an answer is due, and what follows if none came. One table, total."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from intertie.catalogue.flow import Category, Flow
from intertie.exchange.outbound import SETTLED, State

# What people must hear of when it does not arrive in time (issue: outage notices and dispatches); all else can wait.
ESCALATING = frozenset({Category.SYSTEM_OUTAGE, Category.DISPATCH})


class Watch(StrEnum):
    """Where the watch over an urgent message is."""

    OPEN = "open"  # an answer is awaited
    CLOSED = "closed"  # delivered in time, or taken back
    ESCALATED = "escalated"  # journaled: no answer in time
    TOLD = "told"  # and somebody was written to


class Look(StrEnum):
    """What can happen to it."""

    SETTLE = "settle"  # its time is over, and all is well
    ESCALATE = "escalate"  # its time is over, and it was not delivered
    TELL = "tell"  # a mail was taken by its server


TABLE: dict[tuple[Watch, Look], Watch] = {
    (Watch.OPEN, Look.SETTLE): Watch.CLOSED,
    (Watch.OPEN, Look.ESCALATE): Watch.ESCALATED,
    (Watch.OPEN, Look.TELL): Watch.OPEN,
    (Watch.CLOSED, Look.SETTLE): Watch.CLOSED,
    (Watch.CLOSED, Look.ESCALATE): Watch.CLOSED,
    (Watch.CLOSED, Look.TELL): Watch.CLOSED,
    # Once is enough: another look, by whichever process, changes nothing.
    (Watch.ESCALATED, Look.SETTLE): Watch.ESCALATED,
    (Watch.ESCALATED, Look.ESCALATE): Watch.ESCALATED,
    (Watch.ESCALATED, Look.TELL): Watch.TOLD,
    (Watch.TOLD, Look.SETTLE): Watch.TOLD,
    (Watch.TOLD, Look.ESCALATE): Watch.TOLD,
    (Watch.TOLD, Look.TELL): Watch.TOLD,
}


def answer_by(flow: Flow, queued: datetime, expires: datetime) -> datetime | None:
    """Until when a message of this flow must have its receipt: the flow's latency, or its own end if that is sooner; None
    if nobody needs to hear of it."""
    if flow.category not in ESCALATING:
        return None
    return min(queued + timedelta(seconds=flow.latency_seconds), expires)


def look_at(state: State) -> Look:
    """What is due when the time for an answer is over and the message is in this state."""
    return Look.SETTLE if state in SETTLED else Look.ESCALATE
