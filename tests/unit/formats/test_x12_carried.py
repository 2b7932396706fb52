"""A file of X12 as messages, the answers that it gets and those that it is, and what is no such file."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.exchange.as2_world import NOTICE, TRADING
from tests.exchange.house import AGGREGATOR, NOW, UTILITY
from tests.unit.formats.espi_world import series

from intertie.formats.x12 import carried
from intertie.formats.x12.acknowledge_997 import FunctionalAcknowledgement
from intertie.formats.x12.carried import (
    Answered,
    CarriedError,
    CarriedSet,
    end_of,
    id_of_reference,
    is_answer_to,
    is_answered_by,
    number_within,
    read_carried,
    reference_of_id,
    set_number,
    write_business,
    write_carried,
    write_syntax,
)
from intertie.formats.x12.findings import X12Error
from intertie.formats.x12.sets import CONTROL_MAX, write_document, write_file
from intertie.formats.x12.trading import Trading
from intertie.model.documents import document_of, example
from intertie.model.errors import Code, IntertieError, Refused
from intertie.model.ids import DocumentName, InterfaceCode, MessageId, PartyId, new_uuid7
from intertie.model.message import Header, Mode, Verb
from intertie.model.metering import MeterReadingSet
from intertie.model.record import Record

READINGS = MeterReadingSet(meters=(series([1, 2, 3]),))


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


def one_of(raw: bytes, trading: Trading = TRADING, sender: PartyId = UTILITY) -> CarriedSet:
    (one,) = read_carried(raw, trading, sender)
    return one


def written(body: Record = NOTICE, control: int = 7) -> bytes:
    return write_carried(header(body), body, TRADING, control)


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
    got = one_of(written(body))
    assert type(got.body) is type(body) and got.mode is mode and got.error is None and not got.answers


@pytest.mark.parametrize(
    "name",
    ["outage_notice", "registration_decision", "invoice", "dispute", "remittance_advice", "meter_readings"],
)
@pytest.mark.parametrize("profile", ["ny", "pa", "tx"])
def test_each_set_says_the_id_of_its_message(name: str, profile: Literal["ny", "pa", "tx"]) -> None:
    """As its reference, or, where a set has none, in a REF of its own; a partner may leave it out."""
    body = READINGS if name == "meter_readings" else example(DocumentName(name))[1]
    trading, message = replace(TRADING, profile=profile), header(body)
    raw = write_carried(message, body, trading, 7)
    assert one_of(raw, trading).message == message.id
    reference = reference_of_id(message.id).encode()
    assert raw.count(reference) == 1
    own = raw.replace(reference, b"OURS-7")
    assert name in ("invoice", "remittance_advice") or one_of(own, trading).message is None
    other = raw.replace(reference, b"Z" * 25)  # no id at all
    assert one_of(other, trading).message is None


def test_a_set_that_does_not_say_it_is_taken_all_the_same() -> None:
    body = example(DocumentName("invoice"))[1]
    raw = write_carried(header(body), body, TRADING, 7)
    start = raw.index(b"REF*ZZ*MESSAGE*")
    without = raw[:start] + raw[raw.index(b"~", start) + 1 :].replace(b"SE*", b"SE*", 1)
    count = int(without.rsplit(b"SE*", 1)[1].split(b"*")[0])
    without = without.replace(b"SE*%d*" % count, b"SE*%d*" % (count - 1))
    got = one_of(without)
    assert got.body == body and got.message is None


@pytest.mark.parametrize("at", [NOW, NOW + timedelta(seconds=7), NOW - timedelta(days=100)])
@pytest.mark.parametrize("profile", ["ny", "pa", "tx"])
def test_an_824_says_when_the_set_was_had(at: datetime, profile: Literal["ny", "pa", "tx"]) -> None:
    trading = replace(TRADING, profile=profile)
    sets = read_carried(write_carried(header(NOTICE), NOTICE, trading, 7), trading, UTILITY)
    (said,) = back(write_business([(sets[0], None)], trading, trading.aggregator, at, 6), trading)
    assert said.at == at.replace(microsecond=0)
    (syntax,) = back(write_syntax(sets, trading, trading.aggregator, at, 5), trading)
    assert syntax.at is None


def test_it_is_from_the_end_of_whoever_sent_it() -> None:
    raw = written()
    assert one_of(raw).body == NOTICE
    with pytest.raises(CarriedError, match="ISA06 and ISA08"):
        read_carried(raw, TRADING, AGGREGATOR)
    with pytest.raises(CarriedError, match="no end of"):
        read_carried(raw, TRADING, PartyId("stranger.example"))
    with pytest.raises(CarriedError, match="no end of"):
        end_of(TRADING, PartyId("stranger.example"))
    with pytest.raises(CarriedError, match="ISA15"):
        read_carried(raw, replace(TRADING, usage="P"), UTILITY)


def test_a_file_has_many_sets_and_each_is_a_file_of_its_own() -> None:
    first, second = written(control=7), written(control=8)
    sets = read_carried(first + second, TRADING, UTILITY)
    assert [one.body for one in sets] == [NOTICE, NOTICE]
    assert [one.raw for one in sets] == [first, second]
    assert sets[1].place.startswith("set 2 (650 ") and len({one.place for one in sets}) == 2


def test_no_set_at_all_and_too_many_are_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried, "SETS_MAX", 1)
    with pytest.raises(CarriedError, match="2 sets"):
        read_carried(written() + written(), TRADING, UTILITY)


def test_what_is_wrong_in_a_set_has_its_place_and_is_no_matter_of_the_others() -> None:
    good = written()
    bad = good.replace(b"~BGN*", b"~XXX*")
    broken, fine = read_carried(bad + good, TRADING, UTILITY)
    assert isinstance(broken.error, X12Error) and broken.error.finding.place.segment == 4
    assert broken.body is None and not broken.is_readable
    assert fine.body == NOTICE and fine.is_readable


def back(answer: bytes, trading: Trading = TRADING) -> tuple[Answered, ...]:
    found = read_carried(answer, trading, AGGREGATOR)
    assert all(one.body is None and one.error is None for one in found)
    return tuple(each for one in found for each in one.answers)


def test_the_three_answers_say_which_set_and_are_no_messages() -> None:
    message = header(NOTICE)
    raw = write_carried(message, NOTICE, TRADING, 123)
    sets = read_carried(raw, TRADING, UTILITY)
    (syntax,) = back(write_syntax(sets, TRADING, TRADING.aggregator, NOW, 5))
    assert (syntax.level, syntax.accepted, syntax.detail) == ("syntax", True, "997: accepted")
    refused = Refused(Code.TRADE_RULE, "outage.known: it is not")
    (business,) = back(write_business([(sets[0], refused)], TRADING, TRADING.aggregator, NOW, 6))
    assert (business.level, business.accepted) == ("business", False)
    assert business.detail == "824: refused TRADE_RULE outage.known: it is not"
    for said in (syntax, business):
        assert is_answer_to(said, message.id) and is_answered_by(said, raw)
        other = header(NOTICE)
        assert not is_answer_to(said, other.id)
        assert not is_answered_by(said, write_carried(other, NOTICE, TRADING, 124))
    assert id_of_reference(business.reference) == message.id


def test_a_rejected_set_is_told_with_its_places_and_gets_no_824() -> None:
    raw = written().replace(b"~BGN*13*", b"~BGN*13**", 1)
    sets = read_carried(raw, TRADING, UTILITY)
    assert not sets[0].is_readable
    (syntax,) = back(write_syntax(sets, TRADING, TRADING.aggregator, NOW, 5))
    assert not syntax.accepted and "BGN 2 element 2" in syntax.detail


def test_a_group_that_is_rejected_as_a_whole_answers_all_its_sets() -> None:
    raw = written(control=9)
    (one,) = read_carried(raw, TRADING, UTILITY)
    verdict = FunctionalAcknowledgement(
        functional=one.one.group.functional,
        group_control="9",
        verdict="rejected",
        included=1,
        received=0,
        accepted=0,
    )
    made = write_document(verdict, TRADING, reference="R1", at=NOW)
    (said,) = back(write_file([made], TRADING, TRADING.aggregator, control=7, at=NOW))
    assert not said.accepted and said.set_control == ""
    assert is_answer_to(said, MessageId(new_uuid7(NOW))) and is_answered_by(said, raw)
    assert not is_answered_by(said, written(control=8))


def test_an_answer_is_not_answered() -> None:
    sets = read_carried(written(), TRADING, UTILITY)
    answer = write_syntax(sets, TRADING, TRADING.aggregator, NOW, 5)
    assert write_syntax(read_carried(answer, TRADING, AGGREGATOR), TRADING, TRADING.utility, NOW, 6) == b""
    assert write_business([], TRADING, TRADING.utility, NOW, 6) == b""


@given(st.binary(max_size=400))
def test_what_is_no_x12_is_an_error_of_ours(raw: bytes) -> None:
    with pytest.raises(IntertieError):
        read_carried(raw, TRADING, UTILITY)


@given(st.uuids(version=4), st.integers(min_value=1))
def test_numbers_and_references_fit_their_elements(uuid: UUID, number: int) -> None:
    message = MessageId(str(uuid))
    reference = reference_of_id(message)
    assert len(reference) <= 30 and id_of_reference(reference) == message
    assert 1 <= set_number(message) <= CONTROL_MAX and 1 <= number_within(number) <= CONTROL_MAX


@given(st.text(alphabet="0Z9A-a", max_size=30))
def test_another_reference_is_nobody_s(reference: str) -> None:
    found = id_of_reference(reference)
    assert not found or reference_of_id(found) == reference


def test_control_numbers_go_round() -> None:
    assert [number_within(n) for n in (1, CONTROL_MAX, CONTROL_MAX + 1)] == [1, CONTROL_MAX, 1]
