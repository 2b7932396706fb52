"""What came of a parcel: a receipt that verifies closes it, a lasting refusal too; anything else leaves it open, and the same
bytes go again until the last message in them expires."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from intertie.exchange.outbound import WAIT_MAX, ImpossibleEvent, State, backoff
from intertie.gateway.gateway import Gateway, Link, LinkAnswer, Partner
from intertie.gateway.partners.descriptors import fetch_descriptor
from intertie.gateway.ports import MessageRow, ParcelRow
from intertie.gateway.sending.outcomes import outcomes_of
from intertie.gateway.sending.reseal import Remedy, remedy_here
from intertie.gateway.trading.trade import shared_of
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import RULES, Code, PartnerError, Refused
from intertie.model.ids import MessageId, ParcelId, PartyId
from intertie.seal.jws import read_jws
from intertie.seal.parcel import MANIFEST_BYTES_MAX, MANIFEST_TYP, read_frame
from intertie.seal.profile import Profile, profile_of_algorithms, profile_of_suite
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
    return judge(gateway, partner, parcel, rows, answer, problem, remedy, now, random)


def unconfirmed(gateway: Gateway, parcel: ParcelRow, detail: str, now: datetime, random: Random) -> Delivery:
    """Nothing that counts came: the same bytes again, later, unless all in them has expired."""
    rows = gateway.store.parcel_messages(parcel.id, outgoing=True)
    return unknown(gateway, parcel, rows, detail, now, random, None)


async def take_receipt(
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
        return unknown(gateway, parcel, rows, f"the answer is no receipt: {error}", clock(), random, None)
    return close_by_receipt(gateway, partner, parcel, rows, receipt, answer, clock(), random)


def judge(
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
    delivery = unknown(gateway, parcel, rows, detail, now, random, answer.retry_after)
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
        wait = wait_for(gateway, [row for row, _ in later], random, None)
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


def unknown(
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
    gateway.store.retry_parcel(parcel.id, now + wait_for(gateway, rows, random, retry_after), detail[:300])
    return Delivery(parcel.id, parcel.partner, len(rows), False, detail)


def put_out(
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


def wait_for(
    gateway: Gateway, rows: Sequence[MessageRow], random: Random, retry_after: float | None
) -> timedelta:
    """How long until the next attempt: longer each time, and not before the partner wants to hear of it."""
    limits = gateway.limits
    attempts = max((row.attempts for row in rows), default=0)
    wait = backoff(attempts, random(), first=limits.retry_first_seconds, ceiling=limits.retry_ceiling_seconds)
    if retry_after is not None:
        wait = max(wait, timedelta(seconds=min(retry_after, WAIT_MAX.total_seconds())))
    return min(wait, WAIT_MAX)


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
