"""One delivery to one partner: seal what waits, send it, and believe only a receipt that verifies.

No answer, or an answer that is no receipt, means the outcome is unknown: the same bytes go again, later, until the
last message in them expires. The partner answers a repeat with the receipt it wrote the first time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from intertie.catalogue.flow import Channel
from intertie.exchange.outbound import WAIT_MAX, ImpossibleEvent, State, backoff
from intertie.gateway.attaching.attachments import ready_to_go
from intertie.gateway.gateway import Gateway, Link, LinkAnswer, Partner
from intertie.gateway.partners.descriptors import fetch_descriptor
from intertie.gateway.ports import MessageRow, ParcelRow
from intertie.gateway.receiving.scopes import covered, scope_of
from intertie.gateway.relaying.consign import (
    check_relayed,
    check_way_back,
    consign,
    relay_of,
    take_hop_receipt,
)
from intertie.gateway.sending.flow_control import URGENT_COUNT, stop_up, unstopped
from intertie.gateway.sending.lanes import UnderWay
from intertie.gateway.sending.moving import of_kind, unfinished
from intertie.gateway.sending.outcomes import outcomes_of
from intertie.gateway.sending.own_keys import keys_towards, own_chains
from intertie.gateway.sending.reseal import Remedy, find_remedy, remedy_here, shrink
from intertie.gateway.trading.trade import shared_of
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import RULES, Code, PartnerError, Refused
from intertie.model.ids import MessageId, ParcelId, PartyId, new_parcel_id
from intertie.model.message import read_envelope
from intertie.seal.jws import read_jws
from intertie.seal.parcel import MANIFEST_BYTES_MAX, MANIFEST_TYP, read_frame, seal_parcel
from intertie.seal.profile import Profile, profile_of_algorithms, profile_of_suite
from intertie.seal.protect import needed_connection, protect
from intertie.seal.receipt import Receipt, Sent, check_receipt_of, verify_receipt

Clock = Callable[[], datetime]
Random = Callable[[], float]


# What a way says that brings files: it lies where the partner gets it (gateway/translating/file_link.py).
PUT_OUT = 202


class Delivery(NamedTuple):
    """What became of one parcel. `receipted` is False when the outcome is unknown or the partner refused it whole.

    `detail` is in our own words, so that it may be logged: what a partner wrote stands with the message only.
    """

    parcel: ParcelId | None  # None: not sealed, because the partner could not be asked what it grants
    partner: PartyId
    messages: int
    receipted: bool
    detail: str


class Problem(msgspec.Struct, frozen=True):
    """The part of a problem+json answer (RFC 9457) that we act on."""

    code: str = ""
    detail: str = ""
    retry: bool = True


async def deliver_once(
    gateway: Gateway,
    link: Link,
    party: PartyId,
    clock: Clock,
    random: Random,
    *,
    under_way: UnderWay | None = None,
    urgent: bool = False,
) -> Delivery | None:
    """Send one parcel to a partner; None if nothing is due.

    `under_way` is shared by those that deliver to this partner at the same time: none sends what another is sending.
    With `urgent` only what does not bear waiting (exchange/shedding.py) goes, and nothing is sent again.
    Raises nothing of the partner's doing: an unreachable partner, a refusal and a false receipt are outcomes.
    """
    under_way = UnderWay() if under_way is None else under_way
    partner = gateway.partners.find(party)
    if partner is None or partner.suspended or partner.fetches or partner.translated:
        return None
    if partner.one_way and not partner.by_file:  # somebody carries its parcels
        return None
    parcel = None if urgent else unfinished(gateway, party, clock(), translated=False, without=under_way)
    if parcel is None:
        rows = _take(gateway, partner, clock(), urgent=urgent)
        try:
            granted = await link.granted(partner) if rows and partner.via is None else None
        except PartnerError as error:
            return _defer(gateway, partner, rows, str(error), clock(), random)
        with gateway.observer.span("seal"):
            sealed = _seal(gateway, partner, _covered(gateway, rows, granted, clock()), clock())
        if sealed is None:
            return None
        parcel, rows, channel = sealed
    else:
        rows = gateway.store.parcel_messages(parcel.id, outgoing=True)
        channel = _channel_of(gateway, partner, rows, clock())
    under_way.begin(parcel.id, len(rows))
    send = _send if partner.via is None else _send_by_relay
    try:
        return await send(gateway, link, partner, parcel, rows, channel, clock, random)
    finally:
        under_way.ended(parcel.id)


async def _send(
    gateway: Gateway,
    link: Link,
    partner: Partner,
    parcel: ParcelRow,
    rows: list[MessageRow],
    channel: Channel,
    clock: Clock,
    random: Random,
) -> Delivery:
    """One attempt: the sealed bytes go, and what comes back is judged."""
    urgency = min((row.priority for row in rows), default=None)
    try:
        with gateway.observer.span("post"):
            answer = await link.post(
                partner, parcel.blob or b"", hybrid=channel is Channel.HYBRID, urgency=urgency
            )
    except PartnerError as error:
        return _unknown(gateway, parcel, rows, str(error), clock(), random, None)
    if answer.status == PUT_OUT:
        return _put_out(gateway, parcel, rows, "put out as a file; no receipt yet", clock())
    if answer.status == 200:
        with gateway.observer.span("receipt"):
            return await _take_receipt(gateway, link, partner, parcel, rows, answer, clock, random)
    problem = read_problem(answer.body)
    remedy = Remedy.WAIT
    if 400 <= answer.status < 500 and problem.code in RULES:
        remedy = await find_remedy(gateway, link, parcel, problem.code, clock())
    return _judge(gateway, partner, parcel, rows, answer, problem, remedy, clock(), random)


async def _send_by_relay(
    gateway: Gateway,
    link: Link,
    partner: Partner,
    parcel: ParcelRow,
    rows: list[MessageRow],
    channel: Channel,
    clock: Clock,
    random: Random,
) -> Delivery:
    """One attempt by the relay that stands between: its hop receipt closes nothing. The same bytes go again, rarely, until what
    became of them comes back (take_return.py): a relay that lost its disk gets them so, and any other changes nothing."""
    urgency = min((row.priority for row in rows), default=None)
    try:
        relay = relay_of(gateway, partner)
        blob = consign(gateway, partner, parcel, rows, clock())
        answer = await link.post(relay, blob, hybrid=channel is Channel.HYBRID, urgency=urgency)
        if answer.status == 200:
            hop = take_hop_receipt(gateway, relay, parcel, answer.body, clock())
    except (PartnerError, Refused) as error:
        return _unknown(gateway, parcel, rows, str(error), clock(), random, None)
    now = clock()
    if answer.status == PUT_OUT:
        return _put_out(gateway, parcel, rows, f"put out as a file for {relay.party}; no answer yet", now)
    if answer.status != 200:
        problem = read_problem(answer.body)
        known = 400 <= answer.status < 500 and problem.code in RULES
        remedy = remedy_here(gateway, parcel, problem.code, now) if known else Remedy.WAIT
        return _judge(gateway, partner, parcel, rows, answer, problem, remedy, now, random)
    said = f"taken for forwarding by {relay.party} at {hop.at.isoformat(timespec='seconds')}"
    return _put_out(gateway, parcel, rows, said, now)


def _put_out(
    gateway: Gateway, parcel: ParcelRow, rows: Sequence[MessageRow], said: str, now: datetime
) -> Delivery:
    """It is where the other side gets it, and what becomes of it comes by itself: the same bytes again, rarely, until the end."""
    if hand_over(gateway, parcel, rows, said, now):
        return Delivery(parcel.id, parcel.partner, len(rows), True, said)
    if close_expired(gateway, parcel, said, now):
        why = f"expired without a receipt; last: {said}"
        return Delivery(parcel.id, parcel.partner, len(rows), False, why)
    gateway.store.retry_parcel(parcel.id, now + WAIT_MAX, said)
    return Delivery(parcel.id, parcel.partner, len(rows), True, said)


def next_parcel(
    gateway: Gateway,
    partner: Partner,
    granted: frozenset[str] | None,
    now: datetime,
    *,
    due: datetime,
    most: int,
) -> tuple[ParcelRow, list[MessageRow], Channel] | None:
    """For a partner that comes for its parcels: the oldest one without a receipt that is due at `due`, the same bytes; else
    what waits, sealed now, unless it has not receipted `most` already. With its messages, and the connection they need.
    None if there is nothing."""
    parcel = unfinished(gateway, partner.party, due, translated=False)
    if parcel is not None:
        rows = gateway.store.parcel_messages(parcel.id, outgoing=True)
        return parcel, rows, _channel_of(gateway, partner, rows, now)
    if gateway.store.waiting_parcels().get(partner.party, 0) >= most:
        return None
    rows = _take(gateway, partner, now)
    with gateway.observer.span("seal"):
        return _seal(gateway, partner, _covered(gateway, rows, granted, now), now)


def judge_answer(
    gateway: Gateway, partner: Partner, parcel: ParcelRow, answer: LinkAnswer, now: datetime, random: Random
) -> Delivery:
    """What a partner said of a parcel that it came for: as the answer to a post. It cannot be asked for a newer descriptor;
    it tells that by itself, and the same bytes until then."""
    rows = gateway.store.parcel_messages(parcel.id, outgoing=True)
    if answer.status == 200:
        try:
            with gateway.observer.span("receipt"):
                receipt = read_receipt_of(gateway, partner, parcel, answer.body, now)
        except Refused as error:
            return unconfirmed(gateway, parcel, f"the answer is no receipt: {error}", now, random)
        return close_by_receipt(gateway, partner, parcel, rows, receipt, answer, now, random)
    problem = read_problem(answer.body)
    known = 400 <= answer.status < 500 and problem.code in RULES
    remedy = remedy_here(gateway, parcel, problem.code, now) if known else Remedy.WAIT
    return _judge(gateway, partner, parcel, rows, answer, problem, remedy, now, random)


def unconfirmed(gateway: Gateway, parcel: ParcelRow, detail: str, now: datetime, random: Random) -> Delivery:
    """Nothing that counts came: the same bytes again, later, unless all in them has expired."""
    rows = gateway.store.parcel_messages(parcel.id, outgoing=True)
    return _unknown(gateway, parcel, rows, detail, now, random, None)


def _channel_of(gateway: Gateway, partner: Partner, rows: Sequence[MessageRow], now: datetime) -> Channel:
    """The connection that a parcel may leave over again."""
    bodies = (row.body for row in rows)
    return needed_connection(bodies, gateway.party.roles, partner.roles, gateway.policy_on(now))


def _take(gateway: Gateway, partner: Partner, now: datetime, *, urgent: bool = False) -> list[MessageRow]:
    """What is due, and whose files are with the partner; while its stop flag is up, or with `urgent`, only what does not
    bear waiting."""
    limits = gateway.limits
    count, size = limits.messages_per_parcel, limits.parcel_target_bytes
    stopped = stop_up(gateway, partner.party, ours=False, now=now) is not None
    if stopped or urgent:
        count = URGENT_COUNT
    taken = of_kind(gateway.store.take_outgoing(partner.party, now, count=count, size=size), translated=False)
    rows = shrink(taken, count, size)
    return ready_to_go(gateway, unstopped(rows) if stopped or urgent else rows, now)


def _covered(
    gateway: Gateway, rows: Sequence[MessageRow], granted: frozenset[str] | None, now: datetime
) -> list[MessageRow]:
    """The messages that the partner lets us send, and that may go by the way there is to it. Each other one fails by itself: in
    a parcel it would take all down."""
    kept = []
    for row in rows:
        try:
            _check_way(gateway, row, now)
        except Refused as refused:
            _finish(gateway, row, State.FAILED, str(refused), now)
            continue
        scope = scope_of(row.interface, row.document)
        if granted is None or covered(granted, scope):
            kept.append(row)
            continue
        detail = f"{Code.INSUFFICIENT_SCOPE}: {row.recipient} does not grant us {scope}; ask its operators"
        _finish(gateway, row, State.FAILED, detail, now)
    return kept


def _check_way(gateway: Gateway, row: MessageRow, now: datetime) -> None:
    """Refused(RELAY_NOT_ALLOWED) for a message that must not go by a relay, or needs a receipt, if the way (since
    it was queued) is by a relay, or has no way back: NO_WAY_BACK."""
    partner = gateway.partners.find(row.recipient)
    if partner is None or not (partner.via or partner.one_way):
        return
    header = read_envelope(row.body).header
    flow, _ = gateway.policy_on(now).flow_of(header, gateway.party.roles, partner.roles)
    check_relayed(flow, partner, row.id)
    check_way_back(flow, partner, row.id)


def _defer(
    gateway: Gateway, partner: Partner, rows: Sequence[MessageRow], detail: str, now: datetime, random: Random
) -> Delivery:
    """The partner could not be asked what it grants: nothing is sealed, and all of it waits."""
    wait = _wait(gateway, rows, random, None)
    gateway.store.defer([row.id for row in rows], now + wait, detail[:300])
    return Delivery(None, partner.party, len(rows), False, detail)


def _seal(
    gateway: Gateway, partner: Partner, rows: Sequence[MessageRow], now: datetime
) -> tuple[ParcelRow, list[MessageRow], Channel] | None:
    """Seal messages into a parcel, and keep it before a byte leaves; with its messages, and the connection they need."""
    if not rows:
        return None
    keys = keys_towards(gateway, partner.party, now)
    gateway.store.keep_chains(own_chains(keys))
    plan = protect(
        [row.body for row in rows],
        keys=keys,
        sender_roles=gateway.party.roles,
        recipient=partner.keys,
        recipient_roles=partner.roles,
        policy=gateway.policy_on(now),
    )
    for place, refused in plan.refused.items():  # the others go: one that cannot does not hold them up
        _finish(gateway, rows[place], State.FAILED, str(refused), now)
    rows = [rows[place] for place in plan.places]
    if plan.protected is None:
        return None
    try:
        seq = gateway.store.next_seq(partner.party)
        sealed = seal_parcel(plan.protected, parcel=new_parcel_id(now), seq=seq, created=now)
    except Refused as refused:  # too large: a message that no parcel can carry
        for row in rows:
            _finish(gateway, row, State.FAILED, str(refused), now)
        return None
    parcel = ParcelRow(
        id=sealed.header.parcel,
        outgoing=True,
        partner=partner.party,
        digest=hashlib.sha256(sealed.blob).digest(),
        blob=sealed.blob,
        manifest=sealed.manifest,
        leaves=b"".join(row.leaf for row in rows),
        receipt=None,
        at=now,
    )
    try:
        gateway.store.add_parcel(parcel, [row.id for row in rows], now)
    except ImpossibleEvent:  # another process took or cancelled one of them: look again next time
        return None
    return parcel, rows, plan.channel


async def _take_receipt(
    gateway: Gateway,
    link: Link,
    partner: Partner,
    parcel: ParcelRow,
    rows: list[MessageRow],
    answer: LinkAnswer,
    clock: Clock,
    random: Random,
) -> Delivery:
    """A receipt that verifies closes the parcel; for one under a certificate that we do not know yet, the partner's newer
    descriptor is fetched first. Anything else leaves the parcel open."""
    try:
        try:
            receipt = read_receipt_of(gateway, partner, parcel, answer.body, clock())
        except Refused as refused:
            if refused.code is not Code.UNKNOWN_CERTIFICATE:
                raise
            await fetch_descriptor(gateway, link, partner.party, clock())
            partner = gateway.partners.find(partner.party) or partner
            receipt = read_receipt_of(gateway, partner, parcel, answer.body, clock())
    except (Refused, PartnerError) as error:
        return _unknown(gateway, parcel, rows, f"the answer is no receipt: {error}", clock(), random, None)
    return close_by_receipt(gateway, partner, parcel, rows, receipt, answer, clock(), random)


def _judge(
    gateway: Gateway,
    partner: Partner,
    parcel: ParcelRow,
    rows: list[MessageRow],
    answer: LinkAnswer,
    problem: Problem,
    remedy: Remedy,
    now: datetime,
    random: Random,
) -> Delivery:
    """A lasting refusal closes the parcel; what other keys or smaller parcels can mend is sealed again; anything else leaves
    it open."""
    if remedy is Remedy.SMALLER:
        delivery = _refused_whole(gateway, partner, parcel, rows, problem, State.QUEUED, now)
        gateway.store.defer([row.id for row in rows], now, f"{Code.TOO_LARGE}: goes again in smaller parcels")
        return delivery
    if remedy is Remedy.AGAIN:
        return _refused_whole(gateway, partner, parcel, rows, problem, State.QUEUED, now)
    if remedy is Remedy.FINAL and not problem.retry:
        return _refused_whole(gateway, partner, parcel, rows, problem, State.REFUSED, now)
    detail = f"HTTP {answer.status} {problem.code} {problem.detail}".strip()[:300]
    delivery = _unknown(gateway, parcel, rows, detail, now, random, answer.retry_after)
    return delivery._replace(detail=f"HTTP {answer.status} {_known_code(problem)}".strip())


def read_receipt_of(
    gateway: Gateway, partner: Partner, parcel: ParcelRow, raw: bytes, now: datetime
) -> Receipt:
    """The partner's receipt for exactly this parcel, or Refused."""
    receipt = verify_receipt(
        raw, writer=partner.keys, trust=gateway.trust, now=now, least=profile_of(gateway, parcel)
    )
    leaves = [parcel.leaves[i : i + 32] for i in range(0, len(parcel.leaves), 32)]
    check_receipt_of(receipt, Sent(parcel.id, gateway.party.id, partner.party, leaves))
    return receipt


