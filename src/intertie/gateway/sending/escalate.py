"""Urgent messages that nobody acknowledged in time: journaled once, counted, and told to people by mail.

The journal has each of them at most once, whoever looks and however often. A mail is sent at least once: it is marked as
sent when its server has taken it, and a crash between the two sends it again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from intertie.exchange.outbound import State
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import MessageRow
from intertie.gateway.sending.resend import why_dead
from intertie.model.errors import Fault, IntertieError
from intertie.model.ids import MessageId, PartyId

# What escalated before that is no news: when mail is switched on, or comes back after a weekend, nobody is flooded.
NEWS = timedelta(days=1)


class Escalation(NamedTuple):
    """What may be told of a message: no content, nothing of a customer."""

    message: MessageId
    partner: PartyId
    flow: str  # "DA/dispatch_instruction/real_time"
    state: State
    why: str  # which dead letter it is; empty while it is on its way
    seconds: int  # since it was queued


class MailError(IntertieError):
    """A mail that its server did not take, or of which that is not known; it is tried again."""

    fault = Fault.UNKNOWN
    retry = True


class Mailer(Protocol):
    """Somebody who is told. May block."""

    def send(self, subject: str, text: str) -> None:
        """Hand over one mail; MailError if it was not taken."""


# Told of every escalation, once, by the process that found it: for metrics.
Count = Callable[[Escalation], None]


def count_nothing(escalation: Escalation) -> None:
    """No metrics."""


def escalate(gateway: Gateway, now: datetime, count: Count = count_nothing) -> list[Escalation]:
    """Escalate every urgent message whose time for an answer is over and that was not delivered; those of this call."""
    found = [describe(row, now) for row in gateway.store.escalate(now)]
    for escalation in found:
        count(escalation)
    return found


def tell_next(gateway: Gateway, mailer: Mailer, clock: Callable[[], datetime]) -> Escalation | None:
    """Send a mail for the oldest escalation of which nobody was told; None if there is none. MailError if it is not taken:
    it is tried again later."""
    now = clock()
    rows = gateway.store.untold(now - NEWS, 1)
    if not rows:
        return None
    escalation = describe(rows[0], now)
    mailer.send(*mail_of(escalation, gateway.party.id))
    gateway.store.set_told([escalation.message], clock())
    return escalation


def describe(row: MessageRow, now: datetime) -> Escalation:
    """What may be told of this message."""
    flow = f"{row.interface}/{row.document}/{row.mode}"
    age = int((now - row.at).total_seconds())
    return Escalation(row.id, row.recipient, flow, row.state, why_dead(row), max(age, 0))


def mail_of(escalation: Escalation, us: PartyId) -> tuple[str, str]:
    """Subject and text: ids, flow, partner and age, and what to do."""
    it = escalation
    dead = (
        f"It is given up: {it.why}."
        if it.why
        else "It is still on its way: the same bytes go again by themselves."
    )
    subject = f"[intertie] {it.flow} to {it.partner} is not acknowledged"
    lines = [
        f"{it.partner} has not acknowledged a message of {us} in the time that its flow allows.",
        "",
        f"message  {it.message}",
        f"flow     {it.flow}",
        f"partner  {it.partner}",
        f"state    {it.state.value}",
        f"queued   {it.seconds} seconds ago",
        "",
        f"{dead} Call {it.partner} if it cannot wait.",
        f"`intertie message show {it.message}` says more; `intertie message resend` sends a dead letter again.",
        "",
    ]
    return subject, "\n".join(lines)
