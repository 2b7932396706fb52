"""A file of X12 that another protocol carries, as the one message that it says, and back.

So far one file is one message: an interchange with several sets is refused with its reason, and nothing of it is taken.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from intertie.formats.x12.acknowledge_997 import FunctionalAcknowledgement
from intertie.formats.x12.advice_824 import Advice
from intertie.formats.x12.interchange import read_sets
from intertie.formats.x12.layout import profile
from intertie.formats.x12.sets import CONTROL_MAX, read_document, write_document, write_file
from intertie.formats.x12.trading import Trading, X12Party
from intertie.model.aggregation import AggregationRegistration, RegistrationDecision
from intertie.model.errors import Fault, IntertieError
from intertie.model.ids import PartyId
from intertie.model.message import Header, Mode
from intertie.model.record import Record
from intertie.model.system import OutageNotice, OutageUpdate, RestorationNotice

KIND = "application/edi-x12"
# Content types under which programs send X12; what is declared decides nothing else.
KINDS = (KIND, "application/edi-consent", "application/octet-stream", "text/plain")
# BGN02 and BPT02 have 30 characters; a message's id has 32 digits, the last of them random.
REFERENCE_DIGITS = 30
# Interchanges are numbered by the tenth of a second in which they are written: ISA13 has nine digits, three years of them.
TICKS = 10


class CarriedError(IntertieError):
    """A file that is X12 and is not taken."""

    fault = Fault.THEIRS


class Carried(NamedTuple):
    """What a file says, and in which mode: X12 does not name it, and each of its documents has one. `body`: None for an
    acknowledgement of something of ours, which is no message."""

    body: Record | None
    mode: Mode = Mode.SCHEDULED


_MODES: dict[type[Record], Mode] = {
    AggregationRegistration: Mode.REGISTRATION,
    RegistrationDecision: Mode.REGISTRATION,
    OutageNotice: Mode.REAL_TIME,
    OutageUpdate: Mode.REAL_TIME,
    RestorationNotice: Mode.REAL_TIME,
}


def read_carried(data: bytes, trading: Trading, sender: PartyId) -> Carried:
    """The message of a file from this party. Raises X12Error with everything that is wrong, CarriedError for one set too many or
    too few, or other ends than were agreed."""
    sets = read_sets(data)
    if len(sets) != 1:
        raise CarriedError(f"the file has {len(sets)} sets", do="Send each set as a file of its own.")
    one = sets[0]
    theirs = end_of(trading, sender)
    ours = trading.other(theirs)
    if (one.isa.sender.strip(), one.isa.receiver.strip()) != (theirs.number, ours.number):
        raise CarriedError("ISA06 and ISA08 are not the numbers that were agreed", do="Compare [x12].")
    if one.isa.usage != trading.usage:
        raise CarriedError(
            f"ISA15 is not {trading.usage}: test and production do not mix", do="Compare [x12]."
        )
    body = read_document(one, profile(trading.profile))
    if isinstance(body, FunctionalAcknowledgement | Advice):
        return Carried(None)
    return Carried(body, _MODES.get(type(body), Mode.SCHEDULED))


def write_carried(header: Header, body: Record, trading: Trading) -> bytes:
    """The file of a message of ours. Raises X12WriteError for what no set can say."""
    made = write_document(
        body,
        trading,
        reference=header.id.replace("-", "")[:REFERENCE_DIGITS],
        at=header.created,
        original=(header.in_reply_to or "").replace("-", "")[:REFERENCE_DIGITS],
    )
    sender = end_of(trading, PartyId(header.sender))
    return write_file([made], trading, sender, control=control_of(header.created), at=header.created)


def control_of(at: datetime) -> int:
    """The number of an interchange that is written now."""
    return int(at.timestamp() * TICKS) % CONTROL_MAX + 1


def end_of(trading: Trading, party: PartyId) -> X12Party:
    """This party's end. CarriedError if it is none."""
    for end in (trading.utility, trading.aggregator):
        if end.party == party:
            return end
    raise CarriedError(f"{party} is no end of [x12]", do="Name both parties there as here.")
