"""Sets and documents: which set carries which document, whole interchanges from documents, and documents from sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from intertie.formats.x12.acknowledge_997 import (
    FunctionalAcknowledgement,
    read_acknowledgement,
    write_acknowledgement,
)
from intertie.formats.x12.advice_824 import Advice, read_answer, write_advice, write_dispute
from intertie.formats.x12.findings import Finding, Place, X12Code, X12Error, X12WriteError
from intertie.formats.x12.interchange import Group, OutGroup, TransactionSet, write_interchange
from intertie.formats.x12.invoice_810 import read_invoice, write_invoice
from intertie.formats.x12.layout import Profile, layout, profile
from intertie.formats.x12.outage_650 import read_outage, write_outage
from intertie.formats.x12.read_set import read_set
from intertie.formats.x12.readings_867 import read_readings, write_readings
from intertie.formats.x12.registration_814 import read_enrolment, write_decision, write_registration
from intertie.formats.x12.remittance_820 import read_remittance, write_remittance
from intertie.formats.x12.separators import COMMON, Isa, Separators
from intertie.formats.x12.trading import Call, Trading, X12Party
from intertie.formats.x12.tree import Node
from intertie.formats.x12.write_set import write_set
from intertie.model.aggregation import AggregationRegistration, RegistrationDecision
from intertie.model.billing import Dispute, Invoice, RemittanceAdvice
from intertie.model.explain import why_unreadable
from intertie.model.metering import MeterReadingSet
from intertie.model.record import Record
from intertie.model.system import OutageNotice, OutageUpdate, RestorationNotice

# GS06 and ISA13 have nine digits.
CONTROL_MAX = 999_999_999


class Way(NamedTuple):
    """A document's way into a set."""

    set_id: str
    write: Callable[[Any, Call], Node]


WRITERS: dict[type[Record], Way] = {
    Invoice: Way("810", write_invoice),
    MeterReadingSet: Way("867", write_readings),
    RemittanceAdvice: Way("820", write_remittance),
    AggregationRegistration: Way("814", write_registration),
    RegistrationDecision: Way("814", write_decision),
    OutageNotice: Way("650", write_outage),
    OutageUpdate: Way("650", write_outage),
    RestorationNotice: Way("650", write_outage),
    Dispute: Way("824", write_dispute),
    Advice: Way("824", write_advice),
    FunctionalAcknowledgement: Way("997", write_acknowledgement),
}
READERS: dict[str, Callable[[Node, Call], Record]] = {
    "810": read_invoice,
    "867": read_readings,
    "820": read_remittance,
    "814": read_enrolment,
    "650": read_outage,
    "824": read_answer,
    "997": read_acknowledgement,
}


def read_document(one: TransactionSet, by: Profile) -> Record:
    """The document that a set carries. X12Error has everything that is wrong with the set, or that it makes no document."""
    reader = READERS.get(one.set_id)
    if reader is None:
        raise X12Error(Finding(X12Code.UNKNOWN_SET, Place(one.first, "ST", 1, position=1)))
    node = read_set(one, layout(one.set_id, by.name)).checked()
    try:
        return reader(node, Call(by, one.set_id))
    except X12Error as error:
        raise X12Error(_found(one, error.finding)) from error
    except (ValueError, OverflowError, ArithmeticError) as error:
        place = Place(one.first, "ST", position=1)
        raise X12Error(Finding(X12Code.DOCUMENT, place, why_unreadable(error))) from error


def _found(one: TransactionSet, finding: Finding) -> Finding:
    """With the number of the segment, where the tree knew its id alone: the last one of that id."""
    place = finding.place
    if place.segment or not place.id:
        return finding
    ids = [row[0] for row in one.rows()]
    at = len(ids) - 1 - ids[::-1].index(place.id) if place.id in ids else 0
    return finding._replace(place=place._replace(segment=one.first + at, position=at + 1))


class Outgoing(NamedTuple):
    """A set to be written: its id, the group it belongs to, and its segments."""

    set_id: str
    functional: str
    body: str


def write_document(
    body: Record,
    trading: Trading,
    *,
    reference: str,
    at: datetime,
    original: str = "",
    marks: Separators = COMMON,
) -> Outgoing:
    """The set of a document. X12WriteError if no set carries it, or this set cannot say what it says."""
    way = WRITERS.get(type(body))
    if way is None:
        raise X12WriteError(
            Finding(X12Code.NO_PLACE, detail="no X12 set carries this document"), do="Send it natively."
        )
    by = layout(way.set_id, trading.profile)
    call = Call(profile(trading.profile), way.set_id, trading, reference, at, original)
    return Outgoing(way.set_id, by.group, write_set(way.write(body, call), by, marks))


def write_file(
    sets: Sequence[Outgoing],
    trading: Trading,
    sender: X12Party,
    *,
    control: int,
    at: datetime,
    marks: Separators = COMMON,
    first_group: int = 1,
    first_set: int = 1,
) -> bytes:
    """An interchange with a group for each kind of set. `control` numbers it; its groups and sets count from 1, or from where
    it is said: a 997 names a set by the numbers of group and set alone."""
    receiver = trading.other(sender)
    local = at.astimezone(Call(profile(trading.profile), "all").zone)
    number = f"{control % (CONTROL_MAX + 1):09}"
    isa = Isa(
        sender.qualifier,
        sender.number,
        receiver.qualifier,
        receiver.number,
        local.strftime("%y%m%d"),
        local.strftime("%H%M"),
        number,
        "0",
        trading.usage,
    )
    groups = []
    for count, functional in enumerate(dict.fromkeys(one.functional for one in sets), first_group):
        group = Group(
            functional,
            sender.number,
            receiver.number,
            local.strftime("%Y%m%d"),
            local.strftime("%H%M"),
            f"{count % (CONTROL_MAX + 1)}",
        )
        inside = [one for one in sets if one.functional == functional]
        numbered = [(one.set_id, f"{n:04}", one.body) for n, one in enumerate(inside, first_set)]
        groups.append(OutGroup(group, numbered))
    return write_interchange(isa, groups, marks)
