"""What every store does with a parcel once it knows what it holds: which messages to keep, what to answer, what to journal."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from intertie.exchange.inbound import Standing, Verdict, judge
from intertie.gateway.ports import NewMessage, ParcelRow, Refusal
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import RULES, Code, Refused, StoreError
from intertie.model.ids import MessageId
from intertie.seal.receipt import Outcome


class Settled(NamedTuple):
    """What to keep of a parcel, what to refuse, and what the receipt says, in the order of the parcel."""

    messages: list[NewMessage]
    refusals: list[Refusal]
    outcomes: list[Outcome]


def settle(
    parcel: ParcelRow,
    messages: Sequence[NewMessage],
    refusals: Sequence[Refusal],
    outcomes: Sequence[Outcome],
    held: Mapping[MessageId, bytes],
    now: datetime,
) -> Settled:
    """Outcomes once more, now that nobody can come between: `held` are the leaf hashes kept under these ids."""
    _check(messages, outcomes)
    if not held:
        return Settled(list(messages), list(refusals), list(outcomes))
    verdicts = {message.id: judge(held.get(message.id), message.leaf) for message in messages}
    settled = Settled(
        [m for m in messages if verdicts[m.id].standing is Standing.KEPT and m.id not in held], [], []
    )
    digests = {
        message.id: hashlib.sha256(message.body).digest() for message in messages if message.id in held
    }
    settled.refusals.extend(refusals)
    for outcome in outcomes:
        message = outcome.message
        if outcome.status == "refused" or message is None or message not in digests:
            settled.outcomes.append(outcome)
            continue
        verdict = verdicts[message]
        settled.outcomes.append(_answer(outcome, verdict))
        if verdict.code is not None:
            settled.refusals.append(_refusal(parcel, message, verdict.code, digests[message], now))
    return settled


def check_repeat(parcel: ParcelRow, known: ParcelRow) -> bytes:
    """The receipt of the parcel we hold under this id; Refused(PARCEL_ID_REUSED) if it was another one."""
    if known.digest != parcel.digest:
        raise Refused(Code.PARCEL_ID_REUSED, partner=parcel.partner)
    if known.receipt is None:
        raise StoreError(
            f"parcel {parcel.id} of {parcel.partner} was kept without a receipt", do="verify the store"
        )
    return known.receipt


def arrival_entries(parcel: ParcelRow, settled: Settled, now: datetime) -> list[Entry]:
    """The journal entries before the head that the receipt commits to: messages, then refusals."""
    kept = [
        Entry(
            kind=Kind.MESSAGE_IN,
            at=now,
            partner=parcel.partner,
            message=message.id,
            parcel=parcel.id,
            digest=message.leaf.hex(),
        )
        for message in settled.messages
    ]
    return kept + [refusal_entry(refusal) for refusal in settled.refusals]


def refusal_entry(refusal: Refusal) -> Entry:
    """The journal entry of a refusal by us."""
    return Entry(
        kind=Kind.REFUSAL,
        at=refusal.at,
        partner=refusal.partner,
        message=refusal.message,
        parcel=refusal.parcel,
        digest=refusal.digest.hex(),
        note=refusal.code,
    )


def receipt_entry(parcel: ParcelRow, receipt: bytes, now: datetime) -> Entry:
    """The journal entry of a receipt we wrote; it comes after the head that the receipt names."""
    digest = hashlib.sha256(receipt).hexdigest()
    return Entry(kind=Kind.RECEIPT_OUT, at=now, partner=parcel.partner, parcel=parcel.id, digest=digest)


def _check(messages: Sequence[NewMessage], outcomes: Sequence[Outcome]) -> None:
    """The receipt must speak of what is kept: each message's outcome stands at its position."""
    for message in messages:
        outcome = outcomes[message.position] if message.position < len(outcomes) else None
        if outcome is None or outcome.message != message.id or outcome.status != "accepted":
            raise StoreError(f"message {message.id} has no outcome at {message.position}", do="report this")


def _answer(outcome: Outcome, verdict: Verdict) -> Outcome:
    """The same line of the receipt with the verdict's answer; two equal copies in one parcel share its fate."""
    if verdict.code is None:
        return msgspec.structs.replace(outcome, status=verdict.status)
    sentence = RULES[verdict.code].sentence
    return msgspec.structs.replace(outcome, status=verdict.status, code=verdict.code.value, detail=sentence)


def _refusal(parcel: ParcelRow, message: MessageId, code: Code, digest: bytes, now: datetime) -> Refusal:
    rule = RULES[code]
    return Refusal(now, parcel.partner, parcel.id, message, code.value, rule.step, rule.sentence, digest)