def profile_of(gateway: Gateway, parcel: ParcelRow) -> Profile:
    """By which it was sealed: its suite says it, and, where its bytes are gone, its signatures."""
    if parcel.blob is None:
        manifest = read_jws(parcel.manifest, MANIFEST_TYP, limit=MANIFEST_BYTES_MAX)
        return profile_of_algorithms(manifest.algorithms)
    header = read_frame(parcel.blob, limit=gateway.limits.parcel_bytes).header
    return profile_of_suite(header.suite, parcel.partner)


def close_by_receipt(
    gateway: Gateway,
    partner: Partner,
    parcel: ParcelRow,
    rows: list[MessageRow],
    receipt: Receipt,
    answer: LinkAnswer,
    now: datetime,
    random: Random,
) -> Delivery:
    """The receipt's outcomes; what is refused for now goes again, later."""
    moves = outcomes_of(rows, receipt.outcomes, now)
    entry = Entry(
        kind=Kind.RECEIPT_IN,
        at=now,
        partner=partner.party,
        parcel=parcel.id,
        digest=hashlib.sha256(answer.body).hexdigest(),
    )
    gateway.store.keep_chains(partner.keys.chains)
    head = Head(size=receipt.journal.size, root=bytes.fromhex(receipt.journal.root))

    def close(moves: Sequence[tuple[MessageId, State, str]]) -> None:
        gateway.store.close_parcel(
            parcel.id,
            answer.body,
            moves,
            [entry],
            now,
            transport=answer.transport,
            head=head,
            shared=shared_of(partner, rows, receipt.received),
        )

    try:
        close(moves)
    except ImpossibleEvent:  # given up meanwhile, by another process: then a refusal is a refusal
        moves = outcomes_of(rows, receipt.outcomes, now, again=False)
        close(moves)
    later = [
        (row, detail) for row, (_, state, detail) in zip(rows, moves, strict=True) if state is State.QUEUED
    ]
    if later:
        wait = _wait(gateway, [row for row, _ in later], random, None)
        gateway.store.defer([row.id for row, _ in later], now + wait, later[0][1][:300])
    gateway.observer.receipted(partner.party, rows, receipt.outcomes, now)
    return Delivery(parcel.id, partner.party, len(rows), True, "")


