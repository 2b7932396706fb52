"""Times: what is written is read as the same instant, in every profile and on every day; columns as one by one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.formats.x12_world import PROFILES

from intertie.formats.x12.facts import fact, read_record, said, write_facts
from intertie.formats.x12.findings import X12WriteError
from intertie.formats.x12.layout import profile
from intertie.formats.x12.stamps import Clock, Labels, read_date
from intertie.formats.x12.tree import table_of
from intertie.model.aggregation import Der, DerDecision
from intertie.model.documents import example as example_of
from intertie.model.ids import DocumentName
from intertie.model.system import RestorationNotice

CLOCKS = {name: Clock(profile(name)) for name in PROFILES}
YEAR = datetime(2026, 1, 1, tzinfo=UTC)
SPRING, AUTUMN = datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)


@given(
    minute=st.integers(0, 366 * 24 * 60),
    second=st.integers(0, 59),
    ends=st.booleans(),
    name=st.sampled_from(PROFILES),
)
@example(minute=(AUTUMN - YEAR) // timedelta(minutes=1), second=0, ends=True, name="tx")
@example(minute=(SPRING - YEAR) // timedelta(minutes=1), second=0, ends=True, name="ny")
@example(minute=180 * 24 * 60 + 4 * 60 + 59, second=0, ends=True, name="tx")  # 23:59, which is not midnight
@settings(max_examples=150, deadline=None)
def test_an_instant_is_read_as_it_was_written(minute: int, second: int, ends: bool, name: str) -> None:
    clock, at = CLOCKS[name], YEAR + timedelta(minutes=minute, seconds=second)
    day, time, zone = clock.write(at, ends=ends)
    assert clock.read(day, time, zone, ends=ends) == at


@given(
    minute=st.integers(0, 366 * 24 * 60),
    step=st.sampled_from([60, 300, 900, 1800, 3600, 86400]),
    count=st.integers(1, 250),
    name=st.sampled_from(PROFILES),
)
@example(minute=(AUTUMN - YEAR) // timedelta(minutes=1) - 90, step=900, count=100, name="tx")
@example(minute=(AUTUMN - YEAR) // timedelta(minutes=1) - 90, step=900, count=100, name="ny")
@example(minute=(SPRING - YEAR) // timedelta(minutes=1) - 90, step=900, count=100, name="pa")
@settings(max_examples=80, deadline=None)
def test_columns_of_stamps_are_those_of_one_by_one(minute: int, step: int, count: int, name: str) -> None:
    clock, start = CLOCKS[name], YEAR + timedelta(minutes=minute)
    found = clock.ends(start, step, count)
    each = [clock.write(start + timedelta(seconds=step * n), ends=True) for n in range(1, count + 1)]
    assert list(zip(*found, strict=True)) == each
    assert clock.grid(found, start, step) is None


def test_stamps_out_of_order_are_placed() -> None:
    clock = CLOCKS["ny"]
    start = datetime(2026, 7, 1, 4, tzinfo=UTC)
    labels = clock.ends(start, 3600, 6)
    shuffled = Labels(*(tuple(column[n] for n in (3, 0, 5, 1)) for column in labels))
    assert clock.grid(shuffled, start, 3600) == [3, 0, 5, 1]
    with pytest.raises(ValueError, match="no interval ends"):
        clock.grid(labels, start + timedelta(minutes=1), 3600)


def test_a_stamp_before_the_first_interval() -> None:
    clock = CLOCKS["ny"]
    start = datetime(2026, 7, 1, 4, tzinfo=UTC)
    with pytest.raises(ValueError, match="no interval ends"):
        clock.grid(clock.ends(start - timedelta(hours=1), 3600, 1), start, 3600)


@pytest.mark.parametrize("time", ["2400", "0000"])
def test_two_ways_to_write_midnight(time: str) -> None:
    day = "20260701" if time == "2400" else "20260702"
    assert CLOCKS["ny"].read(day, time, "ED", ends=True) == datetime(2026, 7, 2, 4, tzinfo=UTC)


def test_dates() -> None:
    assert read_date("20260229"[:6] + "28") == date(2026, 2, 28)


DER = example_of(DocumentName("aggregation_registration"))[1].ders[0]  # type: ignore[attr-defined]


def test_a_record_as_references() -> None:
    codes = {"account": "12", "meter": "MG", "premises": "Q5"}
    rows = write_facts(DER, "814", codes)
    found = rows.rows()
    assert {"qualifier": "MG", "label": "M-100231", "words": ""} in found
    assert {"qualifier": "Q5", "label": "", "words": "P-55810"} in found
    assert {"qualifier": "ZZ", "label": "NAMEPLATE_KW", "words": "10"} in found
    assert sum(row["label"] == "CONTROL_MODES" for row in found) == len(DER.control_modes)
    assert read_record(Der, said(rows, codes), {}) == DER


@pytest.mark.parametrize(
    "more, why",
    [
        ({"nameplate_kw": ["10", "11"]}, "2 times"),
        ({"colour": ["red"]}, "colour"),
        ({"nameplate_kw": ["ten"]}, "decimal"),
        ({"nameplate_kw": ["-1"]}, "above zero"),
        ({"control_modes": ["opModDance"]}, "opModDance"),
    ],
)
def test_references_that_make_no_record(more: dict[str, list[str]], why: str) -> None:
    facts = said(write_facts(DER, "814", {}), {}) | more
    with pytest.raises(ValueError, match=why):
        read_record(Der, facts, {})


def test_truth_and_long_words() -> None:
    notice = example_of(DocumentName("restoration_notice"))[1]
    assert isinstance(notice, RestorationNotice)
    part = {"outage": ["O"], "points": ["P"], "complete": ["N"]}
    assert not read_record(RestorationNotice, part, {"restored": YEAR}).complete
    with pytest.raises(ValueError, match="bool"):
        read_record(RestorationNotice, part | {"complete": ["?"]}, {"restored": YEAR})
    detail = "word " * 100
    decision = DerDecision(der=DER.id, accepted=False, reason="other", detail=detail)  # type: ignore[arg-type]
    rows = write_facts(decision, "814", {}, ("accepted",))
    assert sum(row["label"] == "DETAIL" for row in rows.rows()) > 6
    assert read_record(DerDecision, said(rows, {}), {"accepted": False}) == decision


def test_a_record_in_a_record_is_refused() -> None:
    whole = example_of(DocumentName("aggregation_registration"))[1]
    with pytest.raises(X12WriteError, match="other_programmes"):
        write_facts(whole.ders[1], "814", {})  # type: ignore[attr-defined]


def test_what_no_field_is_known_for_is_left() -> None:
    rows = table_of([fact("a", "1", {"a": "12"}), {"qualifier": "XX", "label": "?", "words": ""}])
    assert said(rows, {"a": "12"}) == {"a": ["1"]}
