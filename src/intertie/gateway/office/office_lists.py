"""Lists and single things, laid out for programs: messages, partners, flows, documents, keys, events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.office.api_keys import KeyBook
from intertie.gateway.ports import Mark, MessageRow, Query
from intertie.gateway.proving.erase import partner_of
from intertie.journal.entry import Kind, read_entry
from intertie.model.documents import DOCUMENTS
from intertie.model.ids import PartyId
from intertie.model.message import read_envelope
from intertie.model.office import (
    AgreementLine,
    DocumentLine,
    DocumentPage,
    FlowLine,
    FlowPage,
    Happened,
    KeyLine,
    KeyPage,
    Message,
    MessageLine,
    MessagePage,
    PartnerLine,
    PartnerPage,
)

_T = TypeVar("_T")
# Lines of the journal read for a stream at once: with the message of each, some milliseconds of the store.
EVENTS_AT_ONCE = 100


def message_line(row: MessageRow) -> MessageLine:
    """A message without its body."""
    return MessageLine(
        seq=row.seq,
        id=row.id,
        direction="out" if row.outgoing else "in",
        sender=row.sender,
        recipient=row.recipient,
        interface=row.interface,
        document=row.document,
        mode=row.mode,
        state=row.state.value,
        detail=row.detail,
        agreement=row.agreement,
        conversation=row.conversation,
        created=row.created,
        expires=row.expires,
        priority=row.priority,
        at=row.at,
        done_at=row.done_at,
        attempts=row.attempts,
        next_attempt=row.next_attempt,
        parcel=row.parcel,
        leaf=row.leaf.hex(),
        bytes=row.size,
        erased=row.erased.at if row.erased is not None else None,
    )


def messages(gateway: Gateway, query: Query) -> MessagePage:
    """Messages after a seq, without bodies."""
    rows = gateway.store.messages(query._replace(bodies=False, limit=query.limit + 1))
    return _message_page(rows, query.limit)


def dead_letters(gateway: Gateway, after: int, limit: int, partner: PartyId | None) -> MessagePage:
    """Messages that came to nothing and were not sent again."""
    return _message_page(gateway.store.dead_letters(after=after, limit=limit + 1, partner=partner), limit)


def _message_page(rows: Sequence[MessageRow], limit: int) -> MessagePage:
    here = rows[:limit]
    return MessagePage(
        items=[message_line(row) for row in here], next=here[-1].seq if len(rows) > limit else None
    )


def whole_message(gateway: Gateway, row: MessageRow) -> Message:
    """A message as it was said, and the partner's receipt, or ours."""
    store = gateway.store
    envelope = read_envelope(row.body) if row.body else None
    parcel = store.parcel(row.parcel, outgoing=row.outgoing, partner=partner_of(row)) if row.parcel else None
    receipt = parcel.receipt if parcel is not None else None
    mark = store.marks([row.id]).get(row.id, Mark()) if row.outgoing else Mark()
    return Message(
        line=message_line(row),
        header=msgspec.to_builtins(envelope.header) if envelope is not None else None,
        body=msgspec.json.decode(envelope.body) if envelope is not None else None,
        receipt=receipt.decode() if receipt is not None else None,
        escalated=mark.escalated,
        resends=mark.resends,
        resent_as=mark.resent_as,
    )


def partners(gateway: Gateway, after: str, limit: int) -> PartnerPage:
    """Partners by name."""
    all = sorted(gateway.partners.all(), key=lambda partner: partner.party)
    waiting: dict[PartyId, int] = {}
    for line in gateway.store.queues():
        waiting[line.partner] = waiting.get(line.partner, 0) + line.queued + line.sending
    here, more = _page(all, after, limit, lambda one: one.party)
    items = [partner_line(one, waiting.get(one.party, 0)) for one in here]
    return PartnerPage(items=items, next=more)


def partner_line(one: Partner, waiting: int) -> PartnerLine:
    """A partner and how it stands."""
    return PartnerLine(
        party=one.party,
        name=one.name,
        roles=sorted(role.value for role in one.roles),
        url=one.url,
        state="suspended" if one.suspended else "testing" if one.trial is not None else "live",
        agreements=[AgreementLine(id=a.id, start=a.start, end=a.end) for a in one.agreements],
        waiting=waiting,
        descriptor=one.sequence,
    )


def flows(gateway: Gateway, interface: str | None, document: str | None, after: int, limit: int) -> FlowPage:
    """The flows of the catalogue, in its order."""
    all = [
        flow
        for one in gateway.catalogue.interfaces.values()
        for flow in one.flows
        if interface in (None, one.code) and document in (None, flow.document)
    ]
    lines = [
        FlowLine(
            interface=flow.interface,
            document=flow.document,
            category=flow.category.value,
            sender=flow.sender.value,
            recipient=flow.recipient.value,
            mode=flow.mode.value,
            priority=flow.priority,
            agreement=flow.agreement,
            latency_seconds=flow.latency_seconds,
        )
        for flow in all[after : after + limit]
    ]
    return FlowPage(items=lines, next=after + limit if len(all) > after + limit else None)


def documents(after: str, limit: int) -> DocumentPage:
    """The kinds of documents by name."""
    here, more = _page(sorted(DOCUMENTS.values()), after, limit, lambda one: one.name)
    lines = [
        DocumentLine(name=one.name, version=one.version, family=one.family, title=one.title) for one in here
    ]
    return DocumentPage(items=lines, next=more)


def key_lines(book: KeyBook, after: str, limit: int) -> KeyPage:
    """API keys by name and id, which is the cursor."""

    def place(line: tuple[str, KeyLine]) -> str:
        return line[0]

    all = [
        (
            f"{key.name}:{key.id}",
            KeyLine(
                name=key.name, role=key.role.value, made=key.made, expires=key.expires, revoked=key.revoked
            ),
        )
        for key in book.all()
    ]
    here, more = _page(sorted(all, key=place), after, limit, place)
    return KeyPage(items=[line for _, line in here], next=more)


def happened(gateway: Gateway, start: int) -> list[Happened]:
    """What happened from a place of the journal on."""
    store = gateway.store
    found = []
    for index, raw, _ in store.entries(after=start, limit=EVENTS_AT_ONCE):
        entry = read_entry(raw)
        row = None
        if entry.message is not None and entry.kind in (Kind.MESSAGE_IN, Kind.MESSAGE_OUT):
            row = store.message(
                entry.message,
                outgoing=entry.kind is Kind.MESSAGE_OUT,
                partner=entry.partner,
                body=False,
            )
        found.append(
            Happened(
                index=index,
                kind=entry.kind.value,
                at=entry.at,
                partner=entry.partner,
                message=entry.message,
                parcel=entry.parcel,
                note=entry.note,
                document=row.document if row is not None else None,
                seq=row.seq if row is not None else None,
                state=row.state.value if row is not None else None,
            )
        )
    return found


def events_end(gateway: Gateway) -> int:
    """The place of the next event."""
    return gateway.store.head().size


def _page(
    all: Sequence[_T], after: str, limit: int, name: Callable[[_T], str]
) -> tuple[list[_T], str | None]:
    """Those named above `after`, and the cursor if there are more."""
    rest = [one for one in all if name(one) > after]
    here = rest[:limit]
    return here, name(here[-1]) if len(rest) > limit else None
