"""Receiving a file: its carrier has verified whose it is, its format says what is in it, and each message is admitted as any.

All of the file is one parcel. Each thing in it has its outcome, and what cannot be read is refused with its place. What the file
says about messages of ours is acted on before the file is kept: it changes nothing a second time, and a crash between the two
lets the file come again. Our answer, the carrier's receipt and the format's own answers, is kept in the same transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from intertie.exchange.outbound import State
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.ports import MessageRow, Query
from intertie.gateway.receiving.accept_carried import accept_carried, is_carried
from intertie.gateway.translating.accept_translated import (
    Arrival,
    Part,
    Said,
    accept_parts,
    find_foreign,
    original_of,
)
from intertie.gateway.translating.deliver_file import take_level
from intertie.gateway.translating.deliver_translated import Reply
from intertie.gateway.translating.file_formats import format_in
from intertie.gateway.translating.files import (
    File,
    FileError,
    FileFormat,
    FileReply,
    Item,
    Judged,
    read_files,
)
from intertie.gateway.translating.foreign import Foreign, Known, Level, check_legacy
from intertie.model.errors import Code, IntertieError, Refused
from intertie.model.ids import MessageId, PartyId
from intertie.model.message import MESSAGE_BYTES_MAX
from intertie.seal.receipt import Outcome

# What a message keeps of its file is base64 in it, with the translation beside.
PART_BYTES_MAX = MESSAGE_BYTES_MAX * 3 // 4 - 512 * 1024
# A signature is over all of a file, so each of its messages keeps all of it: together no more than a large parcel.
ORIGINALS_BYTES_MAX = 64 * 1024 * 1024
# Rows looked at in one go.
ROWS_AT_ONCE = 1000
# An answer that comes late is looked for among so many of the newest messages; one that says an id finds it anyway.
RECENT = 10_000


def content_of(kept: bytes) -> bytes:
    """The file of a message of ours, from what was kept of it."""
    return read_files(kept)[0].content


class Brought(NamedTuple):
    """A file that a carrier brought, from whom it is, and what a repeat of it has in common with it."""

    partner: PartyId
    content: bytes
    created: datetime
    kind: str = ""  # its content type, if the carrier says one
    # As its sender named it, if that names it for good; else the same bytes are the same file.
    carrier_id: str = ""
    same: bytes | None = None
    # What its author signed, if the carrier signs, and the key that verified it: kept with each message in place of its part.
    signed: bytes | None = None
    key: str = ""
    # The id of the one message in it, if the carrier's name for it is one: both sides call it so.
    message: MessageId | None = None
    # How the file of a message of ours is found in what was kept of it.
    content_of: Callable[[bytes], bytes] = content_of


# Makes what is kept as our answer of what became of each item, and of the format's own answers: at least the carrier's receipt.
# It is called under the store's lock and must not use the store.
AnswerWriter = Callable[[Sequence[Judged], Sequence[File]], bytes]


def accept_file(gateway: Gateway, brought: Brought, write_answer: AnswerWriter, now: datetime) -> bytes:
    """Take a file in; our answer, once it is on disk that it is owed. The same file again changes nothing and gets the same.

    A sealed parcel of a partner that has a gateway is taken as the parcel it is (gateway/receiving/accept_carried.py).
    Raises Refused for a partner that is not one, and then nothing is kept; StoreError when nothing could be kept.
    """
    partner, foreign = find_foreign(gateway, brought.partner)
    if partner.keys.signing and is_carried(brought.content):
        return accept_carried(gateway, partner, foreign.binding, brought.content, write_answer, now)
    reading = _Reading(gateway, partner, foreign, brought, now)
    arrival = Arrival(
        partner=brought.partner,
        foreign_id=brought.carrier_id or hashlib.sha256(brought.content).hexdigest(),
        created=brought.created,
        key=brought.key,
        same=brought.content if brought.same is None else brought.same,
        parts=reading.parts,
        message=brought.message,
    )

    def answer(outcomes: Sequence[Outcome]) -> bytes:
        judged = reading.judged(outcomes)
        return write_answer(judged, reading.answers(judged))

    return accept_parts(gateway, arrival, answer, now)


class _Reading:
    """A file while it is taken in."""

    def __init__(
        self, gateway: Gateway, partner: Partner, foreign: Foreign, brought: Brought, now: datetime
    ) -> None:
        self._gateway, self._partner, self._foreign = gateway, partner, foreign
        self._brought, self._now = brought, now
        self._format: FileFormat | None = None  # once its first bytes were seen
        self._number = 0
        self.items: list[Item] = []

    def parts(self) -> list[Part]:
        """What is in it, with what it says about messages of ours acted on."""
        self.items = list(self._read())
        if not self._partner.suspended:
            self.items = [self._answered(item) for item in self.items]
        self._number = self._gateway.store.next_seq(self._partner.party)
        self._gateway.store.next_seq(self._partner.party)  # an answer may take two
        return [Part(self._kept(item), _saying(item), item.place) for item in self.items]

    def judged(self, outcomes: Sequence[Outcome]) -> list[Judged]:
        """Each with what became of it."""
        return [Judged(item, one) for item, one in zip(self.items, outcomes, strict=True)]

    def answers(self, judged: Sequence[Judged]) -> Sequence[File]:
        """The format's own; none to what is of no format."""
        if self._format is None:
            return []
        return self._format.answer(judged, self._foreign, self._gateway.party.id, self._now, self._number)

    def _read(self) -> Sequence[Item]:
        content = self._brought.content
        try:
            kind, found = self._brought.kind, format_in(self._foreign, content)
            self._format = found
            check_legacy(self._partner.party, self._foreign, self._now.date())
            if kind and kind not in found.kinds:
                raise FileError(
                    f"{kind} is no content type of {found.name}", do=f"Send it as {found.kinds[0]}."
                )
            items = found.read(content, self._foreign, self._partner.party)
            signed = self._brought.signed
            if signed is not None and len(signed) * len(items) > ORIGINALS_BYTES_MAX:
                raise FileError(
                    f"{len(items)} messages in a signed file of this size", do="Send it in several files."
                )
        except IntertieError as error:
            return [Item("the file", content, error=error)]
        return items

    def _kept(self, item: Item) -> bytes:
        return item.part if self._brought.signed is None else self._brought.signed

    def _answered(self, item: Item) -> Item:
        """The same, once what it says about messages of ours is done; with an error if it is about none."""
        finder = Finder(self._gateway, self._partner.party, self._brought.content_of)
        found = 0
        for said in item.replies:
            row = finder.find(said)
            if row is None:
                continue
            found += 1
            at = said.at or self._now
            reply = Reply(self._partner.party, row.id, said.accepted, said.detail, self._kept(item), at)
            take_level(self._gateway, self._foreign, reply, Level(said.level), self._now)
        if item.replies and not found:
            return item._replace(error=FileError("it answers nothing that was sent"))
        return item


