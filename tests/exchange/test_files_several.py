"""Several formats with one partner: each message in the first that can say all of it, what comes told apart by its beginning; and
what both sides hold of it is the same: ids, agreement, and when it was had."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from tests.exchange.as2_world import NOTICE
from tests.exchange.file_world import FORMATS, Two
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.uftp_world import NEED, TALK, TEXT
from tests.unit.formats.espi_world import series

from intertie.exchange.outbound import State
from intertie.formats.file_terms import JsonTerms
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.gateway.trading.trade_books import event_of
from intertie.gateway.translating.accept_translated import original_of
from intertie.gateway.translating.agreements import implied_agreement
from intertie.gateway.translating.file_formats import format_in, write_file
from intertie.gateway.translating.files import FileError, read_files
from intertie.gateway.translating.foreign import Level
from intertie.market.book import Book
from intertie.model.documents import example, read_message
from intertie.model.errors import Code, Refused
from intertie.model.ids import AgreementId, DocumentName, InterfaceCode, MessageId, PartyId
from intertie.model.message import Mode
from intertie.model.metering import MeterReadingSet, Quality
from intertie.model.record import Record

SAID = MeterReadingSet(meters=(series([1, 2, 3]), series([4], meter="M2")))
BOTH = {"json": JsonTerms(), "received": Level.BUSINESS}


def two_of(format: str, **changed: Any) -> Two:
    return Two(format, **(BOTH | changed))


def say(two: Two, body: Record, mode: Mode = Mode.SCHEDULED, **more: Any) -> MessageId:
    two.now += timedelta(seconds=1)
    out = Outgoing(
        body=body,
        recipient=AGGREGATOR,
        interface=InterfaceCode("DA"),
        mode=mode,
        **({"agreement": TEXT.agreement} | more),
    )
    return send(two.gateways[UTILITY], [out], two.now)[0]


def suffix(two: Two, message: MessageId) -> str:
    """Of the file that the utility keeps of a message of its own."""
    row = two.gateways[UTILITY].store.message(message, outgoing=True)
    assert row is not None
    return read_files(original_of(row.body) or b"")[0].name.rpartition(".")[2]


def arrived(two: Two, message: MessageId) -> Any:
    two.carry(UTILITY)
    two.carry(AGGREGATOR)
    return next(read_message(row.body) for row in two.inbox(AGGREGATOR) if row.id == message)


@pytest.mark.parametrize("format", ["x12", "csv"])
def test_what_the_first_can_say_goes_in_it(format: str) -> None:
    two = two_of(format)
    message = say(two, NOTICE, Mode.REAL_TIME)
    assert suffix(two, message) == format
    header, body = arrived(two, message)
    assert (body, header.mode, header.agreement) == (NOTICE, Mode.REAL_TIME, TEXT.agreement)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED


def test_a_mode_that_a_set_has_no_word_for_goes_in_the_next() -> None:
    """X12 has outages in real time alone."""
    two = two_of("x12")
    message = say(two, NOTICE, Mode.SCHEDULED)
    assert suffix(two, message) == "json"
    header, body = arrived(two, message)
    assert (body, header.mode) == (NOTICE, Mode.SCHEDULED)


@pytest.mark.parametrize("format", ["x12", "csv", "espi"])
def test_a_document_that_the_first_has_no_words_for_goes_in_the_next(format: str) -> None:
    two = two_of(format)
    _, condition = example(DocumentName("system_condition"))
    message = say(two, condition)
    assert suffix(two, message) == "json"
    assert arrived(two, message)[1] == condition
    assert two.state(UTILITY, message)[0] is State.ACCEPTED


@pytest.mark.parametrize(
    ("quality", "format"), [(Quality.VALID, "x12"), (Quality.ESTIMATED, "x12"), (Quality.RAW, "json")]
)
def test_what_a_set_would_lose_goes_in_the_next(quality: Quality, format: str) -> None:
    """X12 knows actual and estimated; which end of an interval is named is no difference."""
    two = two_of("x12")
    body = MeterReadingSet(meters=tuple(replace(one, quality=quality) for one in SAID.meters))
    message = say(two, body)
    assert suffix(two, message) == format
    found = arrived(two, message)[1]
    assert [(one.quality, one.series.values) for one in found.meters] == [
        (one.quality, one.series.values) for one in body.meters
    ]


@pytest.mark.parametrize(("revision", "suffixed"), [(1, "xml"), (2, "json")])
def test_a_feed_has_no_revisions(revision: int, suffixed: str) -> None:
    two = two_of("espi", espi=replace(FORMATS["espi"], revision="first"))
    body = MeterReadingSet(meters=tuple(replace(one, revision=revision) for one in SAID.meters))
    message = say(two, body)
    assert suffix(two, message) == suffixed
    found = arrived(two, message)[1]
    assert [one.revision for one in found.meters] == [revision] * len(body.meters)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED  # the results of a feed name it


def test_alone_a_format_says_what_it_can() -> None:
    """With nothing beside it, what its page says is lost is lost, as it was agreed."""
    two = Two("x12")
    message = say(
        two, MeterReadingSet(meters=tuple(replace(one, quality=Quality.RAW) for one in SAID.meters))
    )
    assert suffix(two, message) == "x12"
    with pytest.raises(Refused, match="no X12 set carries"):
        say(two, example(DocumentName("system_condition"))[1])


def test_what_none_says_whole_goes_in_the_first_that_says_it_at_all() -> None:
    two = Two("x12", csv=FORMATS["csv"])
    raw = MeterReadingSet(meters=tuple(replace(one, quality=Quality.RAW) for one in SAID.meters))
    assert suffix(two, say(two, raw)) == "csv"
    assert suffix(two, say(two, NOTICE, Mode.REAL_TIME)) == "x12"
    with pytest.raises(Refused, match=r"has no table|no place|names none"):
        say(two, example(DocumentName("system_condition"))[1])


def test_an_agreement_that_a_set_would_not_say_goes_in_the_next() -> None:
    """The recipient would take it to be the one that is in force."""
    two = two_of("x12")
    foreign = two.gateways[UTILITY].partners.find(AGGREGATOR)
    assert foreign is not None and foreign.foreign is not None
    other = AgreementId("ANOTHER")
    book = two.gateways[UTILITY].books.of(two.gateways[UTILITY].store, AGGREGATOR).ledger.book
    name = DocumentName("outage_notice")
    assert implied_agreement(foreign.foreign, book, name, two.now) == TEXT.agreement
    assert implied_agreement(foreign.foreign, book, DocumentName("base_contract"), two.now) is None
    without = replace(foreign.foreign, contract=None)
    assert implied_agreement(without, book, name, two.now) == TEXT.agreement  # the only one in force
    assert implied_agreement(without, Book(), name, two.now) is None
    message = say(two, NOTICE, Mode.REAL_TIME)
    row = two.gateways[UTILITY].store.message(message, outgoing=True)
    assert row is not None
    header, _ = read_message(row.body)
    known = SimpleKnown(book)
    for under, format in ((TEXT.agreement, "x12"), (other, "json")):
        file = write_file(foreign.foreign, replace(header, agreement=under), NOTICE, known)  # type: ignore[arg-type]
        assert file.name.endswith(format)


class SimpleKnown:
    """Of `Known` what writing a file asks."""

    def __init__(self, book: Book) -> None:
        self.book = book

    def number(self) -> int:
        return 7


@pytest.mark.parametrize("format", ["csv", "json"])
def test_an_agreement_that_a_file_says_counts(format: str) -> None:
    """One that is not known here refuses it, whatever is in force besides."""
    two = Two(format)
    message = two.say(UTILITY)
    row = two.gateways[UTILITY].store.message(message, outgoing=True)
    assert row is not None
    content = read_files(original_of(row.body) or b"")[0].content
    wrong = content.replace(TEXT.agreement.encode(), b"LAST-YEAR")
    assert wrong != content
    two.take(AGGREGATOR, wrong)
    assert not two.inbox(AGGREGATOR)
    ((_, refusal),) = two.gateways[AGGREGATOR].store.refusals()
    assert refusal.code == Code.AGREEMENT_NOT_IN_FORCE and refusal.message == message


def test_what_comes_is_told_apart_by_its_beginning() -> None:
    foreign = Two("x12", csv=FORMATS["csv"], json=JsonTerms()).gateways[UTILITY].partners.find(AGGREGATOR)
    assert foreign is not None and foreign.foreign is not None
    for content, name in (
        (b"ISA*00*", "x12"),
        (b"\r\n ISA*00*", "x12"),
        (b'{"document": 1}', "json"),
        (b"  [1]", "json"),
        (b"document,outage\r\n", "csv"),
        (b"message,status\r\n", "csv"),
    ):
        assert format_in(foreign.foreign, content).name == name, content
    with pytest.raises(FileError, match=r"none of x12\+csv\+json"):
        format_in(foreign.foreign, b"<feed/>")


def test_a_file_of_none_of_them_is_refused_with_its_reason() -> None:
    two = two_of("x12")
    receipt, *answers = two.take(AGGREGATOR, b"document,outage\r\n")
    assert b"none of x12+json" in receipt.content and not answers and not two.inbox(AGGREGATOR)


def test_the_same_message_in_another_file_is_a_duplicate_and_another_under_its_name_refused() -> None:
    """A partner that writes what was lost again, with more beside it, doubles nothing."""
    two = Two("json")
    first = two.say(UTILITY)
    two.say(UTILITY, replace(NOTICE, outage="OUT-2"))
    one, other = (file.content for file in two.carry(UTILITY))
    before = [row.id for row in two.inbox(AGGREGATOR)]
    receipt, _ = two.take(AGGREGATOR, b"[" + one.strip() + b"," + other.strip() + b"]")
    assert [row.id for row in two.inbox(AGGREGATOR)] == before
    assert receipt.content.count(b": duplicate") == 2
    changed = one.replace(NOTICE.outage.encode(), b"OUT-9")
    assert changed != one
    receipt, _ = two.take(AGGREGATOR, changed)
    assert b"with this id and other bytes was received before" in receipt.content
    assert [row.id for row in two.inbox(AGGREGATOR)] == before and first in before


@pytest.mark.parametrize("format", ["x12", "csv", "json"])
def test_both_sides_hold_the_same_of_it(format: str) -> None:
    """The recipient says when it had it: the events of both books are the same, though the answer comes much later."""
    two = Two(format, received=Level.BUSINESS)
    two.now = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)  # X12 says seconds
    message = two.say(UTILITY, NOTICE)
    while two.post(UTILITY) is not None:
        pass
    had = two.now + timedelta(seconds=1)
    (file,) = two.trays[UTILITY].put
    two.take(AGGREGATOR, file.content)
    two.now += timedelta(hours=1)
    two.carry(AGGREGATOR)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED
    ours = events(two, UTILITY, AGGREGATOR)
    assert ours == events(two, AGGREGATOR, UTILITY)
    assert [at for _, at in ours] == [had]


def events(two: Two, party: PartyId, there: PartyId) -> list[tuple[MessageId, datetime]]:
    rows = two.gateways[party].store.shared_messages(there, after=0)
    found = [event for row in rows if (event := event_of(row.body, row.received)) is not None]
    return [(event.message, event.received) for event in found]


def test_a_talk_goes_on_in_any_of_them() -> None:
    """A table has its id and its conversation, and so has what answers it."""
    two = two_of("csv")
    two.say(UTILITY, NEED, talk=TALK)
    message = two.carry(UTILITY)[0].about
    two.carry(AGGREGATOR)
    [row] = two.inbox(AGGREGATOR)
    header, body = read_message(row.body)
    assert (header.id, header.conversation, body) == (message, TALK, NEED)