def _refused_whole(
    gateway: Gateway,
    partner: Partner,
    parcel: ParcelRow,
    rows: list[MessageRow],
    problem: Problem,
    after: State,
    now: datetime,
) -> Delivery:
    """The partner will never take these bytes. Its messages are refused, and an operator must look; or they are queued
    again, for a parcel under other keys."""
    detail = f"{problem.code}: {problem.detail}"[:300]
    entry = Entry(
        kind=Kind.REFUSAL,
        at=now,
        partner=partner.party,
        parcel=parcel.id,
        digest=parcel.digest.hex(),
        note=problem.code,
    )
    gateway.store.close_parcel(parcel.id, None, [(row.id, after, detail) for row in rows], [entry], now)
    return Delivery(parcel.id, partner.party, len(rows), False, _known_code(problem))


def _unknown(
    gateway: Gateway,
    parcel: ParcelRow,
    rows: list[MessageRow],
    detail: str,
    now: datetime,
    random: Random,
    retry_after: float | None,
) -> Delivery:
    """No receipt: send the same bytes again later, unless every message in them has expired."""
    if close_expired(gateway, parcel, detail, now):
        said = f"expired without a receipt; last: {detail}"[:300]
        return Delivery(parcel.id, parcel.partner, len(rows), False, said)
    gateway.store.retry_parcel(parcel.id, now + _wait(gateway, rows, random, retry_after), detail[:300])
    return Delivery(parcel.id, parcel.partner, len(rows), False, detail)