def _saying(item: Item) -> Callable[[Known], Said]:
    """What it says, or its error, when it is asked."""

    def translate(known: Known) -> Said:
        if item.error is not None:
            error = item.error
            if isinstance(error, Refused):
                raise error
            said = error.why if error.why.startswith(f"{item.place}: ") else f"{item.place}: {error.why}"
            raise Refused(Code.SCHEMA, said[:300]) from error
        if len(item.part) > PART_BYTES_MAX:
            raise Refused(Code.TOO_LARGE, f"{item.place}: {len(item.part)} bytes do not fit a message")
        return item.said or Said(None)

    return translate


class Finder:
    """Which message of ours an answer is about. Those that wait for one are looked at first, then the newest."""

    def __init__(self, gateway: Gateway, party: PartyId, content_of: Callable[[bytes], bytes]) -> None:
        self._store, self._party, self._content_of = gateway.store, party, content_of

    def find(self, reply: FileReply) -> MessageRow | None:
        """The message; None if there is none of which it could be."""
        if reply.exact is not None:
            return self._store.message(reply.exact, outgoing=True, partner=self._party, body=False)
        for row in self._rows():
            if reply.may_be(row.id) and self._fits(row, reply):
                return row
        return None

    def _rows(self) -> Iterator[MessageRow]:
        yield from self._pages(0, [State.SENDING])
        total = sum(self._store.counts().values())
        yield from self._pages(max(0, total - RECENT), None)

    def _pages(self, after: int, states: Sequence[State] | None) -> Iterator[MessageRow]:
        while True:
            query = Query(True, after, ROWS_AT_ONCE, self._party, states=states, bodies=False)
            rows = self._store.messages(query)
            yield from rows
            if len(rows) < ROWS_AT_ONCE:
                return
            after = rows[-1].seq

    def _fits(self, row: MessageRow, reply: FileReply) -> bool:
        whole = self._store.message(row.id, outgoing=True, partner=self._party)
        kept = original_of(whole.body) if whole is not None and whole.body else None
        try:
            return kept is not None and reply.is_about(self._content_of(kept))
        except IntertieError:  # it went in another protocol
            return False
