"""A file of X12 as one message, and what is no such file."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.exchange.as2_world import NOTICE, TRADING
from tests.exchange.house import AGGREGATOR, NOW, UTILITY

from intertie.formats.x12.acknowledge_997 import FunctionalAcknowledgement
from intertie.formats.x12.answers import answer_syntax
from intertie.formats.x12.carried import (
    CarriedError,
    control_of,
    end_of,
    read_carried,
    write_carried,
)
from intertie.formats.x12.findings import X12Error
from intertie.formats.x12.interchange import read_sets
from intertie.formats.x12.layout import profile
from intertie.formats.x12.sets import write_document, write_file
from intertie.model.documents import document_of, example
from intertie.model.errors import IntertieError
from intertie.model.ids import DocumentName, InterfaceCode, MessageId, PartyId, new_uuid7
from intertie.model.message import Header, Mode, Verb
from intertie.model.record import Record


def header(body: Record, sender: PartyId = UTILITY) -> Header:
    kind = document_of(body)
    return Header(
        id=MessageId(new_uuid7(NOW)),
        verb=Verb.CREATED,
        document=kind.name,
        version=kind.version,
        interface=InterfaceCode("DA"),
        mode=Mode.SCHEDULED,
        sender=sender,
        recipient=AGGREGATOR if sender == UTILITY else UTILITY,
        created=NOW,
        expires=NOW + timedelta(days=1),
    )


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("outage_notice", Mode.REAL_TIME),
        ("outage_update", Mode.REAL_TIME),
        ("restoration_notice", Mode.REAL_TIME),
        ("registration_decision", Mode.REGISTRATION),
        ("invoice", Mode.SCHEDULED),
        ("dispute", Mode.SCHEDULED),
        ("remittance_advice", Mode.SCHEDULED),
    ],
)
def test_each_document_comes_back_in_its_mode(name: str, mode: Mode) -> None:
    _, body = example(DocumentName(name))
    got = read_carried(write_carried(header(body), body, TRADING), TRADING, UTILITY)
    assert type(got.body) is type(body) and got.mode is mode


def test_it_is_from_the_end_of_whoever_sent_it() -> None:
    raw = write_carried(header(NOTICE), NOTICE, TRADING)
    assert read_carried(raw, TRADING, UTILITY).body == NOTICE
    with pytest.raises(CarriedError, match="ISA06 and ISA08"):
        read_carried(raw, TRADING, AGGREGATOR)
    with pytest.raises(CarriedError, match="no end of"):
        read_carried(raw, TRADING, PartyId("stranger.example"))
    with pytest.raises(CarriedError, match="no end of"):
        end_of(TRADING, PartyId("stranger.example"))
    with pytest.raises(CarriedError, match="ISA15"):
        read_carried(raw, replace(TRADING, usage="P"), UTILITY)


def test_one_file_is_one_set() -> None:
    raw = write_carried(header(NOTICE), NOTICE, TRADING)
    with pytest.raises(CarriedError, match="2 sets"):
        read_carried(raw + raw, TRADING, UTILITY)


def test_an_acknowledgement_is_no_message() -> None:
    raw = write_carried(header(NOTICE), NOTICE, TRADING)
    (answer,) = answer_syntax(read_sets(raw), profile("ny"))
    assert isinstance(answer, FunctionalAcknowledgement)
    made = write_document(answer, TRADING, reference="R1", at=NOW)
    back = write_file([made], TRADING, TRADING.aggregator, control=7, at=NOW)
    assert read_carried(back, TRADING, AGGREGATOR).body is None


@given(st.binary(max_size=400))
def test_what_is_no_x12_is_an_error_of_ours(raw: bytes) -> None:
    with pytest.raises(IntertieError):
        read_carried(raw, TRADING, UTILITY)


def test_what_is_wrong_in_a_set_has_its_place() -> None:
    raw = write_carried(header(NOTICE), NOTICE, TRADING)
    with pytest.raises(X12Error) as caught:
        read_carried(raw.replace(b"~BGN*", b"~XXX*"), TRADING, UTILITY)
    assert caught.value.finding.place.segment


def test_interchanges_are_numbered_by_the_tenth_of_a_second() -> None:
    numbers = {control_of(NOW + timedelta(milliseconds=100 * n)) for n in range(50)}
    assert len(numbers) == 50 and max(numbers) <= 999_999_999 and min(numbers) >= 1
