"""Files that our own people bring: told apart by their bytes, looked at row by row, and done with once."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.exchange.as2_world import NOTICE
from tests.exchange.as2_world import Two as AsTwo
from tests.exchange.file_world import Two
from tests.exchange.house import AGGREGATOR, NOW, UTILITY, Pair, Wire, make_pair
from tests.exchange.test_deliver import declare
from tests.exchange.test_files import interchange
from tests.exchange.test_readings import Side, said
from tests.exchange.test_readings import pair as pair
from tests.unit.formats.espi_world import feed, written
from tests.unit.formats.espi_world import series as espi_series

from intertie.gateway.gateway import Gateway
from intertie.gateway.office import uploaded, uploaded_acts, uploaded_readings
from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.uploaded import Kind, Row, Way, kind_of, look
from intertie.gateway.office.uploaded_acts import Brings
from intertie.gateway.ports import Query
from intertie.gateway.sending.deliver import deliver_once
from intertie.market.reading_days import KEPT, Fault
from intertie.model.documents import example
from intertie.model.errors import IntertieError, PartnerError, Refused, SettingsError
from intertie.model.ids import DocumentName, InterfaceCode, PartyId, new_message_id
from intertie.model.message import Mode
from intertie.model.metering import MeterReadingSet
from intertie.model.record import Record

CSV = b"meter,start,value\nM1,2026-01-10T00:00:00-05:00,1.5\nM1,2026-01-10T00:15:00-05:00,2.5\n"
PARCEL = b"ITP1\x00\x00\x00\x02{}"
STAMP = Stamp(NOW, new_message_id(NOW), False)


@pytest.fixture(scope="module")
def houses() -> Pair:
    """Nothing here changes them."""
    return make_pair()


def brings(content: bytes, role: OfficeRole = OfficeRole.OPERATOR, stamp: Stamp = STAMP) -> Brings:
    return Brings("file", content, frozenset({role}), stamp)


def stated(*bodies: tuple[str, Record], **more: Any) -> bytes:
    """Documents as a JSON file."""
    made = [{"document": name, "body": msgspec.to_builtins(body), **more} for name, body in bodies]
    return msgspec.json.encode(made)


def notices(*outages: str, **more: Any) -> bytes:
    more = {"mode": "real_time", **more}
    return stated(*(("outage_notice", replace(NOTICE, outage=outage)) for outage in outages), **more)


def queued(gateway: Gateway) -> list[str]:
    """What is on its way, in order of its ids: so it is folded where all arrive at once."""
    rows = gateway.store.messages(Query(outgoing=True))
    return [json.loads(row.body)["body"]["outage"] for row in sorted(rows, key=lambda row: row.id)]


# Telling files apart


@pytest.mark.parametrize(
    ("content", "kind", "separator"),
    [
        (PARCEL, Kind.PARCEL, ","),
        (b"ISA*00*          *", Kind.X12, ","),
        (b"\xef\xbb\xbf  ISA~00", Kind.X12, ","),
        (b"ISAAC,document\n", Kind.TABLE, ","),
        (b'<?xml version="1.0"?><feed xmlns:espi="http://naesb.org/espi">', Kind.ESPI, ","),
        (b"<html><script>alert(1)</script></html>", Kind.UNKNOWN, ","),
        (b'  [{"document":"invoice"}]', Kind.JSON, ","),
        (b'{"document":"meter_readings","body":{"meters":[]}}', Kind.JSON, ","),
        (b'{"meters":[]}', Kind.READINGS_JSON, ","),
        (b"{broken", Kind.JSON, ","),
        (b"[" * 100_000, Kind.JSON, ","),
        (CSV, Kind.READINGS_CSV, ","),
        (CSV.replace(b",", b";"), Kind.READINGS_CSV, ";"),
        (b'"document"\t"outage"\nx\ty\n', Kind.TABLE, "\t"),
        (b"name;age\n", Kind.UNKNOWN, ","),
        (b"", Kind.UNKNOWN, ","),
        (b" \n\t ", Kind.UNKNOWN, ","),
        (b"PK\x03\x04 meter,value", Kind.UNKNOWN, ","),
        (b"%PDF-1.7\nmeter,value\n", Kind.UNKNOWN, ","),
        (b"meter,value\n\x00", Kind.UNKNOWN, ","),
        (b"-----BEGIN PRIVATE KEY-----", Kind.UNKNOWN, ","),
        (b"\xff\xfem\x00e\x00t\x00e\x00r\x00", Kind.UNKNOWN, ","),
    ],
)
def test_a_file_is_what_its_bytes_say(content: bytes, kind: Kind, separator: str) -> None:
    assert kind_of(content) == (kind, separator)


@given(
    st.binary(max_size=300)
    | st.sampled_from([CSV, PARCEL, b"ISA*", b"<feed espi"]).flatmap(
        lambda head: st.binary(max_size=100).map(lambda tail: head + tail)
    )
)
def test_whatever_is_brought_is_looked_at_and_nothing_raises(content: bytes) -> None:
    found = look(GATEWAY, "any", content)
    assert found.size == len(content) and found.right + found.wrong == len(found.rows) + found.rows_left_out
    assert found.kind is not Kind.UNKNOWN or (not found.ways and found.wrong == 1)
    assert all(row.do and row.why for row in found.rows if not row.ok)


GATEWAY = make_pair().utility


@pytest.mark.parametrize(
    ("content", "why", "do"),
    [
        (b"PK\x03\x04", "spreadsheet", "CSV"),
        (b"%PDF-1.7", "PDF", "bring the CSV"),
        (b"\x1f\x8b\x08", "gzip", "Unpack"),
        (b"", "empty", "again"),
        (b"GIF89a/*<script>*/", "no parcel, X12", "first line"),
    ],
)
def test_what_is_nothing_of_ours_says_what_to_bring(houses: Pair, content: bytes, why: str, do: str) -> None:
    [row] = look(houses.utility, "<img src=x>", content).rows
    assert not row.ok and why in row.why and do in row.do and "script" not in row.why


def test_rows_of_a_table_stand_with_their_lines_the_wrong_ones_first(houses: Pair) -> None:
    two = Two("csv")
    two.say(UTILITY)
    (file,) = two.carry(UTILITY)
    lines = file.content.decode().splitlines()
    cells = next(csv.reader(io.StringIO(lines[1])))
    cells[lines[0].split(",").index("outage")] = "O-2"
    cells[lines[0].split(",").index("cause")] = "the weather"
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    found = look(houses.utility, "a.csv", "\n".join([*lines, out.getvalue()]).encode())
    assert (found.kind, found.right, found.wrong) == (Kind.TABLE, 1, 1)
    assert found.ways == (Way.SEND, Way.TAKE)
    first, second = found.rows
    assert (
        not first.ok
        and first.place.startswith(f"line {len(lines) + 1}")
        and "cause" in first.why
        and first.do
    )
    assert second == Row(second.place, "outage_notice", True)


def test_more_rows_than_are_told_are_counted(houses: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploaded, "ROWS_MAX", 2)
    found = look(houses.utility, "a.json", notices("A", "B", "C"))
    assert len(found.rows) == 2 and found.rows_left_out == 1 and found.right == 3


def test_an_interchange_says_segment_and_what_is_wrong(houses: Pair) -> None:
    good = interchange("O-1")
    found = look(houses.utility, "a.x12", good)
    assert (found.kind, found.right, found.wrong) == (Kind.X12, 1, 0)
    cut = look(houses.utility, "a.x12", good[: len(good) // 2])
    assert cut.wrong and any("ends before" in row.why for row in cut.rows)
    changed = good.replace(b"~DTM*197*20260120", b"~DTM*197*20261320")
    bad = look(houses.utility, "a.x12", changed)
    assert changed != good and bad.wrong == 1 and "DTM" in bad.rows[0].place and bad.rows[0].do


def test_a_parcel_names_its_sender_before_anything_is_believed(houses: Pair) -> None:
    pair = make_pair()
    declare(pair)
    wire = Wire(pair.utility, AGGREGATOR)
    run(pair, wire)
    found = look(pair.utility, "a.itp", wire.sent[0])
    assert found.sender == AGGREGATOR and found.ways == (Way.ACCEPT,) and found.rows[0].ok
    astray = look(pair.aggregator, "a.itp", wire.sent[0])
    assert not astray.rows[0].ok and UTILITY in astray.rows[0].why
    broken = look(pair.utility, "a.itp", PARCEL)
    assert not broken.rows[0].ok and broken.sender is None


def run(pair: Pair, wire: Wire) -> None:
    asyncio.run(deliver_once(pair.aggregator, wire, UTILITY, lambda: NOW, lambda: 0.5))


# Sending


def test_each_document_of_a_file_goes_in_its_order() -> None:
    gateway = make_pair().utility
    later = Stamp(NOW + timedelta(hours=1), STAMP.message, False)
    names = [f"O-{number}" for number in range(12)]
    done = uploaded_acts.send_rows(gateway, brings(notices(*names), stamp=later), AGGREGATOR)
    assert (done.right, done.wrong) == (12, 0) and len({row.message for row in done.rows}) == 12
    before = queued(gateway)
    assert [name for name in before if name in names] == names
    again = later._replace(again=True)
    same = uploaded_acts.send_rows(gateway, brings(notices(*names), stamp=again), AGGREGATOR)
    assert same.rows == done.rows and queued(gateway) == before, "nothing is said twice"


def test_what_is_wrong_is_left_and_the_rest_goes() -> None:
    gateway = make_pair().utility
    mixed = json.loads(notices("O-1", "O-2", "O-3"))
    mixed[1]["body"]["cause"] = "the weather"
    raw = json.dumps(mixed).encode()
    checked = uploaded_acts.send_rows(gateway, brings(raw), AGGREGATOR, check=True)
    assert (checked.right, checked.wrong) == (2, 1) and queued(gateway) == []
    done = uploaded_acts.send_rows(gateway, brings(raw), AGGREGATOR)
    assert [row.ok for row in done.rows] == [True, False, True] and queued(gateway) == ["O-1", "O-3"]
    assert "cause" in done.rows[1].why and "weather" not in done.rows[1].why and done.rows[1].message == ""


def test_a_role_sends_only_what_is_its_business() -> None:
    gateway = make_pair().utility
    done = uploaded_acts.send_rows(gateway, brings(notices("O-1"), OfficeRole.SETTLEMENT), AGGREGATOR)
    assert done.wrong == 1 and "settlement" in done.rows[0].why and queued(gateway) == []
    assert done.rows[0].what == "outage_notice"


def test_what_does_not_go_that_way_says_so_for_its_row() -> None:
    pair = make_pair()
    done = uploaded_acts.send_rows(pair.aggregator, brings(notices("O-1")), UTILITY)
    assert done.wrong == 1 and "no flow carries outage_notice" in done.rows[0].why
    with pytest.raises(Refused):
        uploaded_acts.send_rows(pair.utility, brings(notices("O-1")), PartyId("nobody.example"))
    with pytest.raises(SettingsError, match="no documents"):
        uploaded_acts.send_rows(pair.utility, brings(CSV), AGGREGATOR)
    with pytest.raises(SettingsError, match="no X12"):
        uploaded_acts.send_rows(pair.utility, brings(interchange("O-1")), AGGREGATOR)


def test_which_way_is_said_by_the_file_or_by_the_person() -> None:
    gateway, raw = make_pair().utility, notices("O-1", mode=None)
    open_ = uploaded_acts.send_rows(gateway, brings(raw), AGGREGATOR)
    assert open_.wrong == 1 and "several ways" in open_.rows[0].why
    along = uploaded_acts.Along(InterfaceCode("DA"), Mode.SCHEDULED)
    assert uploaded_acts.send_rows(gateway, brings(raw), AGGREGATOR, along).right == 1
    [row] = gateway.store.messages(Query(outgoing=True))
    assert row.mode == "scheduled"


def test_a_broken_file_is_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = make_pair().utility
    done = uploaded_acts.send_rows(gateway, brings(b"[{]"), AGGREGATOR)
    assert (done.right, done.wrong) == (0, 1) and done.rows[0].place == "the file"
    monkeypatch.setattr(uploaded_acts, "SEND_MAX", 1)
    with pytest.raises(SettingsError, match="at most 1"):
        uploaded_acts.send_rows(gateway, brings(notices("O-1", "O-2")), AGGREGATOR)


def test_our_own_interchange_goes_to_a_partner_with_whom_it_was_agreed() -> None:
    two = Two("x12")
    done = uploaded_acts.send_rows(two.gateways[UTILITY], brings(interchange("O-7")), AGGREGATOR)
    assert done.right == 1 and queued(two.gateways[UTILITY]) == ["O-7"]
    astray = uploaded_acts.send_rows(two.gateways[AGGREGATOR], brings(interchange("O-7")), UTILITY)
    assert astray.wrong == 1 and "ISA06" in astray.rows[0].why, "it is not ours to send"


# Taking in


@pytest.mark.parametrize("format", ["x12", "csv", "json"])
def test_what_a_partner_gave_us_by_hand_is_taken_in_once(format: str) -> None:
    two = Two(format)
    two.say(UTILITY)
    (file,) = put_down(two)
    gateway = two.gateways[AGGREGATOR]
    done = uploaded_acts.take_from(gateway, brings(file), UTILITY)
    assert (done.right, done.wrong) == (1, 0) and done.rows[0].ok
    [row] = two.inbox(AGGREGATOR)
    assert done.rows[0].message == row.id
    again = uploaded_acts.take_from(gateway, brings(file), UTILITY)
    assert again == done and len(two.inbox(AGGREGATOR)) == 1
    assert done.answers[0].kind == "text/plain" and len(done.answers) > 1, (
        "the format's own answers, to bring back"
    )


def put_down(two: Two) -> tuple[bytes]:
    """The file of the utility's message, that nobody carried."""
    while two.post(UTILITY) is not None:
        pass
    return (two.trays[UTILITY].put[-1].content,)