def hand_over(
    gateway: Gateway, parcel: ParcelRow, rows: Sequence[MessageRow], said: str, now: datetime
) -> bool:
    """Close a parcel that is on a way without a way back; False if this partner's has one. Its messages are neither delivered nor
    given up: what proves that they were sent is here, and nothing proves that they arrived."""
    partner = gateway.partners.find(parcel.partner)
    if partner is None or not partner.one_way:
        return False
    entry = Entry(
        kind=Kind.ACT,
        at=now,
        partner=parcel.partner,
        parcel=parcel.id,
        digest=parcel.digest.hex(),
        note="handed over",
    )
    detail = f"{said.partition(';')[0]}; nothing comes back from {parcel.partner}"[:300]
    outcomes = [(row.id, State.HANDED_OVER, detail) for row in rows]
    gateway.store.close_parcel(parcel.id, None, outcomes, [entry], now)
    return True


def close_expired(gateway: Gateway, parcel: ParcelRow, detail: str, now: datetime) -> list[MessageId]:
    """Give up a parcel whose messages have all expired; their ids, none if one of them lives."""
    rows = gateway.store.parcel_messages(parcel.id, outgoing=True)
    if not all(row.expires <= now for row in rows):
        return []
    said = f"expired without a receipt; last: {detail}"[:300]
    entry = Entry(
        kind=Kind.ACT,
        at=now,
        partner=parcel.partner,
        parcel=parcel.id,
        digest=parcel.digest.hex(),
        note="expired",
    )
    outcomes = [(row.id, State.EXPIRED, said) for row in rows]
    gateway.store.close_parcel(parcel.id, None, outcomes, [entry], now)
    return [row.id for row in rows]


