"""Readings out of messages: what both hold becomes rows, once, and again the same from the journal."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.exchange.house import AGGREGATOR, AGREEMENT, NOW, UTILITY, Pair, Wire, make_pair

from intertie.formats.readings_csv import CsvRules
from intertie.gateway.attaching.attachment_ports import Attachments, Coming
from intertie.gateway.attaching.attachments import FileToSend, seal_attachments
from intertie.gateway.gateway import Gateway
from intertie.gateway.metering.import_readings import import_csv, import_json, imported_tables
from intertie.gateway.metering.readings import Readings, Taken, rebuild, take_in
from intertie.gateway.metering.readings_block import load_block
from intertie.gateway.metering.readings_ports import Wanted
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.market.reading_days import Fault
from intertie.model.errors import PartnerError, SettingsError, StoreError
from intertie.model.ids import InterfaceCode, MeterId, new_message_id
from intertie.model.interval import IntervalSeries, local_day
from intertie.model.message import Mode
from intertie.model.metering import Channel, MeterReadings, MeterReadingSet, Quality
from intertie.model.quantity import Unit
from intertie.seal.key_port import KekOf
from intertie.seal.parquet_keys import ParquetKeys
from intertie.stores.attachment_files import AttachmentFiles
from intertie.stores.readings_files import ReadingsFiles

ZONE = "America/New_York"
DAY = date(2026, 1, 14)
START = local_day(DAY, ZONE).start


def said(meter: str = "M1", start: datetime = START, values: int = 96, **more: Any) -> MeterReadings:
    given: dict[str, Any] = {"channel": Channel.IMPORT, "quality": Quality.VALIDATED, **more}
    series = IntervalSeries(
        start=start, step_seconds=900, unit=Unit.KWH, values=tuple(range(values)), power_of_ten=-3
    )
    return MeterReadings(meter=MeterId(meter), series=series, **given)


def out(*meters: MeterReadings, to: str = UTILITY, **more: Any) -> Outgoing:
    return Outgoing(
        body=MeterReadingSet(meters=meters),
        recipient=to,
        interface=InterfaceCode("DA"),
        mode=Mode.SCHEDULED,
        agreement=AGREEMENT,
        **more,
    )


class Side:
    """A gateway with its readings."""

    def __init__(self, gateway: Gateway, folder: Path, known: Any = lambda _: True) -> None:
        files = Attachments(AttachmentFiles(folder / "attachments"))
        self.gateway = replace(gateway, attachments=files)
        self.readings = Readings(
            ReadingsFiles(
                folder / "readings", ZONE, ParquetKeys(folder / "readings" / "parquet.key", KekOf(bytes(32)))
            ),
            ZONE,
            known,
        )

    def take_in(self) -> Taken:
        return take_in(self.gateway, self.readings)

    def rows(self) -> list[tuple[Any, ...]]:
        names = ("party", "meter", "day", "revision", "source")
        found = [
            (*(each[name] for name in names), tuple(each["values"]))
            for table in self.readings.store.tables(Wanted())
            for each in table.to_pylist()
        ]
        return sorted(found, key=repr)

    def faults(self) -> dict[Fault, int]:
        return self.readings.store.summary().faults


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Side, Side]:
    """The utility that gets readings, and the aggregator that sends them."""
    made: Pair = make_pair()
    return Side(made.utility, tmp_path / "u"), Side(made.aggregator, tmp_path / "a")


def deliver(source: Side, target: Side, wire: Wire | None = None) -> Any:
    wire = wire or Wire(target.gateway, source.gateway.party.id)
    return asyncio.run(deliver_once(source.gateway, wire, target.gateway.party.id, lambda: NOW, lambda: 0.5))


def test_both_sides_get_the_same_rows(pair: tuple[Side, Side]) -> None:
    utility, aggregator = pair
    (first,) = send(aggregator.gateway, [out(said(), said("M2"))], NOW)
    assert aggregator.take_in() == Taken(), "what is on its way is not held by both"
    deliver(aggregator, utility)
    assert utility.take_in() == aggregator.take_in() == Taken(messages=1, rows=2)
    assert utility.rows() == aggregator.rows()
    assert utility.rows()[0] == (AGGREGATOR, "M1", DAY, 1, first, tuple(range(96)))
    assert utility.take_in() == aggregator.take_in() == Taken()
    block = load_block(utility.readings, ["M1", "M2"], DAY, 1)
    assert block.values[:, 0].tolist() == [list(range(96))] * 2 and block.messages == (first,)


def test_what_never_arrives_is_not_read_and_what_waits_is_read_later(pair: tuple[Side, Side]) -> None:
    utility, aggregator = pair
    send(aggregator.gateway, [out(said())], NOW)
    wire = Wire(utility.gateway, AGGREGATOR, answers=[PartnerError("away")])
    deliver(aggregator, utility, wire)
    send(aggregator.gateway, [out(said("M2"), expires=NOW + timedelta(seconds=1))], NOW)
    assert aggregator.take_in().rows == 0
    aggregator.gateway.store.expire(NOW + timedelta(seconds=2))
    later = NOW + timedelta(minutes=10)
    wire.now = later
    asyncio.run(deliver_once(aggregator.gateway, wire, UTILITY, lambda: later, lambda: 0.5))
    assert aggregator.take_in() == Taken(messages=1, rows=1)
    assert [row[1] for row in aggregator.rows()] == ["M1"]
    with aggregator.readings.store.writing() as batch:
        assert batch.cursor.waiting == () and batch.cursor.outgoing > 0


def test_a_rebuild_gives_the_same(pair: tuple[Side, Side], tmp_path: Path) -> None:
    utility, aggregator = pair
    for number in range(4):
        send(aggregator.gateway, [out(said(f"M{number}"), said("N", revision=number + 1))], NOW)
        deliver(aggregator, utility)
        utility.take_in()
    with_import(utility, "meter,start,value\nM7,2026-01-13T00:00,1.25\n")
    utility.take_in()
    before, faults = utility.rows(), utility.faults()
    assert len(before) == 9
    assert rebuild(utility.gateway, utility.readings) == Taken(messages=4, imports=1, rows=9)
    assert (utility.rows(), utility.faults()) == (before, faults)
    (state,) = tmp_path.glob("u/readings/state.json")
    state.write_text("not json")
    with pytest.raises(StoreError, match="rebuild"):
        utility.take_in()
    rebuild(utility.gateway, utility.readings)
    assert utility.rows() == before


def test_faults_of_messages_are_named_counted_and_kept(tmp_path: Path) -> None:
    made = make_pair()
    utility = Side(made.utility, tmp_path / "u", {"M1", "M2"}.__contains__)
    aggregator = Side(made.aggregator, tmp_path / "a")
    bodies = [
        said("X9"),
        said("M1", NOW - timedelta(minutes=30), values=4),
        said("M2", START + timedelta(minutes=7)),
        said("M2", START - timedelta(hours=1)),
        said("M1", START, values=90),
    ]
    send(aggregator.gateway, [out(*bodies)], NOW)
    deliver(aggregator, utility)
    utility.take_in()
    assert utility.faults() == {
        Fault.FOREIGN_METER: 96,
        Fault.FUTURE: 2,
        Fault.CLOCK: 96,
        Fault.DAY_OF_OTHER_ZONE: 96,
        Fault.MISSING: 92 + 4 + 6,
    }
    found = list(utility.readings.store.findings())
    assert {(one.index, one.fault) for one in found if not one.kept} == {
        (0, Fault.FOREIGN_METER),
        (1, Fault.FUTURE),
        (2, Fault.CLOCK),
    }
    assert all('"values":[0,1,2,3' in one.refused for one in found if not one.kept)
    assert {row[1:3] for row in utility.rows()} == {
        ("M1", DAY),
        ("M2", DAY),
        ("M2", DAY - timedelta(days=1)),
    }


def attached(source: Side, target: Side, csv: str) -> Any:
    """A message with a CSV, with its file brought over as the wire would."""
    id = new_message_id(NOW)
    refs = seal_attachments(
        source.gateway, id, [FileToSend(io.BytesIO(csv.encode()), "days.csv", "text/csv")], NOW
    )
    send(source.gateway, [out(said("M0"), id=id, attachments=refs)], NOW)
    files, there = source.gateway.attachments, target.gateway.attachments
    assert files is not None and there is not None
    sealed = files.files.open(None, id, refs[0].id)
    assert sealed is not None
    with sealed:
        data = sealed.read()
    there.files.append(Coming(source.gateway.party.id, refs[0].id, len(data)), 0, data, NOW)
    files.files.set_sent(id)
    deliver(source, target)
    return id


def test_an_attached_csv_is_read_too(pair: tuple[Side, Side]) -> None:
    utility, aggregator = pair
    lines = "".join(f"M1,2026-01-14T{hour:02}:00,{hour},kWh,60\n" for hour in range(24))
    id = attached(aggregator, utility, f"meter,start,value,unit,minutes\n{lines}M1,x,1,kWh,60\n")
    assert utility.take_in() == aggregator.take_in() == Taken(messages=1, rows=2)
    assert utility.rows() == aggregator.rows()
    assert utility.rows()[1][4:] == (f"{id}/days.csv", tuple(hour * 1000 for hour in range(24)))
    (bad,) = [one for one in utility.readings.store.findings() if not one.kept]
    assert (bad.fault, bad.line, bad.refused) == (Fault.BAD_LINE, 26, "M1,x,1,kWh,60")


@pytest.mark.parametrize("csv", ["meter;start;value\nM1;2026-01-14;1\n", "\x00", "a,b\n"])
def test_a_file_that_is_no_csv_of_readings_is_found(pair: tuple[Side, Side], csv: str) -> None:
    utility, aggregator = pair
    attached(aggregator, utility, csv)
    assert utility.take_in() == Taken(messages=1, rows=1)
    (found,) = utility.readings.store.findings()
    assert found.fault is Fault.UNREADABLE and "header" not in found.source and found.refused


def test_an_attached_file_that_is_gone_is_found(pair: tuple[Side, Side]) -> None:
    utility, aggregator = pair
    id = attached(aggregator, utility, "meter,start,value\nM1,2026-01-14T00:00,1\n")
    assert utility.gateway.attachments is not None
    utility.gateway.attachments.files.destroy(AGGREGATOR, id)
    assert utility.take_in() == Taken(messages=1, rows=1)
    assert utility.faults() == {Fault.UNREADABLE: 0}


def test_erased_messages_leave_no_readings_after_a_rebuild(pair: tuple[Side, Side]) -> None:
    utility, aggregator = pair
    send(aggregator.gateway, [out(said("M1")), out(said("M2"))], NOW)
    deliver(aggregator, utility)
    utility.take_in()
    first = utility.rows()[0]
    row = utility.gateway.store.message(first[4], outgoing=False)
    assert row is not None
    utility.gateway.store.erase([row.seq], "test", NOW)
    rebuild(utility.gateway, utility.readings)
    assert utility.rows() == [each for each in [*utility.rows()] if each[1] != first[1]]
    assert len(utility.rows()) == 1


def with_import(side: Side, csv: str) -> Any:
    raw = csv.encode()
    rules = CsvRules(ZONE, NOW, side.readings.is_known)
    return import_csv(side.gateway, side.readings, io.BytesIO(raw), len(raw), rules, lambda count: None)


def test_an_import_is_in_the_journal(pair: tuple[Side, Side]) -> None:
    utility, _ = pair
    size = utility.gateway.store.head().size
    done = with_import(utility, "meter,start,value\nM7,2026-01-13T00:00,1.25\n")
    assert utility.gateway.store.head().size == size + 1
    _, entry, _ = utility.gateway.store.entries(after=size)[0]
    assert done.sha256.encode() in entry and done.source.encode() in entry
    assert sum(len(table) for table in imported_tables(utility.readings, done.number)) == 1
    assert list(imported_tables(utility.readings, done.number + 1)) == []


def test_json_is_imported_as_the_document_that_it_is(pair: tuple[Side, Side]) -> None:
    utility, _ = pair
    body = msgspec.json.encode(MeterReadingSet(meters=(said(), said("M2", START + timedelta(minutes=1)))))
    import_json(utility.gateway, utility.readings, body, NOW)
    assert utility.take_in() == Taken(imports=1, rows=1)
    assert utility.faults() == {Fault.CLOCK: 96}
    for wrong in (b"{", b'{"meters": []}', b" " * (8 * 2**20 + 1)):
        with pytest.raises(SettingsError):
            import_json(utility.gateway, utility.readings, wrong, NOW)