def test_of_a_partner_s_file_each_thing_has_its_result() -> None:
    two = Two("json")
    mixed = json.loads(notices("O-1", "O-2"))
    mixed[1]["body"]["cause"] = "the weather"
    done = uploaded_acts.take_from(two.gateways[AGGREGATOR], brings(json.dumps(mixed).encode()), UTILITY)
    assert [(row.place, row.ok) for row in done.rows] == [("document 1", True), ("document 2", False)]
    assert "cause" in done.rows[1].why and done.rows[1].do
    broken = uploaded_acts.take_from(two.gateways[AGGREGATOR], brings(b"[1"), UTILITY)
    assert (broken.right, broken.wrong) == (0, 1)


def test_a_file_that_came_by_its_carrier_before_is_known() -> None:
    two = Two("json")
    two.take(AGGREGATOR, notices("O-1"))
    done = uploaded_acts.take_from(two.gateways[AGGREGATOR], brings(notices("O-1")), UTILITY)
    assert [row.what for row in done.rows] == ["taken in before"] and len(two.inbox(AGGREGATOR)) == 1


def test_who_has_a_gateway_or_signs_its_files_is_not_believed_by_hand() -> None:
    with pytest.raises(SettingsError, match="has a gateway"):
        uploaded_acts.take_from(make_pair().utility, brings(notices("O-1")), AGGREGATOR)
    from_as2 = AsTwo()
    with pytest.raises(SettingsError, match="signed when they come by as2"):
        uploaded_acts.take_from(from_as2.gateways[UTILITY], brings(interchange("O-1")), AGGREGATOR)


