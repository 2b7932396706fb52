"""Maps and profiles: every set has its map in every profile, and what a map may say is checked when it is loaded."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.unit.formats.x12_world import PROFILES, trading

from intertie.formats.x12.elements import column_is_good, is_date, is_time, why_not
from intertie.formats.x12.findings import X12Code
from intertie.formats.x12.layout import SET_IDS, Element, Loop, Segment, build, layout, profile
from intertie.formats.x12.stamps import Clock
from intertie.formats.x12.trading import Call, chunks, read_trading
from intertie.model.errors import SettingsError


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("set_id", SET_IDS)
def test_every_set_has_its_map_in_every_profile(set_id: str, name: str) -> None:
    found = layout(set_id, name)
    assert (found.set_id, len(found.group)) == (set_id, 2) and found.title
    names = [name for part in parts(found.root) for name in part.names]
    assert names and all(part.elements for part in parts(found.root))


def parts(loop: Loop) -> list[Segment]:
    return [one for part in loop.parts for one in ([part] if isinstance(part, Segment) else parts(part))]


@pytest.mark.parametrize("name", PROFILES)
def test_uncertain_values_are_values_of_the_profile(name: str) -> None:
    by = profile(name)
    assert by.uncertain
    for place in by.uncertain:
        table, _, key = place.partition(".")
        assert table in by.values and (key == "*" or key in by.values[table]), place


def test_profiles_that_are_not_there() -> None:
    with pytest.raises(SettingsError, match="no X12 profile"):
        profile("ca")
    with pytest.raises(SettingsError, match="has no colour"):
        profile("ny").value("810", "colour")


BASE = {"set": "810", "group": "IN", "title": "t"}


@pytest.mark.parametrize(
    "text, why",
    [
        ("must BIG | when:XX", "element"),
        ("must BIG | {nothing}", "nothing"),
        ("must BIG | a:AN\nend\nmust X | b:AN", "without"),
    ],
)
def test_maps_that_are_wrong(text: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        build({**BASE, "layout": text}, profile("ny"))


def test_a_map_in_small() -> None:
    text = "# a comment\nmust BIG | issued:DT! | =X | | n:N01-3(1,2) @ny\nloop lines 1..3\n may REF | =A | b:AN2-4!\nend"
    found = build({**BASE, "layout": text}, profile("ny"))
    big, lines = found.root.parts
    assert isinstance(big, Segment) and isinstance(lines, Loop)
    assert big.elements[0] == Element("issued", "DT", 8, 8, True)
    assert big.elements[3] == Element("n", "N0", 1, 3, False, frozenset({"1", "2"}))
    assert (
        big.qualifiers == ((2, frozenset({"X"})),)
        and big.fits(["BIG", "", "X"])
        and not big.fits(["BIG", ""])
    )
    assert (lines.low, lines.high, lines.ids, lines.trigger.id) == (1, 3, frozenset({"REF"}), "REF")
    other = build({**BASE, "layout": text}, profile("tx"))
    assert len(other.root.parts) == 1


def test_a_constant_of_several_and_a_loop_that_is_passed_over() -> None:
    text = (
        "loop others 0..9 passed\n must PTD | =SU/BO\nend\nloop meters 0..9\n must PTD | kind:ID2-2(PM)!\nend"
    )
    found = build({**BASE, "layout": text}, profile("ny"))
    others, meters = found.root.parts
    assert isinstance(others, Loop) and isinstance(meters, Loop)
    assert others.passed and not others.ids and not meters.passed and meters.ids == {"PTD"}
    assert others.trigger.fits(["PTD", "BO"]) and not others.trigger.fits(["PTD", "PM"])
    assert others.trigger.elements[0].constant == "SU"
    assert found.root.places == (0, 0)  # in any order


@pytest.mark.parametrize(
    "element, value, code",
    [
        (Element("a", "AN", 2, 4), "abc", None),
        (Element("a", "AN", 2, 4), "a", X12Code.ELEMENT_TOO_SHORT),
        (Element("a", "AN", 2, 4), "abcde", X12Code.ELEMENT_TOO_LONG),
        (Element("a", "AN", 2, 4), "a>b", X12Code.COMPONENT),
        (Element("a", "CO", 1, 4), "a>b", None),
        (Element("a", "R", 1, 3), "-1.23", None),
        (Element("a", "R", 1, 3), "12.34", X12Code.ELEMENT_TOO_LONG),
        (Element("a", "R", 1, 3), "1e3", X12Code.ELEMENT_NUMBER),
        (Element("a", "R", 1, 3), "١", X12Code.ELEMENT_NUMBER),
        (Element("a", "R", 1, 3), "-", X12Code.ELEMENT_NUMBER),
        (Element("a", "R", 1, 3), ".5", None),
        (Element("a", "N2", 1, 3), "-123", None),
        (Element("a", "N0", 1, 3), "1.0", X12Code.ELEMENT_NUMBER),
        (Element("a", "DT", 8, 8), "20260229", X12Code.ELEMENT_DATE),
        (Element("a", "DT", 8, 8), "2026022x", X12Code.ELEMENT_DATE),
        (Element("a", "TM", 4, 6), "2359", None),
        (Element("a", "TM", 4, 6), "2400", None),
        (Element("a", "TM", 4, 6), "2401", X12Code.ELEMENT_TIME),
        (Element("a", "TM", 4, 6), "23595", X12Code.ELEMENT_TIME),
        (Element("a", "ID", 1, 2, codes=frozenset({"A"})), "B", X12Code.ELEMENT_CODE),
        (Element(constant="X", type="ID"), "Y", X12Code.ELEMENT_CODE),
        (Element(constant="X", type="ID"), "X", None),
    ],
)
def test_elements(element: Element, value: str, code: X12Code | None) -> None:
    assert why_not(element, value, ">") is code
    if code is not None:
        assert not column_is_good(element, [value] * 3, ">")


def test_columns_with_empty_values() -> None:
    assert column_is_good(Element("a", "AN"), ["", "b"], ">") and column_is_good(
        Element("a", "R"), ["", ""], ">"
    )
    assert not column_is_good(Element("a", "AN", need=True), ["", "b"], ">")


def test_dates_and_times_of_the_calendar() -> None:
    assert is_date("20280229") and not is_date("2028022") and not is_date("20281301")
    assert is_time("000000") and not is_time("2460")


@pytest.mark.parametrize("code", ["ES", "ED", "ET", ""])
def test_zone_codes(code: str) -> None:
    clock = Clock(profile("ny"))
    summer = clock.read("20260701", "1200", code)
    assert summer == datetime(2026, 7, 1, 17 if code == "ES" else 16, tzinfo=UTC)
    assert clock.read("20260701", "1200", "UT") == datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_the_hour_that_spring_leaves_out_and_the_one_that_comes_twice() -> None:
    clock = Clock(profile("ny"))
    with pytest.raises(ValueError, match="not a time of that day"):
        clock.read("20260308", "0230", "")
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert clock.read("20261101", "0130", "ED") == clock.read("20261101", "0130", "") == first
    assert clock.read("20261101", "0130", "ES") == clock.read("20261101", "0130", "", after=first)
    assert clock.read("20261101", "0130", "ES") > first


@pytest.mark.parametrize("text", ["", "short", "x" * 80, "x" * 81, "word " * 40, " " * 200, "x" * 79 + "  y"])
def test_texts_in_pieces(text: str) -> None:
    found = chunks(text)
    assert "".join(found) == text and all(0 < len(piece) <= 80 for piece in found)


GOOD = """
[x12]
profile = "ny"
[x12.utility]
party = "utility.example"
name = "Utility"
number = "123456789"
[x12.aggregator]
party = "aggregator.example"
name = "Aggregator"
number = "9876543210000"
qualifier = "09"
"""


def test_settings() -> None:
    found = read_trading(GOOD)
    assert (found.profile, found.usage, found.other(found.utility)) == ("ny", "P", found.aggregator)
    for text in (GOOD.replace("ny", "ca"), "profile =", GOOD.replace('"123456789"', '"1*2"'), "x12 = 1"):
        with pytest.raises(SettingsError):
            read_trading(text)


def test_a_set_without_ends_cannot_be_written() -> None:
    call = Call(profile("ny"), "810")
    with pytest.raises(SettingsError, match="two ends"):
        assert call.trading
    assert call.date == "" and Call(profile("ny"), "810", trading()).trading == trading()