def _wait(
    gateway: Gateway, rows: Sequence[MessageRow], random: Random, retry_after: float | None
) -> timedelta:
    """How long until the next attempt: longer each time, and not before the partner wants to hear of it."""
    limits = gateway.limits
    attempts = max((row.attempts for row in rows), default=0)
    wait = backoff(attempts, random(), first=limits.retry_first_seconds, ceiling=limits.retry_ceiling_seconds)
    if retry_after is not None:
        wait = max(wait, timedelta(seconds=min(retry_after, WAIT_MAX.total_seconds())))
    return min(wait, WAIT_MAX)


def _finish(gateway: Gateway, row: MessageRow, state: State, detail: str, now: datetime) -> None:
    entry = Entry(
        kind=Kind.ACT, at=now, partner=row.recipient, message=row.id, digest=row.leaf.hex(), note=state.value
    )
    gateway.store.set_state(row.id, state, detail[:300], [entry], now)


def cancel(gateway: Gateway, message: MessageId, now: datetime) -> bool:
    """Take a message back before it leaves; False if it is already on its way or done."""
    row = gateway.store.message(message, outgoing=True)
    if row is None or row.state is not State.QUEUED:
        return False
    try:
        _finish(gateway, row, State.CANCELLED, "cancelled before sending", now)
    except ImpossibleEvent:  # it left a moment ago
        return False
    return True


def _known_code(problem: Problem) -> str:
    """The code and our own sentence for it; nothing of a code that we do not know."""
    code = next((code for code in RULES if code == problem.code), None)
    return "" if code is None else f"{code}: {RULES[code].sentence}"


def read_problem(body: bytes) -> Problem:
    """What of it we act on; an empty one if it is none."""
    try:
        return msgspec.json.decode(body, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Problem()
