"""Receiving a message in a partner's own protocol: its binding has verified who signed it, and here it becomes a message like any
other, admitted by the same catalogue, agreement and rules, and journaled in the same inbox.

The order is that of accept_parcel.py from step 5 on. The message that is kept holds the bytes that the partner signed, so the
hash in the journal is over both; the answer in the partner's protocol is the parcel's receipt, and is posted, again after a
crash, until the partner has it (deliver_translated.py).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import msgspec

from intertie.exchange.joining import check_live
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.ports import NewMessage, ParcelRow, Refusal
from intertie.gateway.receiving.accept_parcel import check_times, new_message, refusal_of, refused_outcome
from intertie.gateway.trading.trade import Rules
from intertie.gateway.translating.agreements import implied_agreement
from intertie.gateway.translating.foreign import Foreign, Known, check_legacy
from intertie.journal.checkpoint import Head
from intertie.market.event import Broken
from intertie.model.documents import document_of, read_body
from intertie.model.errors import Code, IntertieError, Refused
from intertie.model.ids import (
    AgreementId,
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
from intertie.model.record import Record, with_own_defaults
from intertie.seal.receipt import Outcome
from intertie.seal.tree import leaf_hash

# Foreign protocols have no word for how long a message lives: as long as ours without an end.
LIFE = timedelta(days=3)


class Said(NamedTuple):
    """What a foreign message says in our words; without a body it is no message, and wants nothing but an answer."""

    body: Record | None
    conversation: ConversationId | None = None
    in_reply_to: MessageId | None = None
    mode: Mode | None = Mode.SCHEDULED  # None: it does not say, and each document goes in few
    id: MessageId | None = None  # its author's, if that is one of the kind that we give
    agreement: AgreementId | None = None  # None: it does not say


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


class Part(NamedTuple):
    """One message of what arrived: the bytes that say it, and what they say."""

    signed: bytes  # kept with it
    translate: Callable[[Known], Said]  # as `Arrived.translate`
    place: str = ""  # where in what arrived it stands, for people


class Arrival(NamedTuple):
    """What a binding verified, with any number of messages in it: all of it is one parcel, each message has its outcome."""

    partner: PartyId
    foreign_id: str  # as its sender named it
    created: datetime
    key: str  # that verified it, as the protocol writes it
    same: bytes  # what a repeat has in common with it
    parts: Callable[[], Sequence[Part]]  # at least one; asked for unless it is a repeat
    message: MessageId | None = None  # what its author calls the one message in it, if the carrier says that


# Write the signed answer. They are called under the store's lock and must not use the store.
Answer = Callable[[Outcome], bytes]
PartsAnswer = Callable[[Sequence[Outcome]], bytes]


def accept_translated(gateway: Gateway, arrived: Arrived, answer: Answer, now: datetime) -> bytes:
    """Take the one message in; otherwise as `accept_parts`."""
    arrival = Arrival(
        partner=arrived.partner,
        foreign_id=arrived.foreign_id,
        created=arrived.created,
        key=arrived.key,
        same=arrived.signed if arrived.same is None else arrived.same,
        parts=lambda: [Part(arrived.signed, arrived.translate)],
    )
    return accept_parts(gateway, arrival, lambda outcomes: answer(outcomes[0]), now)


def accept_parts(gateway: Gateway, arrival: Arrival, answer: PartsAnswer, now: datetime) -> bytes:
    """Take in what arrived, all of it in one transaction; the bytes of our signed answer, once it is on disk that they are owed.

    A repeat changes nothing and is answered with the same bytes. Raises Refused for a partner that is not one, and then nothing
    is kept; StoreError when nothing could be kept.
    """
    partner, foreign = find_foreign(gateway, arrival.partner)
    digest = hashlib.sha256(arrival.same).digest()
    name = arrival.foreign_id
    known = gateway.store.find_incoming_parcel(partner.party, _parcel(foreign, name))
    reused = known is not None and known.digest != digest
    if reused:  # it is answered by itself, and the same again should it come again
        name = f"{name}#{digest.hex()}"
        known = gateway.store.find_incoming_parcel(partner.party, _parcel(foreign, name))
    if known is not None and known.receipt is not None:
        gateway.store.owe_answer(partner.party, known.id, now)
        return known.receipt
    parts = arrival.parts()
    if len(parts) != 1:  # the carrier's name for the file is no name of a message
        arrival = arrival._replace(message=None)
    check = _Check(gateway, partner, foreign, arrival, name, now)
    digests = [digest] if len(parts) == 1 else [hashlib.sha256(part.signed).digest() for part in parts]
    verdicts = [check(number, part, reused=reused) for number, part in enumerate(parts)]
    return _keep(
        gateway, foreign, partner, name, digest, list(zip(digests, verdicts, strict=True)), answer, now
    )


def message_id(foreign: Foreign, name: str, number: int = 0) -> MessageId:
    """What the message of this number is called here, in what its sender called so."""
    return MessageId(derived_uuid7(foreign.binding, f"{name}#{number}" if number else name))


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
        lambda: store.next_seq(party),
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


class _Check:
    """Step 9 for each message of what arrived, in the order of the design, by rules that know those before it."""

    def __init__(
        self, gateway: Gateway, partner: Partner, foreign: Foreign, arrival: Arrival, name: str, now: datetime
    ) -> None:
        self._gateway, self._partner, self._foreign = gateway, partner, foreign
        self._arrival, self._name, self._now = arrival, name, now
        self._rules = Rules(gateway, partner, now, sending=False)
        self._known = known_of(gateway, partner.party)

    def __call__(self, number: int, part: Part, *, reused: bool) -> NewMessage | Refused | None:
        """The row to keep; None for what is no message; or why it is refused."""
        message = message_id(self._foreign, self._name, number)
        try:
            if reused:
                raise Refused(Code.PARCEL_ID_REUSED, message=message, partner=self._partner.party)
            said = self._translated(part, message)
            if said.body is None:
                return None
            message = said.id or self._arrival.message or message
            return self._message(number, part, said, with_own_defaults(said.body), message)
        except Refused as refused:
            refused.message = refused.message or message
            return refused

    def _translated(self, part: Part, message: MessageId) -> Said:
        partner = self._partner
        named = partial(Refused, message=message, partner=partner.party)
        if partner.suspended:
            raise named(Code.SENDER_SUSPENDED)
        check_legacy(partner.party, self._foreign, self._now.date(), message)
        try:
            return part.translate(self._known)
        except Broken as broken:
            detail = f"{broken.rule.name}: {broken.detail or broken.rule.text}"
            raise named(Code.TRADE_RULE, detail) from broken
        except Refused:
            raise
        except IntertieError as error:
            raise named(Code.SCHEMA, error.why) from error

    def _message(self, number: int, part: Part, said: Said, body: Record, message: MessageId) -> NewMessage:
        gateway, partner, foreign, now = self._gateway, self._partner, self._foreign, self._now
        kind = document_of(body)
        under = said.agreement or implied_agreement(foreign, self._known.book, kind.name, now)
        header = _header(gateway, partner, self._arrival.created, said, body, message, under)
        again = self._same_again(header, body)
        if again is not None:
            return new_message(again, leaf_hash(again), number, read_envelope(again).header)
        check_live(partner.trial, header.conversation, header.agreement)
        flow = gateway.catalogue.admit(header, partner.roles, gateway.party.roles)
        check_times(header, gateway.limits.clock_skew_seconds, now)
        traded = self._rules.check(header, body, flow)
        raw = with_original(header, body, foreign.binding, part.signed, self._arrival.key)
        return new_message(raw, leaf_hash(raw), number, header)._replace(traded=traded)

    def _same_again(self, header: Header, body: Record) -> bytes | None:
        """What was kept of it, if this message of the partner's is here already and says the same: a file that is written again
        for it, with others beside, is another file."""
        row = self._gateway.store.message(header.id, outgoing=False, partner=self._partner.party)
        if row is None or not row.body:
            return None
        known = read_envelope(row.body)
        times = {"created": known.header.created, "expires": known.header.expires}
        same = msgspec.structs.replace(header, **times) == known.header and read_body(known) == body
        return row.body if same else None


def _header(
    gateway: Gateway,
    partner: Partner,
    created: datetime,
    said: Said,
    body: Record,
    message: MessageId,
    agreement: AgreementId | None,
) -> Header:
    kind = document_of(body)
    created = utc(created)
    interface, mode = _way(gateway, partner, kind.name, said.mode)
    return Header(
        id=message,
        verb=Verb.CREATED,
        document=kind.name,
        version=kind.version,
        interface=interface,
        mode=mode,
        sender=partner.party,
        recipient=gateway.party.id,
        agreement=agreement,
        conversation=said.conversation,
        in_reply_to=said.in_reply_to,
        created=created,
        expires=created + LIFE,
    )


def _way(
    gateway: Gateway, partner: Partner, document: DocumentName, mode: Mode | None
) -> tuple[InterfaceCode, Mode]:
    """Foreign protocols do not name the interface, and some not the mode: those of the flow between our roles, the scheduled one
    if there are several; else the first that has the document, and then admission says which roles it lacks."""
    flows = list(gateway.catalogue.find_flows(document))
    ours = gateway.party.roles
    fitting = [f for f in flows if f.sender in partner.roles and f.recipient in ours]
    said = [f for f in fitting if f.mode is (mode or Mode.SCHEDULED)]
    found = (said or (fitting if mode is None else []) or flows)[0]
    return found.interface, mode or found.mode


def _keep(
    gateway: Gateway,
    foreign: Foreign,
    partner: Partner,
    name: str,
    digest: bytes,
    verdicts: Sequence[tuple[bytes, NewMessage | Refused | None]],
    answer: PartsAnswer,
    now: datetime,
) -> bytes:
    """Step 10: messages or refusals, journal entries, and the answer that is owed, in one transaction."""
    parcel = _parcel(foreign, name)
    messages: list[NewMessage] = []
    refusals: list[Refusal] = []
    outcomes: list[Outcome] = []
    for what, verdict in verdicts:
        leaf = leaf_hash(what)  # of what is refused nothing is kept but its hash
        if isinstance(verdict, Refused):
            outcomes.append(refused_outcome(verdict.message, leaf, verdict))
            refusals.append(refusal_of(verdict, parcel, partner.party, verdict.message, what, now))
        elif verdict is None:
            outcomes.append(Outcome(leaf=leaf.hex(), status="accepted"))
        else:
            outcomes.append(Outcome(message=verdict.id, leaf=verdict.leaf.hex(), status="accepted"))
            messages.append(verdict)
    row = ParcelRow(
        id=parcel,
        outgoing=False,
        partner=partner.party,
        digest=digest,
        blob=None,
        manifest=foreign.binding.encode(),
        leaves=b"".join(bytes.fromhex(outcome.leaf) for outcome in outcomes),
        receipt=None,
        at=now,
        owes=True,
    )
    final: list[Outcome] = []

    def write_answer(outcomes: Sequence[Outcome], head: Head) -> bytes:
        final[:] = outcomes
        return answer(outcomes)

    answered = gateway.store.accept(row, messages, refusals, outcomes, write_answer, now)
    gateway.observer.accepted(partner.party, messages, final)
    return answered