# Parcels


def test_a_parcel_that_was_carried_is_accepted_and_its_receipt_closes_it() -> None:
    pair = make_pair()
    ids = [declare(pair) for _ in range(2)]
    kept = Wire(pair.utility, AGGREGATOR, answers=[PartnerError("no way there")])
    run(pair, kept)
    done = uploaded_acts.accept_brought(pair.utility, brings(kept.sent[0]))
    assert [row.message for row in done.rows] == ids and done.wrong == 0
    [receipt] = done.answers
    assert receipt.name.endswith(".jws")
    again = uploaded_acts.accept_brought(pair.utility, brings(kept.sent[0]))
    assert again.rows == done.rows and len(pair.utility.store.messages(Query(outgoing=False))) == 2
    with pytest.raises(Refused):
        uploaded_acts.accept_brought(pair.utility, brings(kept.sent[0][:-1] + b"x"))
    with pytest.raises(Refused):
        uploaded_acts.accept_brought(pair.aggregator, brings(kept.sent[0]))
    with pytest.raises(Refused):
        uploaded_acts.accept_brought(pair.utility, brings(PARCEL))


# Readings


def test_readings_are_judged_and_then_kept(pair: tuple[Side, Side]) -> None:
    side, _ = pair
    bad = CSV + b"M1,2026-01-10T00:30:00-05:00,much\nM1,2026-01-10T00:37:00-05:00,1\nM1,oops\n"
    looked = uploaded_readings.look_readings(side.readings, bad, NOW)
    assert looked.days == 1 and looked.wrong == 3 and side.rows() == []
    wrong = [row for row in looked.rows if not row.ok]
    assert [row.place for row in wrong] == ["line 6", "line 4", "line 5"]
    assert all(row.why and row.do for row in wrong)
    assert any("96" in row.why or "without a reading" in row.why for row in looked.rows if row.ok)
    done = uploaded_readings.keep_readings(side.gateway, side.readings, bad, NOW)
    assert done.right == 1 and done.wrong == 3 and [row[1] for row in side.rows()] == ["M1"]


