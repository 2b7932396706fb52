"""X12 as a format of files: each set of an interchange is a message, 997 and 824 are answers (docs/x12.md)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from intertie.formats.x12 import carried
from intertie.formats.x12.carried import Answered, CarriedSet
from intertie.formats.x12.findings import X12Error
from intertie.gateway.translating.accept_translated import Said
from intertie.gateway.translating.files import File, FileReply, Item, Judged
from intertie.gateway.translating.foreign import Foreign
from intertie.model.errors import Code, IntertieError, Refused
from intertie.model.ids import MessageId, PartyId
from intertie.model.message import Header
from intertie.model.record import Record
from intertie.seal.receipt import Outcome


class X12Format:
    """`files.FileFormat`."""

    name = "x12"
    suffix = "x12"
    kinds: tuple[str, ...] = carried.KINDS

    def knows(self, content: bytes) -> bool:
        """An interchange begins with its header."""
        return content.lstrip()[:3] == b"ISA"

    def read(self, content: bytes, foreign: Foreign, sender: PartyId) -> Sequence[Item]:
        """Its sets."""
        return [_item(one) for one in carried.read_carried(content, foreign.trading, sender)]

    def write(self, foreign: Foreign, header: Header, body: Record, number: int) -> File:
        """An interchange with one set."""
        content = carried.write_carried(header, body, foreign.trading, carried.number_within(number))
        name = f"{header.document}-{header.id}.{self.suffix}"
        return File(name=name, kind=carried.KIND, content=content, about=header.id)

    def answer(
        self, judged: Sequence[Judged], foreign: Foreign, us: PartyId, at: datetime, number: int
    ) -> Sequence[File]:
        """997 for all but what are answers themselves; 824 for what was readable, as far as the partner wants it."""
        trading = foreign.trading
        sources = [(one.item.source, one) for one in judged]
        known = [(it, one) for it, one in sources if isinstance(it, CarriedSet) and not it.answers]
        end = carried.end_of(trading, us)
        control = carried.number_within(number)
        found = []
        if trading.acknowledge:
            sets = [one for one, _ in known]
            found.append((f"997-{control}", carried.write_syntax(sets, trading, end, at, control)))
        told = [(source, _refusal(source, one.outcome)) for source, one in known if source.is_readable]
        if trading.advice == "refusals":
            told = [(source, error) for source, error in told if error is not None]
        if trading.advice != "none":
            second = carried.number_within(number + 1)
            found.append((f"824-{second}", carried.write_business(told, trading, end, at, second)))
        return [
            File(name=f"{name}.{self.suffix}", kind=carried.KIND, content=content)
            for name, content in found
            if content
        ]


def _item(one: CarriedSet) -> Item:
    if one.error is not None:
        return Item(one.place, _raw(one), error=one.error, source=one)
    if one.answers:
        return Item(one.place, _raw(one), replies=tuple(map(_reply, one.answers)), source=one)
    return Item(one.place, _raw(one), Said(one.body, mode=one.mode, id=one.message), source=one)


def _raw(one: CarriedSet) -> bytes:
    """The set alone; as it came, if it cannot be written again."""
    try:
        return one.raw
    except (ValueError, IntertieError):
        return one.one.text.encode("latin-1", "replace")


def _reply(answered: Answered) -> FileReply:
    exact = carried.id_of_reference(answered.reference)
    return FileReply(
        answered.level,
        answered.accepted,
        answered.detail,
        MessageId(exact) if exact else None,
        partial(carried.is_answer_to, answered),
        partial(carried.is_answered_by, answered),
        answered.at,
    )


def _refusal(one: CarriedSet, outcome: Outcome) -> IntertieError | None:
    """Why it is not in our books."""
    if outcome.status != "refused":
        return None
    if isinstance(one.error, X12Error):
        return one.error
    return Refused(Code(outcome.code or Code.SCHEMA), outcome.detail)
