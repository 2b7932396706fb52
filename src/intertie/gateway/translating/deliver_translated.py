"""One delivery to a partner that speaks a protocol of its own: the answers that we owe it, then the oldest message that waits.

A message was translated and signed when it was queued (send_message.py), so the same bytes go each time. That a post was taken is
no receipt: the partner's signed answer is, which comes later, over the door of the binding (`take_answer`). Until it is here
the message stays as it is, and the same bytes go again from time to time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from intertie.exchange.outbound import WAIT_MAX, ImpossibleEvent, State, backoff
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.ports import MessageRow, ParcelRow
from intertie.gateway.sending.answers import Clock, Delivery, Random, close_expired
from intertie.gateway.sending.moving import of_kind, unfinished
from intertie.gateway.trading.trade import shared_of
from intertie.gateway.translating.accept_translated import find_foreign, original_of
from intertie.gateway.translating.foreign import Foreign, check_legacy
from intertie.gateway.translating.translated_ports import OwedAnswer
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import Code, PartnerError, Refused
from intertie.model.ids import MessageId, PartyId, new_parcel_id

# An answer that nobody takes for so long is settled by telephone: a partner's own retries end sooner.
OWED_MAX = timedelta(days=3)
# How long an answer is waited for before the message goes again; longer each time, up to what a store takes for a wait at all.
ANSWER_WAIT = timedelta(minutes=2)
# How a receipt that proves nothing about our bytes is told of in a message's detail, at its end; so much of it, and of what
# stands before.
DOUBT = "[doubtful receipt: "
SAID_MAX = 140
# Statuses below 500 that say "not now": 404 comes from front ends whose back end is away (UFTP, transmission).
TEMPORARY = frozenset({404, 408, 419, 421, 425, 429})


class PostAnswer(NamedTuple):
    """What a door said to a post."""

    status: int
    retry_after: float | None = None
    said: str = ""  # in words; without it, the status of HTTP
    again: float | None = None  # not before so many seconds, where the protocol has a schedule of its own

    @property
    def words(self) -> str:
        """For people."""
        return self.said or f"HTTP {self.status}"

    @property
    def taken(self) -> bool:
        """Whether it has it."""
        return 200 <= self.status < 300

    @property
    def final(self) -> bool:
        """Whether it will never take it."""
        return 400 <= self.status < 500 and self.status not in TEMPORARY


# Posts signed bytes in the partner's protocol; PartnerError when there was no answer.
Post = Callable[[Foreign, bytes], Awaitable[PostAnswer]]


async def deliver_translated(
    gateway: Gateway, post: Post, party: PartyId, clock: Clock, random: Random
) -> Delivery | None:
    """Post what is owed, then one message; None if nothing is due. Raises nothing of the partner's doing."""
    partner = gateway.partners.find(party)
    if partner is None or partner.suspended or partner.foreign is None:
        return None
    for owed in gateway.store.owed_answers(party, clock()):
        failed = await _post_answer(gateway, post, partner.foreign, party, owed, clock, random)
        if failed is not None:
            return failed
    found = _next(gateway, partner, partner.foreign, clock())
    if found is None:
        return None
    return await _post_message(gateway, post, partner.foreign, *found, clock, random)


async def _post_answer(
    gateway: Gateway,
    post: Post,
    foreign: Foreign,
    party: PartyId,
    owed: OwedAnswer,
    clock: Clock,
    random: Random,
) -> Delivery | None:
    """None once it is there, or given up."""
    try:
        said = await post(foreign, owed.answer)
        detail = said.words
    except PartnerError as error:
        said, detail = PostAnswer(0), error.why
    over = clock() - owed.since > OWED_MAX
    if said.taken or said.final or over:
        gateway.store.settle_answer(party, owed.parcel, owed.since)
        return None if said.taken else Delivery(owed.parcel, party, 0, False, f"answer given up: {detail}")
    wait = _wait(gateway, owed.attempts, random, said)
    gateway.store.defer_answer(party, owed.parcel, clock() + wait)
    return Delivery(owed.parcel, party, 0, False, f"answer not taken: {detail}")