def test_readings_as_json_and_espi_are_kept_too(pair: tuple[Side, Side]) -> None:
    side, other = pair
    raw = msgspec.json.encode(MeterReadingSet(meters=(said(), said("M2"))))
    assert uploaded_readings.look_readings(side.readings, raw, NOW).days == 2
    assert uploaded_readings.keep_readings(side.gateway, side.readings, raw, NOW).right == 2
    green, later = written(espi_series(list(range(96)))), NOW + timedelta(days=250)
    assert kind_of(green)[0] is Kind.ESPI
    assert uploaded_readings.look_readings(other.readings, green, later).days == 1
    assert uploaded_readings.keep_readings(other.gateway, other.readings, green, later).right == 1
    assert [row[1] for row in other.rows()] == ["M1"]


@pytest.mark.parametrize(
    "content",
    [
        b"meter,value,colour\nM1,1,red\n",
        b'{"meters":3}',
        feed("<entry>") + b"<",
        b"meter,value\n\xff,1\n",
        b"x,y",
    ],
)
def test_readings_that_cannot_be_read_are_one_row_and_keep_nothing(
    pair: tuple[Side, Side], content: bytes
) -> None:
    side, _ = pair
    looked = uploaded_readings.look_readings(side.readings, content, NOW)
    assert looked.days == 0 and looked.wrong == 1 and looked.rows[0].do
    with pytest.raises(IntertieError):
        uploaded_readings.keep_readings(side.gateway, side.readings, content, NOW)
    assert side.rows() == [] and side.gateway.store.head().size == 0


def test_a_meter_that_is_not_in_the_list_says_what_to_do(tmp_path: Path) -> None:
    side = Side(make_pair().utility, tmp_path, known=lambda meter: meter == "M2")
    looked = uploaded_readings.look_readings(side.readings, CSV, NOW)
    assert looked.wrong == 2 and {row.do for row in looked.rows} == {
        uploaded_readings.DO[Fault.FOREIGN_METER]
    }


def test_everything_that_is_refused_says_what_to_do() -> None:
    assert set(uploaded_readings.DO) == set(Fault) - KEPT
    assert set(uploaded.WAYS) == set(Kind) == set(uploaded._SAYS) == set(uploaded._LOOKS)


def test_the_example_of_each_document_is_known_as_json(houses: Pair) -> None:
    for name in ("invoice", "dispute", "availability_declaration"):
        _, body = example(DocumentName(name))
        found = look(houses.utility, "a.json", stated((name, body)))
        assert [(row.what, row.ok) for row in found.rows] == [(name, True)]
