"""Receiving a message in a partner's own protocol: its binding has verified who signed it, and here it becomes a message like any
other, admitted by the same catalogue, agreement and rules, and journaled in the same inbox.

The order is that of accept_parcel.py from step 5 on. The message that is kept holds the bytes that the partner signed, so the
hash in the journal is over both; the answer in the partner's protocol is the parcel's receipt, and is posted, again after a
crash, until the partner has it (deliver_translated.py).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from intertie.exchange.joining import check_live
from intertie.gateway.accept_parcel import check_times, new_message, refusal_of, refused_outcome
from intertie.gateway.foreign import Foreign, Known, check_legacy
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.ports import NewMessage, ParcelRow, Refusal
from intertie.gateway.trade import Rules
from intertie.journal.checkpoint import Head
from intertie.market.event import Broken
from intertie.model.documents import document_of
from intertie.model.errors import Code, IntertieError, Refused
from intertie.model.ids import (
    ConversationId,
    DocumentName,
    InterfaceCode,
    MessageId,
    ParcelId,
    PartyId,
    derived_uuid7,
)
from intertie.model.message import (
    Header,
    Mode,
    Original,
    Verb,
    original_bytes,
    read_envelope,
    utc,
    write_message,
)
from intertie.model.record import Record
from intertie.seal.receipt import Outcome
from intertie.seal.tree import leaf_hash

# Foreign protocols have no word for how long a message lives: as long as ours without an end.
LIFE = timedelta(days=3)


class Said(NamedTuple):
    """What a foreign message says in our words; without a body it is no message, and wants nothing but an answer."""

    body: Record | None
    conversation: ConversationId | None = None
    in_reply_to: MessageId | None = None
    mode: Mode = Mode.SCHEDULED


class Arrived(NamedTuple):
    """A message that a binding verified: who signed it, and that the signed bytes say who they are for."""

    partner: PartyId
    foreign_id: str  # as its sender named it
    signed: bytes
    created: datetime
    key: str  # that verified it, as the protocol writes it
    # Raises Broken for what breaks a rule of the trade before it is a document, another IntertieError for what it cannot say.
    translate: Callable[[Known], Said]
    # What a repeat has in common with it, if not the signed bytes: some programs sign and encrypt anew each time.
    same: bytes | None = None


# Writes the signed answer. It is called under the store's lock and must not use the store.
Answer = Callable[[Outcome], bytes]


def accept_translated(gateway: Gateway, arrived: Arrived, answer: Answer, now: datetime) -> bytes:
    """Take the message in; the bytes of our signed answer, once it is on disk that they are owed.

    A repeat changes nothing and is answered with the same bytes. Raises Refused for a partner that is not one, and then nothing
    is kept; StoreError when nothing could be kept.
    """
    partner, foreign = find_foreign(gateway, arrived.partner)
    digest = hashlib.sha256(arrived.signed if arrived.same is None else arrived.same).digest()
    name = arrived.foreign_id
    known = gateway.store.find_incoming_parcel(partner.party, _parcel(foreign, name))
    reused = known is not None and known.digest != digest
    if reused:  # it is answered by itself, and the same again should it come again
        name = f"{name}#{digest.hex()}"
        known = gateway.store.find_incoming_parcel(partner.party, _parcel(foreign, name))
    if known is not None and known.receipt is not None:
        gateway.store.owe_answer(partner.party, known.id, now)
        return known.receipt
    message = MessageId(derived_uuid7(foreign.binding, name))
    try:
        if reused:
            raise Refused(Code.PARCEL_ID_REUSED, message=message, partner=partner.party)
        kept = _check(gateway, partner, foreign, arrived, message, now)
    except Refused as refused:
        return _keep(gateway, foreign, partner, name, digest, refused, answer, now)
    return _keep(gateway, foreign, partner, name, digest, kept, answer, now)


def find_foreign(gateway: Gateway, party: PartyId) -> tuple[Partner, Foreign]:
    """The partner and its protocol; Refused(UNKNOWN_SENDER)."""
    partner = gateway.partners.find(party)
    if partner is None or partner.foreign is None:
        raise Refused(Code.UNKNOWN_SENDER, partner=party)
    return partner, partner.foreign


def known_of(gateway: Gateway, party: PartyId) -> Known:
    """What we and a partner both hold."""
    store = gateway.store

    def original(message: MessageId) -> bytes | None:
        row = store.message(message, partner=party)
        return None if row is None or not row.body else original_of(row.body)

    return Known(
        gateway.books.of(store, party).ledger.book,
        original,
        lambda message: store.message(message, partner=party, body=False) is not None,
    )


def original_of(raw: bytes) -> bytes | None:
    """The bytes that the author of a message signed in its own protocol."""
    translated = read_envelope(raw).translated
    return None if translated is None else original_bytes(translated)


def with_original(header: Header, body: Record, binding: str, signed: bytes, key: str = "") -> bytes:
    """The message that is kept: ours, and what it is a translation of, signed by this key."""
    original = Original(binding=binding, signed=base64.b64encode(signed).decode(), key=key)
    return write_message(header, body, translated=original)


def _parcel(foreign: Foreign, name: str) -> ParcelId:
    return ParcelId(derived_uuid7(foreign.binding, name))


def _check(
    gateway: Gateway, partner: Partner, foreign: Foreign, arrived: Arrived, message: MessageId, now: datetime
) -> NewMessage | None:
    """Step 9 for the one message, in the order of the design; the row to keep, if it is a message. Raises Refused."""
    named = partial(Refused, message=message, partner=partner.party)
    if partner.suspended:
        raise named(Code.SENDER_SUSPENDED)
    check_legacy(partner.party, foreign, now.date(), message)
    try:
        said = arrived.translate(known_of(gateway, partner.party))
    except Broken as broken:
        detail = f"{broken.rule.name}: {broken.detail or broken.rule.text}"
        raise named(Code.TRADE_RULE, detail) from broken
    except Refused:
        raise
    except IntertieError as error:
        raise named(Code.SCHEMA, error.why) from error
    if said.body is None:
        return None
    header = _header(gateway, partner, foreign, arrived, said, said.body, message)
    check_live(partner.trial, header.conversation, header.agreement)
    flow = gateway.catalogue.admit(header, partner.roles, gateway.party.roles)
    check_times(header, gateway.limits.clock_skew_seconds, now)
    traded = Rules(gateway, partner, now, sending=False).check(header, said.body, flow)
    raw = with_original(header, said.body, foreign.binding, arrived.signed, arrived.key)
    return new_message(raw, leaf_hash(raw), 0, header)._replace(traded=traded)


def _header(
    gateway: Gateway,
    partner: Partner,
    foreign: Foreign,
    arrived: Arrived,
    said: Said,
    body: Record,
    message: MessageId,
) -> Header:
    kind = document_of(body)
    created = utc(arrived.created)
    return Header(
        id=message,
        verb=Verb.CREATED,
        document=kind.name,
        version=kind.version,
        interface=_interface(gateway, partner, kind.name, said.mode),
        mode=said.mode,
        sender=partner.party,
        recipient=gateway.party.id,
        agreement=foreign.agreement,
        conversation=said.conversation,
        in_reply_to=said.in_reply_to,
        created=created,
        expires=created + LIFE,
    )


def _interface(gateway: Gateway, partner: Partner, document: DocumentName, mode: Mode) -> InterfaceCode:
    """Foreign protocols do not name it: that of the flow between our roles, else the first that has the document, and then
    admission says which roles it lacks."""
    flows = gateway.catalogue.find_flows(document)
    ours = gateway.party.roles
    fitting = [f for f in flows if f.mode is mode and f.sender in partner.roles and f.recipient in ours]
    return (fitting or list(flows))[0].interface


def _keep(
    gateway: Gateway,
    foreign: Foreign,
    partner: Partner,
    name: str,
    digest: bytes,
    kept: NewMessage | Refused | None,
    answer: Answer,
    now: datetime,
) -> bytes:
    """Step 10: message or refusal, journal entries, and the answer that is owed, in one transaction."""
    parcel = _parcel(foreign, name)
    refusals: list[Refusal] = []
    if isinstance(kept, Refused):
        leaf = leaf_hash(digest)  # nothing of it is kept but its hash
        outcome = refused_outcome(kept.message, leaf, kept)
        refusals.append(refusal_of(kept, parcel, partner.party, kept.message, digest, now))
    elif kept is None:
        leaf = leaf_hash(digest)
        outcome = Outcome(leaf=leaf.hex(), status="accepted")
    else:
        leaf = kept.leaf
        outcome = Outcome(message=kept.id, leaf=leaf.hex(), status="accepted")
    row = ParcelRow(
        id=parcel,
        outgoing=False,
        partner=partner.party,
        digest=digest,
        blob=None,
        manifest=foreign.binding.encode(),
        leaves=leaf,
        receipt=None,
        at=now,
        owes=True,
    )
    final: list[Outcome] = []

    def write_answer(outcomes: list[Outcome], head: Head) -> bytes:
        final[:] = outcomes
        return answer(outcomes[0])

    messages = [kept] if isinstance(kept, NewMessage) else []
    answered = gateway.store.accept(row, messages, refusals, [outcome], write_answer, now)  # type: ignore[arg-type]
    gateway.observer.accepted(partner.party, messages, final)
    return answered
