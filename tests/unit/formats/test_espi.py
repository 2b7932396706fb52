"""ESPI feeds: what we write comes back, validates against the official schema, and what others write becomes readings."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from tests.unit.formats.espi_world import (
    RULES,
    SERIES,
    START,
    T0,
    TYPE,
    block,
    entries,
    entry,
    feed,
    meter_reading,
    point,
    read,
    reading,
    reading_type,
    series,
    usual,
    written,
)

from intertie.formats.espi.entries import LocalTime, Other, UsagePoint
from intertie.formats.espi.names import espi
from intertie.formats.espi.zone_rules import ZoneRules, zone_rules
from intertie.market.reading_days import Fault
from intertie.model.interval import IntervalSeries
from intertie.model.metering import ESPI_QUALITY, Channel, MeterReadings, Quality
from intertie.model.quantity import Unit

SCHEMA = Path(__file__).parents[4] / "shared" / "reference" / "espi.xsd"
VALUES = st.lists(st.one_of(st.none(), st.integers(0, 10**12)), min_size=1, max_size=30).filter(
    lambda values: values[0] is not None and values[-1] is not None
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(VALUES, st.sampled_from(["M1", "M/2#x", "A:B@c"]), st.sampled_from(list(Channel))),
        min_size=1,
        max_size=4,
        unique_by=lambda one: one[1:],
    ),
    st.sampled_from(list(Quality)),
    st.sampled_from([-6, -3, 0, 6]),
    st.sampled_from([60, 900, 3600]),
)
def test_what_is_written_comes_back(
    said: list[tuple[list[int | None], str, Channel]], quality: Quality, power: int, step: int
) -> None:
    given_ = [
        MeterReadings(
            meter=meter,
            channel=channel,
            quality=quality,
            series=IntervalSeries(
                start=START, step_seconds=step, unit=Unit.KWH, power_of_ten=power, values=tuple(values)
            ),
        )
        for values, meter, channel in said
    ]
    raw = written(*given_)
    found, taking = read(raw)
    key = lambda one: (one.meter, one.channel)  # noqa: E731
    assert sorted(found, key=key) == sorted(given_, key=key)
    assert not taking.unread and not taking.others
    assert written(*given_) == raw, "the same readings, the same bytes"


def test_qualities_of_single_values_come_back() -> None:
    some = (Quality.ESTIMATED, Quality.VALIDATED, Quality.RAW)
    one = MeterReadings(meter="M1", channel=Channel.NET, quality=some, series=series([5, 0, 7]).series)
    assert read(written(one))[0] == [one]


def test_a_net_series_may_be_below_zero() -> None:
    one = MeterReadings(meter="M1", channel=Channel.NET, quality=Quality.VALID, series=series([1]).series)
    below = usual(reading(0, -5)).replace(b"<flowDirection>1<", b"<flowDirection>4<")
    [found] = read(below)[0]
    assert found.series.values == (-5,) and found.channel is one.channel


@pytest.mark.skipif(not SCHEMA.exists(), reason="../shared/reference/espi.xsd is not here")
def test_every_entry_validates_against_the_official_schema(tmp_path: Path) -> None:
    (tmp_path / "espi.xsd").write_bytes(SCHEMA.read_bytes())
    (tmp_path / "atom.xsd").write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/2005/Atom"'
        ' xmlns="http://www.w3.org/2005/Atom"><xs:complexType name="linkType"><xs:anyAttribute'
        ' processContents="lax"/></xs:complexType><xs:element name="link" type="linkType"/></xs:schema>'
    )
    schema = etree.XMLSchema(etree.parse(tmp_path / "espi.xsd"))
    one = MeterReadings(
        meter="M1", channel=Channel.EXPORT, quality=Quality.ESTIMATED, series=series([1, None, 3]).series
    )
    root = etree.fromstring(written(series([5, 6]), one))
    contents = [found[0] for found in root.iter("{http://www.w3.org/2005/Atom}content")]
    assert {etree.QName(found).localname for found in contents} == {
        "UsagePoint",
        "LocalTimeParameters",
        "MeterReading",
        "ReadingType",
        "IntervalBlock",
    }
    for found in contents:
        alone = etree.fromstring(etree.tostring(found))
        assert schema.validate(alone), schema.error_log
    broken = etree.fromstring(etree.tostring(contents[-1]).replace(b"value>", b"valeur>"))
    assert not schema.validate(broken), "the schema would have seen it"


def test_a_feed_as_custodians_write_it() -> None:
    found, taking = read(usual(reading(0, 250, quality=(8,), cost=True), reading(1, 300, quality=(8,))))
    [one] = found
    assert one.meter == "M1" and one.channel is Channel.IMPORT and one.quality is Quality.ESTIMATED
    assert one.series.values == (250, 300) and one.series.power_of_ten == -3 and one.series.start == START
    assert taking.taken == 2 and not taking.unread


@pytest.mark.parametrize("order", ["block first", "type last", "as usual"])
def test_entries_may_come_in_any_order(order: str) -> None:
    parts = [point(), meter_reading(), reading_type(), block(reading(0, 1))]
    if order == "block first":
        parts.reverse()
    elif order == "type last":
        parts[2], parts[3] = parts[3], parts[2]
    found, taking = read(feed(*parts))
    assert [one.series.values for one in found] == [(1,)] and not taking.unread


def test_a_reading_type_inside_of_the_meter_reading() -> None:
    [found], _ = read(feed(point(), meter_reading(TYPE), block(reading(0, 4))))
    assert found.series.values == (4,)


def test_several_blocks_in_one_entry() -> None:
    first, second = block(reading(0, 1)), block(reading(1, 2))
    inside = second[second.index("<IntervalBlock>") : second.index("</content>")]
    inside = inside.replace("<IntervalBlock>", '<IntervalBlock xmlns="http://naesb.org/espi">')
    both = first.replace("</content>", inside + "</content>")
    found, _ = read(feed(point(), meter_reading(), reading_type(), both))
    assert [one.series.values for one in found] == [(1,), (2,)]


def test_without_links_the_only_series_is_meant() -> None:
    raw = feed(point(), meter_reading(), reading_type(), block(reading(0, 9)))
    raw = raw.replace(f"{SERIES}/IntervalBlock".encode(), b"elsewhere")
    [found], taking = read(raw)
    assert found.series.values == (9,) and not taking.unread


def test_readings_without_a_time_follow_each_other() -> None:
    silent = "<IntervalReading><value>7</value></IntervalReading>"
    [found], _ = read(usual(silent, silent))
    assert found.series.values == (7, 7) and found.series.start == START


def test_a_gap_is_a_gap_and_a_day_without_readings_begins_another_series() -> None:
    found, _ = read(usual(reading(0, 1), reading(3, 4), reading(4, None), reading(3 + 96 * 2, 5)))
    assert [one.series.values for one in found] == [(1, None, None, 4, None), (5,)]
    assert found[1].series.start == START + timedelta(minutes=15 * (3 + 96 * 2))


def test_out_of_order_and_repeats_are_told() -> None:
    found, taking = read(usual(reading(1, 2), reading(0, 1), reading(1, 2), reading(0, 9)))
    assert [one.series.values for one in found] == [(1, 2)]
    told = [(one.fault, one.readings) for one in taking.unread]
    assert sorted(told) == sorted([(Fault.OUT_OF_ORDER, 1), (Fault.DUPLICATE, 1), (Fault.OVERLAPPING, 1)])
    assert "9 stands there before" in next(one.why for one in taking.unread if one.fault is Fault.OVERLAPPING)


def test_a_reading_of_another_length_is_told() -> None:
    found, taking = read(usual(reading(0, 1), reading(1, 2, seconds=3600), reading(2, 3)))
    assert [one.series.values for one in found] == [(1, None, 3)]
    assert [(one.fault, one.readings, one.meter) for one in taking.unread] == [(Fault.OVERLAPPING, 1, "M1")]


@pytest.mark.parametrize(
    ("wrong", "right", "fault", "word"),
    [
        ("<uom>72<", "<uom>38<", Fault.WRONG_UNIT, "uom 38 (W)"),
        ("<uom>72</uom>", "", Fault.WRONG_UNIT, "not said"),
        ("<commodity>1<", "<commodity>7<", Fault.WRONG_UNIT, "commodity 7"),
        ("Behaviour>4<", "Behaviour>3<", Fault.WRONG_UNIT, "accumulationBehaviour 3"),
        ("Direction>1<", "Direction>20<", Fault.WRONG_UNIT, "flowDirection 20"),
        ("Multiplier>0<", "Multiplier>-9<", Fault.TOO_FINE, "powerOfTenMultiplier -9"),
        ("<duration>900<", "<duration>7<", Fault.CLOCK, "7 seconds"),
    ],
)
def test_what_is_no_energy_by_interval_is_told(wrong: str, right: str, fault: Fault, word: str) -> None:
    raw = usual(reading(0, 1001)).replace(wrong.encode(), right.encode())
    found, taking = read(raw)
    [unread] = taking.unread
    assert not found and unread.fault is fault and word in unread.why and unread.readings == 1
    assert taking.taken == 0


def test_gas_is_not_taken() -> None:
    found, taking = read(feed(point(service=1), meter_reading(), reading_type(), block(reading(0, 1))))
    assert not found and "ServiceCategory/kind 1" in taking.unread[0].why


def test_below_zero_in_one_direction_is_told() -> None:
    found, taking = read(usual(reading(0, -1)))
    assert not found and taking.unread[0].fault is Fault.NEGATIVE


def test_finer_powers_are_kept_exactly_or_told() -> None:
    fine = usual(reading(0, 5_000_000)).replace(b"Multiplier>0<", b"Multiplier>-9<")
    [found], _ = read(fine)
    assert found.series.total() == series([5]).series.total() / 1000
    coarse = usual(reading(0, 3)).replace(b"Multiplier>0<", b"Multiplier>12<")
    [found], _ = read(coarse)
    assert found.series.total() == 3 * 10**9


def test_beyond_48_bits_after_scaling_is_told() -> None:
    found, taking = read(usual(reading(0, 2**46)).replace(b"Multiplier>0<", b"Multiplier>12<"))
    assert not found and taking.unread[0].fault is Fault.TOO_LARGE


def test_a_foreign_usage_point_is_told_by_its_path() -> None:
    found, taking = read(usual(reading(0, 1), reading(1, 1)), RULES._replace(meter_of=lambda path: None))
    [unread] = taking.unread
    assert not found and unread.fault is Fault.FOREIGN_METER and unread.readings == 2
    assert "RetailCustomer/9/UsagePoint/M1" in unread.why


def test_blocks_that_belong_to_nothing_are_told() -> None:
    _, taking = read(feed(point(), block(reading(0, 1))))
    assert taking.unread[0].fault is Fault.UNREADABLE and "no MeterReading" in taking.unread[0].why
    _, taking = read(feed(point(), meter_reading(), block(reading(0, 1))))
    assert "no ReadingType" in taking.unread[0].why


def test_some_readings_with_a_time_and_some_without_are_told() -> None:
    _, taking = read(usual(reading(0, 1), "<IntervalReading><value>7</value></IntervalReading>"))
    assert taking.unread[0].fault is Fault.BAD_LINE and taking.unread[0].readings == 2


def test_other_entries_are_counted_by_name() -> None:
    summary = entry("S/1", "S", "<UsageSummary/>")
    customer = (
        '<entry><id>c</id><content><Customer xmlns="http://naesb.org/espi/customer"/></content></entry>'
    )
    _, taking = read(feed(point(), summary, customer, "<entry><id>e</id></entry>"))
    assert taking.others == {"UsageSummary": 1, "customer Customer": 1, "nothing": 1}


def test_of_several_qualities_the_least_trusted_counts() -> None:
    [one], _ = read(usual(reading(0, 1, quality=(17, 8, 19))))
    assert one.quality is Quality.ESTIMATED
    default = TYPE.replace("<flowDirection>", "<defaultQuality>9</defaultQuality><flowDirection>")
    [one], _ = read(feed(point(), meter_reading(), reading_type(default), block(reading(0, 1))))
    assert one.quality is Quality.INTERPOLATED
    [one], _ = read(usual(reading(0, 1)), RULES._replace(quality=Quality.VERIFIED, revision=3))
    assert one.quality is Quality.VERIFIED and one.revision == 3


def test_what_entries_say() -> None:
    found = entries(written(series([1])))
    assert isinstance(found[0].content, UsagePoint) and found[0].content.service == 0
    assert found[0].id.startswith("urn:uuid:") and found[0].updated == datetime(2026, 8, 1, 12, tzinfo=UTC)
    assert found[1].content == LocalTime(-18000, 3600, "360E2000", "B40E2000")
    assert [one.number for one in found] == [1, 2, 3, 4, 5]
    single = '<entry xmlns="http://www.w3.org/2005/Atom"><id>x</id></entry>'
    assert entries(single.encode())[0].content == Other("nothing")


@pytest.mark.parametrize(
    ("zone", "rules"),
    [
        ("America/New_York", ZoneRules(-18000, 3600, "360E2000", "B40E2000")),
        ("Europe/Berlin", ZoneRules(3600, 3600, "3E0E2000", "AE0E3000")),
        ("America/Phoenix", ZoneRules(-25200, 0, "00000000", "00000000")),
        ("Australia/Sydney", ZoneRules(36000, 3600, "A40E2000", "440E3000")),
    ],
)
def test_zones(zone: str, rules: ZoneRules) -> None:
    assert zone_rules(zone, 2026) == rules


def test_a_year_of_quarter_hours() -> None:
    chance = random.Random(4)
    one = series([chance.randrange(5000) for _ in range(35_040)])
    assert read(written(one))[0] == [one]


def test_every_quality_has_its_number_in_a_feed() -> None:
    for quality, code in ESPI_QUALITY.items():
        one = MeterReadings(meter="M1", channel=Channel.IMPORT, quality=quality, series=series([1]).series)
        root = etree.fromstring(written(one))
        assert [found.text for found in root.iter(espi("quality"))] == [str(code)]
    assert T0 % 900 == 0
