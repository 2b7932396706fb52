"""The life of one message, in the order in which it happened, from what the store and the journal know of it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from intertie.exchange.outbound import State
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import Mark, MessageRow, Search
from intertie.gateway.proving.erase import partner_of
from intertie.model.ids import MessageId

# Of a conversation so many messages are shown beside one; the list has the rest.
ANSWERS_MAX = 20


class Step(NamedTuple):
    """One thing that happened to it. `tone`: good, bad, open or plain."""

    what: str
    at: datetime | None
    detail: str
    tone: str


class Life(NamedTuple):
    """A message, what happened to it, and what was said with it."""

    row: MessageRow
    steps: list[Step]
    beside: list[MessageRow]  # of its conversation, newest first
    resends: MessageId | None
    resent_as: MessageId | None


def read_life(gateway: Gateway, row: MessageRow) -> Life:
    """All of it."""
    mark = gateway.store.marks([row.id]).get(row.id, Mark()) if row.outgoing else Mark()
    parcel = (
        gateway.store.parcel(row.parcel, outgoing=row.outgoing, partner=partner_of(row))
        if row.parcel
        else None
    )
    steps = [Step("written", row.created, f"by {row.sender}", "good")]
    if row.outgoing:
        steps.append(Step("queued here", row.at, f"for {row.recipient}", "good"))
    if parcel is not None:
        where = f"in parcel {row.parcel}, place {row.position}"
        steps.append(Step("signed and sealed" if row.outgoing else "received", parcel.at, where, "good"))
    elif not row.outgoing:
        steps.append(Step("received", row.at, f"from {row.sender}", "good"))
    if not row.outgoing:
        steps.append(
            Step("verified and accepted", row.at, "written to inbox and journal in one transaction", "good")
        )
        if parcel is not None and parcel.receipt is not None:
            steps.append(Step("receipt given", parcel.at, "signed by us; a repeat gets the same", "good"))
    if mark.escalated is not None:
        told = "mail sent" if mark.told is not None else "nobody told by mail"
        steps.append(Step("escalated", mark.escalated, f"no receipt in time; {told}", "bad"))
    steps += _end(row, mark)
    if row.erased is not None:
        steps.append(Step("content erased", row.erased.at, row.erased.why, "plain"))
    return Life(row, steps, _beside(gateway, row), mark.resends, mark.resent_as)


def _end(row: MessageRow, mark: Mark) -> list[Step]:
    if not row.outgoing:
        return []
    if row.state is State.ACCEPTED:
        return [Step("receipted", row.done_at, f"{row.recipient} signed for it", "good")]
    if row.state in (State.QUEUED, State.SENDING):
        tried = f"{row.attempts} attempts" if row.attempts else "not tried yet"
        waits = "waits for its receipt" if row.state is State.SENDING else "waits to be sent"
        detail = f"{tried}; {row.detail}" if row.detail else tried
        return [Step(waits, row.next_attempt, detail, "open")]
    ends = [
        Step(
            row.state.value,
            row.done_at,
            row.detail,
            "plain" if row.state in (State.CANCELLED, State.HANDED_OVER) else "bad",
        )
    ]
    if mark.resent_as is not None:
        ends.append(Step("sent again", None, f"as {mark.resent_as}", "good"))
    return ends


def _beside(gateway: Gateway, row: MessageRow) -> list[MessageRow]:
    if row.conversation is None:
        return []
    found = gateway.store.search(
        Search(conversation=row.conversation, partner=partner_of(row), limit=ANSWERS_MAX + 1)
    )
    return [one for one in found.rows if one.seq != row.seq][:ANSWERS_MAX]
