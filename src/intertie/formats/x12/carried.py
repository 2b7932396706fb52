"""Files of X12 that a carrier brings or takes: each set of an interchange with what it says, one message of ours as a file, and
the answers that a file gets (997, 824)."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from intertie.formats.x12.acknowledge_997 import FunctionalAcknowledgement, SetVerdict
from intertie.formats.x12.advice_824 import Advice
from intertie.formats.x12.answers import answer_business, answer_syntax
from intertie.formats.x12.findings import X12Code, X12Error
from intertie.formats.x12.interchange import TransactionSet, read_sets, rewrite
from intertie.formats.x12.layout import profile
from intertie.formats.x12.sets import CONTROL_MAX, read_document, write_document, write_file
from intertie.formats.x12.stamps import Clock
from intertie.formats.x12.trading import Trading, X12Party
from intertie.model.aggregation import AggregationRegistration, RegistrationDecision
from intertie.model.errors import Fault, IntertieError
from intertie.model.ids import UUID7, MessageId, PartyId
from intertie.model.message import Header, Mode
from intertie.model.record import Record
from intertie.model.system import OutageNotice, OutageUpdate, RestorationNotice

KIND = "application/edi-x12"
# Content types under which programs send X12; what is declared decides nothing else.
KINDS = (KIND, "application/edi-consent", "application/octet-stream", "text/plain")
# BGN02 and BPT02 have 30 characters; the 128 bits of an id are 25 of these.
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BITS = 128
# BGN and BPT stand first in their sets, and have the reference in their second element; 810 and 820 have a REF for it.
_REFERENCE = re.compile(r"(?:(?:BGN|BPT)(.)..|REF(.)ZZ\2MESSAGE)(?:\1|\2)([0-9A-Z]{25})\b")
_WRITTEN = re.compile(r"BGN(.)..\1.{1,30}?\1(\d{8})\1(\d{4}|\d{6})\1([A-Z]{0,2})\1")
HEAD = 300
# Before that REF there may be notes: 100 of 80 characters.
NOTES = 10_000
# Sets of one file: each becomes a message with its original beside, all in one transaction.
SETS_MAX = 10_000


class CarriedError(IntertieError):
    """A file that is X12 and is not taken."""

    fault = Fault.THEIRS


class Answered(NamedTuple):
    """What a 997 or an 824 of the partner says about one set of ours, which it names by its numbers, or by its reference."""

    level: Literal["syntax", "business"]
    accepted: bool
    detail: str
    group_control: str
    set_control: str  # empty: all sets of the group
    reference: str = ""
    at: datetime | None = None  # when the partner had it, if that is said


class CarriedSet(NamedTuple):
    """One set of a file. `body` is its document; else it has an error, or answers sets of ours."""

    one: TransactionSet
    place: str
    body: Record | None = None
    mode: Mode = Mode.SCHEDULED
    error: IntertieError | None = None
    answers: tuple[Answered, ...] = ()

    @property
    def raw(self) -> bytes:
        """This set alone, as an interchange with the same envelope."""
        return rewrite([self.one])

    @property
    def message(self) -> MessageId | None:
        """The id of ours that its writer's reference is, if it is one."""
        found = _REFERENCE.search(self.one.text, 0, NOTES)
        named = id_of_reference(found[3]) if found else ""
        return MessageId(named) if re.fullmatch(UUID7, named) else None

    @property
    def is_readable(self) -> bool:
        """Whether its syntax is right, whatever becomes of what it says."""
        return not isinstance(self.error, X12Error) or self.error.finding.code is X12Code.DOCUMENT


# In which mode each document is: X12 does not name it.
_MODES: dict[type[Record], Mode] = {
    AggregationRegistration: Mode.REGISTRATION,
    RegistrationDecision: Mode.REGISTRATION,
    OutageNotice: Mode.REAL_TIME,
    OutageUpdate: Mode.REAL_TIME,
    RestorationNotice: Mode.REAL_TIME,
}


def read_carried(data: bytes, trading: Trading, sender: PartyId) -> list[CarriedSet]:
    """The sets of a file from this party, at least one. Raises X12Error if the file cannot be read to its end, CarriedError for
    none or too many sets, or other ends than were agreed: then nobody is known to whom a set could be answered."""
    sets = read_sets(data)
    if not 0 < len(sets) <= SETS_MAX:
        raise CarriedError(
            f"the file has {len(sets)} sets, not 1 to {SETS_MAX}", do="Send them in several files."
        )
    theirs = end_of(trading, sender)
    ours = trading.other(theirs)
    for isa in {one.isa for one in sets}:
        if (isa.sender.strip(), isa.receiver.strip()) != (theirs.number, ours.number):
            raise CarriedError("ISA06 and ISA08 are not the numbers that were agreed", do="Compare [x12].")
        if isa.usage != trading.usage:
            raise CarriedError(
                f"ISA15 is not {trading.usage}: test and production do not mix", do="Compare [x12]."
            )
    return [_read(one, number, trading) for number, one in enumerate(sets, 1)]