def _next(
    gateway: Gateway, partner: Partner, foreign: Foreign, now: datetime
) -> tuple[ParcelRow, MessageRow] | None:
    """The oldest message without an answer that is due again, else the next that waits, as a parcel of its own."""
    parcel = unfinished(gateway, partner.party, now, translated=True)
    if parcel is not None:
        return parcel, gateway.store.parcel_messages(parcel.id, outgoing=True)[0]
    limits = gateway.limits
    count = 1 if partner.translated else limits.messages_per_parcel
    rows = gateway.store.take_outgoing(partner.party, now, count=count, size=limits.parcel_bytes)
    if not partner.translated:  # it has a gateway now: only what was queued before goes here
        rows = of_kind(rows, translated=True)
    if not rows:
        return None
    row = rows[0]
    try:
        check_legacy(partner.party, foreign, now.date(), row.id)
        signed = original_of(row.body)
        if signed is None:  # queued for the gateway that the partner had then
            detail = f"{partner.party} has no gateway any more; send the content again"
            raise Refused(Code.PROTECTION_TOO_WEAK, detail, message=row.id, partner=partner.party)
    except Refused as refused:
        entry = Entry(
            kind=Kind.ACT,
            at=now,
            partner=partner.party,
            message=row.id,
            digest=row.leaf.hex(),
            note=State.FAILED.value,
        )
        gateway.store.set_state(row.id, State.FAILED, str(refused)[:300], [entry], now)
        return None
    parcel = ParcelRow(
        id=new_parcel_id(now),
        outgoing=True,
        partner=partner.party,
        digest=hashlib.sha256(signed).digest(),
        blob=None,  # the message holds the bytes
        manifest=foreign.binding.encode(),
        leaves=row.leaf,
        receipt=None,
        at=now,
    )
    try:
        gateway.store.add_parcel(parcel, [row.id], now)
    except ImpossibleEvent:  # cancelled a moment ago
        return None
    return parcel, row


async def _post_message(
    gateway: Gateway,
    post: Post,
    foreign: Foreign,
    parcel: ParcelRow,
    row: MessageRow,
    clock: Clock,
    random: Random,
) -> Delivery:
    party = parcel.partner
    try:
        said = await post(foreign, original_of(row.body) or b"")
        detail = (said.said or "posted, not answered yet") if said.taken else said.words
    except PartnerError as error:
        said, detail = PostAnswer(0), error.why
    now = clock()
    if close_expired(gateway, parcel, with_doubt(row.detail, detail), now):
        return Delivery(parcel.id, party, 1, False, f"expired without an answer; last: {detail}")
    if said.final:
        entry = Entry(
            kind=Kind.REFUSAL,
            at=now,
            partner=party,
            parcel=parcel.id,
            digest=parcel.digest.hex(),
            note=said.said[:100] or f"http {said.status}",
        )
        gateway.store.close_parcel(parcel.id, None, [(row.id, State.REFUSED, detail)], [entry], now)
        return Delivery(parcel.id, party, 1, False, detail)
    detail = with_doubt(row.detail, detail)
    answer = min(ANSWER_WAIT * 2 ** min(row.attempts, 10), WAIT_MAX)
    wait = answer if said.taken else _wait(gateway, row.attempts, random, said)
    gateway.store.retry_parcel(parcel.id, now + wait, detail[:300])
    return Delivery(parcel.id, party, 1, said.taken, detail)


def _wait(gateway: Gateway, attempts: int, random: Random, said: PostAnswer) -> timedelta:
    if said.again is not None:
        return min(
            timedelta(seconds=said.again), WAIT_MAX
        )  # no store waits longer: who said it says it again
    limits = gateway.limits
    wait = backoff(attempts, random(), first=limits.retry_first_seconds, ceiling=limits.retry_ceiling_seconds)
    return max(wait, timedelta(seconds=min(said.retry_after or 0.0, limits.retry_ceiling_seconds)))


def with_doubt(before: str, detail: str) -> str:
    """What is said of a message that is still tried, with the doubtful receipt that was said of it before."""
    at = before.find(DOUBT)
    return f"{detail[:SAID_MAX]} {before[at:]}".strip() if at >= 0 else detail


class Reply(NamedTuple):
    """A partner's verified answer to a message of ours, in its protocol."""

    partner: PartyId
    message: MessageId  # that it answers
    accepted: bool
    detail: str  # why not; or what it says besides
    signed: bytes
    created: datetime


def take_reply(gateway: Gateway, reply: Reply, now: datetime) -> None:
    """The answer is the receipt: the message is delivered, or refused. The same again changes nothing.

    Raises Refused(UNKNOWN_SENDER | BAD_MESSAGE) if there is nothing that it could answer.
    """
    partner, _ = find_foreign(gateway, reply.partner)
    row = gateway.store.message(reply.message, outgoing=True, partner=partner.party)
    if row is None or row.parcel is None:
        raise Refused(Code.BAD_MESSAGE, f"nothing was sent as {reply.message}", partner=partner.party)
    entry = Entry(
        kind=Kind.RECEIPT_IN,
        at=now,
        partner=partner.party,
        parcel=row.parcel,
        digest=hashlib.sha256(reply.signed).hexdigest(),
    )
    state = State.ACCEPTED if reply.accepted else State.REFUSED
    # Its clock says when it had the message: after we wrote it, and not later than now.
    received = max(row.created, min(reply.created, now))
    gateway.store.close_parcel(
        row.parcel,
        reply.signed,
        [(row.id, state, reply.detail[:300])],
        [entry],
        now,
        shared=shared_of(partner, [row], received),
    )
