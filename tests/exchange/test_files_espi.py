"""Green Button feeds as files of partners: their readings are one message, and what is wrong is refused with its entry."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from tests.exchange.as2_world import NOTICE
from tests.exchange.file_world import FORMATS, Two, foreign_of
from tests.exchange.house import AGGREGATOR, NOW, UTILITY
from tests.unit.formats.espi_world import (
    block,
    entry,
    feed,
    meter_reading,
    point,
    reading,
    reading_type,
    series,
    usual,
    written,
)

from intertie.exchange.outbound import State
from intertie.formats.espi.entries import EspiError
from intertie.formats.espi.series import REVISION_MAX, REVISIONS_FROM, revision_of
from intertie.formats.espi.terms import EspiTerms
from intertie.gateway.translating import file_espi
from intertie.gateway.translating.accept_translated import original_of
from intertie.gateway.translating.file_formats import formats_of
from intertie.gateway.translating.files import FileError, Purpose
from intertie.gateway.translating.foreign import Level
from intertie.model.documents import read_message
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.ids import MeterId
from intertie.model.interval import Window
from intertie.model.metering import Channel, MeterReadingSet, Quality
from intertie.model.record import RuleError

SAID = MeterReadingSet(meters=(series([1, None, 3]), series([4], meter="M2")))


def take(two: Two, content: bytes) -> tuple[list[Any], list[list[str]]]:
    """The bodies that came of it, and the table of results."""
    before = len(two.inbox(AGGREGATOR))
    files = two.take(AGGREGATOR, content)
    [results] = [one for one in files if one.name.startswith("results-")]
    table = list(csv.reader(io.StringIO(results.content.decode())))
    assert table[0] == ["place", "status", "code", "detail", "message", "received"]
    return [read_message(row.body)[1] for row in two.inbox(AGGREGATOR)[before:]], [
        row[:4] for row in table[1:]
    ]


def terms(**changed: Any) -> Two:
    return Two("espi", espi=EspiTerms(**changed))


def test_readings_go_as_a_feed_and_come_out_the_same() -> None:
    two = Two("espi")
    message = two.say(UTILITY, SAID)
    (file,) = two.carry(UTILITY)
    assert file.name == f"meter_readings-{message}.xml" and file.kind == "application/atom+xml"
    (row,) = two.inbox(AGGREGATOR)
    header, body = read_message(row.body)
    assert isinstance(body, MeterReadingSet) and header.document == "meter_readings"
    revision = revision_of(NOW)
    assert [replace(one, revision=1) for one in body.meters] == list(SAID.meters)
    assert {one.revision for one in body.meters} == {revision}
    assert original_of(row.body) == file.content, "the partner's own bytes are kept"


def test_what_closes_ours_is_that_it_was_fetched() -> None:
    assert foreign_of(AGGREGATOR, "espi").closing is Level.FETCHED
    with pytest.raises(RuleError, match="received: one of fetched comes"):
        foreign_of(AGGREGATOR, "espi", received=Level.BUSINESS)
    two = Two("espi")
    message = two.say(UTILITY, SAID)
    two.post(UTILITY)
    assert two.state(UTILITY, message)[0] is State.SENDING


def test_a_feed_of_a_custodian_becomes_a_message_with_the_terms_that_were_agreed() -> None:
    two = terms(usage_points={"UsagePoint/M1": MeterId("N7")}, quality=Quality.ESTIMATED)
    raw = usual(reading(0, 5), reading(1, 6))
    (body,), results = take(two, raw)
    (one,) = body.meters
    assert (one.meter, one.channel, one.quality) == ("N7", Channel.IMPORT, Quality.ESTIMATED)
    assert one.series.values == (5, 6) and results == [["the readings", "accepted", "", ""]]
    assert take(two, raw)[0] == [], "the same bytes change nothing"


def test_a_later_change_replaces_and_without_it_nothing_does() -> None:
    early, late = usual(reading(0, 5)), usual(reading(0, 6)).replace(b"2026-08-01T00", b"2026-08-02T00")
    for rule, revisions in (("updated", [24, 0]), ("first", [0, 0])):
        two = terms(revision=rule)
        found = [take(two, raw)[0][0].meters[0].revision for raw in (late, early)]
        assert [one - found[1] for one in found] == revisions
    assert revision_of(REVISIONS_FROM - timedelta(days=1)) == 1
    assert revision_of(REVISIONS_FROM.replace(year=2999)) == REVISION_MAX


@pytest.mark.parametrize(
    ("raw", "place", "what", "mend"),
    [
        (feed(point(), meter_reading(), reading_type(), block(reading(0, -1))), "entry 4", "below zero", "4"),
        (feed(point(), reading_type(), block(reading(0, 1))), "entry 3", "no MeterReading", "Link"),
        (
            feed(
                point(), meter_reading(), reading_type().replace("<uom>72<", "<uom>38<"), block(reading(0, 1))
            ),
            "entry 4",
            "uom 38 (W) is not Wh",
            "uom 72",
        ),
        (usual(reading(0, 1, seconds=7), reading(1, 1, seconds=7)), "entry 4", "intervals of 7", "divide"),
    ],
)
def test_what_is_wrong_is_refused_with_its_entry_and_what_to_do(
    raw: bytes, place: str, what: str, mend: str
) -> None:
    bodies, ((where, status, code, detail),) = take(Two("espi"), raw)
    assert (bodies, where, status, code) == ([], place, "refused", "schema")
    assert what in detail and mend in detail


def test_one_wrong_series_does_not_take_the_others_down() -> None:
    two = terms(usage_points={"UsagePoint/M1": MeterId("M1")})
    raw = written(series([1, 2]), series([3, 4], meter="M9"))
    (body,), results = take(two, raw)
    assert [one.meter for one in body.meters] == ["M1"]
    (first, second) = results
    assert first[:2] == ["the readings", "accepted"] and second[1] == "refused"
    assert "usage point" in second[3] and "[espi.usage_points]" in second[3]


def test_a_block_that_stands_there_twice() -> None:
    raw = feed(point(), meter_reading(), reading_type(), block(reading(0, 1)), block(reading(0, 1)))
    assert len(take(Two("espi"), raw)[0][0].meters) == 1
    other = feed(point(), meter_reading(), reading_type(), block(reading(0, 1)), block(reading(0, 2)))
    (body,), results = take(Two("espi"), other)
    assert body.meters[0].series.values == (1,) and "another value" in results[1][3]
    late = block(reading(0, 2)).replace("<updated>2026-08-01", "<updated>2026-08-03")
    later = feed(point(), meter_reading(), reading_type(), block(reading(0, 1)), late)
    (body,), results = take(Two("espi"), later)
    assert body.meters[0].series.values == (2,) and len(results) == 1


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"<feed", "not well-formed XML"),
        (b"<!DOCTYPE feed><feed xmlns='http://www.w3.org/2005/Atom'/>", "document type"),
        (b"<a/>", "neither an Atom feed nor an entry"),
        (feed(point()), "no interval readings"),
        (feed(entry("UsageSummary/1", "UsageSummary", "<UsageSummary/>")), "but 1 UsageSummary"),
        (usual(reading(0, 1))[:-9], "not well-formed XML"),
    ],
)
def test_a_file_that_is_no_feed_of_readings_is_refused_whole(raw: bytes, what: str) -> None:
    bodies, ((place, status, _, detail),) = take(Two("espi"), raw)
    assert (bodies, place, status) == ([], "the file", "refused") and what in detail


def test_only_so_many_refusals_are_told_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_espi, "TOLD_MAX", 2)
    raw = feed(point(), reading_type(), *[block(reading(place, 1)) for place in range(5)])
    bodies, results = take(Two("espi"), raw)
    assert not bodies and [one[0] for one in results] == ["entry 3", "entry 4", "the rest"]
    assert "3 things more" in results[2][3]


def test_what_does_not_fit_a_message_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = usual(reading(0, 5), reading(1, 6))
    monkeypatch.setattr(file_espi, "MESSAGE_BYTES_MAX", len(raw))
    bodies, ((place, status, _, detail),) = take(Two("espi"), raw)
    assert (bodies, place, status) == ([], "the readings", "refused") and "fewer days" in detail
    monkeypatch.undo()
    monkeypatch.setattr(file_espi, "METERS_MAX", 1)
    with pytest.raises(EspiError, match="several files"):
        formats_of(foreign_of(UTILITY, "espi"))[0].read(
            written(series([1]), series([2], meter="M2")), foreign_of(UTILITY, "espi"), UTILITY
        )


def test_espi_has_no_words_for_anything_else() -> None:
    two = Two("espi")
    with pytest.raises(IntertieError, match="no words for outage_notice"):
        two.say(UTILITY, NOTICE)
    with pytest.raises(SettingsError, match="no Green Button"):
        file_espi.terms_of(foreign_of(UTILITY, "csv"))
    assert issubclass(file_espi.BadFeed, FileError)


def test_results_can_be_left_out_and_the_carrier_still_says_all() -> None:
    two = terms(results=False)
    files = two.take(AGGREGATOR, usual(reading(0, 5), reading(1, -5)))
    assert [one.purpose for one in files] == [Purpose.RECEIPT]
    assert b"the readings" not in files[0].content or b"refused" in files[0].content
    assert b"entry 4: refused" in files[0].content


def test_after_its_end_date_nothing_is_taken() -> None:
    two = Two("espi", until=date(2020, 1, 1))
    bodies, ((place, status, code, _),) = take(two, usual(reading(0, 5)))
    assert (bodies, place, status, code) == ([], "the file", "refused", "protection_too_weak")


def test_its_times_are_what_the_feed_says() -> None:
    (body,), _ = take(Two("espi"), usual(reading(0, 5)))
    start = body.meters[0].series.start
    assert Window(start=start, end=start + timedelta(minutes=15)) and FORMATS["espi"].rules.by_updated