def _read(one: TransactionSet, number: int, trading: Trading) -> CarriedSet:
    place = f"set {number} ({one.set_id} {one.control}, from segment {one.first})"
    try:
        body = read_document(one, profile(trading.profile))
    except IntertieError as error:
        return CarriedSet(one, place, error=error)
    if isinstance(body, FunctionalAcknowledgement):
        return CarriedSet(one, place, answers=_of_997(body))
    if isinstance(body, Advice):
        return CarriedSet(one, place, answers=(_of_824(body, _written(one, trading)),))
    return CarriedSet(one, place, body, _MODES.get(type(body), Mode.SCHEDULED))


def _of_997(body: FunctionalAcknowledgement) -> tuple[Answered, ...]:
    """A verdict for each set that it names; for all of the group, if it names none."""
    if not body.sets:
        accepted = body.verdict == "accepted"
        return (Answered("syntax", accepted, f"997: group {body.verdict}", body.group_control, ""),)
    return tuple(
        Answered("syntax", one.accepted, _said(one), body.group_control, one.control) for one in body.sets
    )


def _said(one: SetVerdict) -> str:
    if one.accepted:
        return "997: accepted"
    places = [
        f"{note.segment} {note.at}" + (f" element {note.element}" if note.element else "")
        for note in one.notes[:3]
    ]
    return f"997: rejected {' '.join(one.codes)}" + (f" ({'; '.join(places)})" if places else "")


def _written(one: TransactionSet, trading: Trading) -> datetime | None:
    """When an 824 was written, to the second; None if it does not say."""
    found = _WRITTEN.search(one.text[:HEAD])
    if found is None:
        return None
    with contextlib.suppress(ValueError, OverflowError):
        return Clock(profile(trading.profile)).read(found[2], found[3], found[4])
    return None


def _of_824(body: Advice, at: datetime | None) -> Answered:
    said = " ".join(part for part in ("824:", body.answer, body.reason, body.text) if part)
    return Answered(
        "business",
        body.answer != "refused",
        said,
        body.group_control,
        body.set_control,
        body.original,
        at,
    )


def write_carried(header: Header, body: Record, trading: Trading, control: int) -> bytes:
    """The file of a message of ours, an interchange of this number. X12WriteError for what no set can say."""
    made = write_document(
        body,
        trading,
        reference=reference_of_id(header.id),
        at=header.created,
        original=reference_of_id(header.in_reply_to) if header.in_reply_to else "",
    )
    sender = end_of(trading, PartyId(header.sender))
    return write_file(
        [made],
        trading,
        sender,
        control=control,
        at=header.created,
        first_group=control,
        first_set=set_number(header.id),
    )


def write_syntax(
    sets: Sequence[CarriedSet], trading: Trading, us: X12Party, at: datetime, control: int
) -> bytes:
    """The 997 of each group, as one file; empty if there is nothing to acknowledge."""
    by = profile(trading.profile)
    made = [
        write_document(one, trading, reference=f"A{control}", at=at)
        for one in answer_syntax([each.one for each in sets], by)
    ]
    return write_file(made, trading, us, control=control, at=at, first_group=control) if made else b""


def write_business(
    answers: Sequence[tuple[CarriedSet, IntertieError | None]],
    trading: Trading,
    us: X12Party,
    at: datetime,
    control: int,
) -> bytes:
    """The 824 of each set, in our books or refused by this error, as one file; empty if there are none."""
    by = profile(trading.profile)
    made = [
        write_document(answer_business(each.one, by, error), trading, reference=f"A{control}-{number}", at=at)
        for number, (each, error) in enumerate(answers, 1)
    ]
    return write_file(made, trading, us, control=control, at=at, first_group=control) if made else b""


def number_within(number: int) -> int:
    """As a control number of nine digits."""
    return (number - 1) % CONTROL_MAX + 1


def set_number(message: MessageId | str) -> int:
    """The number of the set (ST02) that carries a message: nearly its own, so that an answer is told from others."""
    return int.from_bytes(hashlib.sha256(message.encode()).digest()[:8]) % CONTROL_MAX + 1


def is_answer_to(answered: Answered, message: MessageId) -> bool:
    """Whether it may be about the set of this message."""
    if answered.set_control:
        return answered.set_control == f"{set_number(message):04}"
    return not answered.reference or answered.reference == reference_of_id(message)


def is_answered_by(answered: Answered, file: bytes) -> bool:
    """Whether it is about this file of ours: the numbers that it names are those of its group and set."""
    one = read_sets(file)[0]
    if answered.group_control and answered.group_control.lstrip("0") != one.group.control.lstrip("0"):
        return False
    return not answered.set_control or answered.set_control == one.control


def reference_of_id(message: MessageId | str) -> str:
    """A message's id in the letters and digits that a reference has room for."""
    number, found = int(message.replace("-", ""), 16), ""
    for _ in range(25):
        number, digit = divmod(number, len(_DIGITS))
        found = _DIGITS[digit] + found
    return found


def id_of_reference(reference: str) -> str:
    """The id that `reference_of_id` made it of, and empty for another reference."""
    if len(reference) != 25 or any(mark not in _DIGITS for mark in reference):
        return ""
    number = int(reference, 36)
    if number >> _BITS:
        return ""
    digits = f"{number:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def end_of(trading: Trading, party: PartyId) -> X12Party:
    """This party's end. CarriedError if it is none."""
    for end in (trading.utility, trading.aggregator):
        if end.party == party:
            return end
    raise CarriedError(f"{party} is no end of [x12]", do="Name both parties there as here.")
