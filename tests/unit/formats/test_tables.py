"""Documents as tables and back: every document that has one, in two countries' spreadsheets, and what is no table."""

from __future__ import annotations

import contextlib
import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from intertie.formats.file_terms import CsvTerms
from intertie.formats.tables.layout import DOCUMENTS_WITH_TABLES, Kind, layout_of
from intertie.formats.tables.read import TableError, Told, is_table_of, read_table
from intertie.formats.tables.write import NoTableError, _Writer, write_table
from intertie.model.billing import Dispute
from intertie.model.documents import example
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.ids import DocumentName
from intertie.model.interval import IntervalSeries, Stamp
from intertie.model.record import Record

PAGE = Path(__file__).parents[3] / "docs/csv.md"
TERMS = CsvTerms()
ABROAD = CsvTerms(zone="America/New_York", separator=";")
# What a table has no place for, in the examples.
LEFT_OUT = {"aggregation_registration": "other_programmes", "dispute": "inputs"}
SWITCHED = DocumentName("dispatch_instruction")


def sayable(name: str) -> Record:
    """The example of a document, without what a table has no place for."""
    _, body = example(DocumentName(name))
    if name == "aggregation_registration":
        ders = tuple(replace(der, other_programmes=()) for der in body.ders)  # type: ignore[attr-defined]
        return replace(body, ders=ders)
    if isinstance(body, Dispute):
        return replace(body, lines=tuple(replace(line, inputs=()) for line in body.lines))
    return body


def table(name: str, body: Record | None = None, terms: CsvTerms = TERMS) -> bytes:
    header, _ = example(DocumentName(name))
    return write_table(header, sayable(name) if body is None else body, terms)


def only(raw: bytes, terms: CsvTerms = TERMS) -> Told:
    (one,) = read_table(raw, terms)
    return one


def says(body: object) -> Any:
    """A record with its series as quantities: 50 kW and 50,000 W are the same."""
    if isinstance(body, IntervalSeries):
        return (body.start, body.step_seconds, body.unit, [body.quantity(n) for n in range(len(body.values))])
    if isinstance(body, msgspec.Struct):
        return {name: says(getattr(body, name)) for name in type(body).__struct_fields__}
    return [says(one) for one in body] if isinstance(body, tuple) else body


@pytest.mark.parametrize("terms", [TERMS, ABROAD], ids=["comma", "semicolon"])
@pytest.mark.parametrize("name", DOCUMENTS_WITH_TABLES)
def test_every_document_comes_back_as_it_went(name: str, terms: CsvTerms) -> None:
    raw = table(name, terms=terms)
    one = only(raw, terms)
    assert one.error is None and says(one.body) == says(sayable(name)) and one.part == raw
    header, _ = example(DocumentName(name))
    assert (one.about.mode, one.about.conversation) == (header.mode, header.conversation)
    assert one.about.message == header.id


@pytest.mark.parametrize("name", DOCUMENTS_WITH_TABLES)
def test_a_document_twice_with_another_name_is_two_documents(name: str) -> None:
    first = table(name).decode().splitlines(keepends=True)
    header, _ = example(DocumentName(name))
    other = [line.replace(header.id, "another") for line in first[1:]]
    told = read_table("".join([*first, *other]).encode(), TERMS)
    assert len(told) == 2 and says(told[0].body) == says(told[1].body) == says(sayable(name))
    assert [one.part.decode() for one in told] == ["".join(first), "".join([first[0], *other])]
    assert (told[0].first, told[0].last + 1) == (2, told[1].first)


@pytest.mark.parametrize(("name", "field"), LEFT_OUT.items())
def test_what_a_table_has_no_place_for_is_refused_by_its_name(name: str, field: str) -> None:
    _, body = example(DocumentName(name))
    with pytest.raises(NoTableError, match=field):
        table(name, body)


def test_a_document_for_programs_has_no_table() -> None:
    with pytest.raises(SettingsError, match="base_contract has no table"):
        layout_of("base_contract")
    with pytest.raises(TableError, match="names none that has a table"):
        read_table(b"document\nbase_contract\n", TERMS)


def test_the_page_has_each_header_as_it_is() -> None:
    page = PAGE.read_text()
    for name in DOCUMENTS_WITH_TABLES:
        by = layout_of(name)
        line = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        for column in by.all():
            mark = f"**`{column.name}`**" if column.need else f"`{column.name}`"
            assert mark in line, (name, column.name)
        assert line.count("`") == 2 * (1 + sum(1 for _ in by.all())), name


def test_the_examples_of_the_page_are_documents() -> None:
    blocks = re.findall(r"```csv\n(.*?)```", PAGE.read_text(), re.S)
    told = [one for block in blocks for one in read_table(block.encode(), CsvTerms(zone="America/New_York"))]
    assert [one.error for one in told] == [None] * 3 and len(blocks) == 3
    (terms,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.S)
    assert msgspec.convert(tomllib.loads(terms)["csv"], CsvTerms).zone == "America/New_York"


RESPONSE = b"""document,dispatch,answer,committed_kw,interval_start,interval_minutes
dispatch_response,D-1,accepted,40,2026-01-14 17:00,30
,,,38.5,2026-01-14 17:30,
dispatch_response,D-2,accepted,,,
"""


def test_a_person_types_what_changes_and_leaves_the_rest_out() -> None:
    first, second = read_table(RESPONSE, CsvTerms(zone="America/New_York"))
    assert first.error is None and second.error is None
    series: IntervalSeries = first.body.committed_kw  # type: ignore[union-attr]
    assert [series.quantity(n) for n in (0, 1)] == [Decimal(40), Decimal("38.5")]
    assert series.start.isoformat() == "2026-01-14T22:00:00+00:00" and series.step_seconds == 1800
    assert second.body.committed_kw is None  # type: ignore[union-attr]
    assert (first.first, first.last, second.first) == (2, 3, 4)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ((b"40,", b"forty,"), "lines 2 to 3: a value of an interval is no number"),
        ((b"40,", b"NaN,"), "no number"),
        ((b"38.5", b"38.5000001"), "more than six decimals"),
        ((b"17:30", b"17:45"), "line 3: interval_start is not 0:30:00 after the line before"),
        ((b"2026-01-14 17:30", b""), "line 3 has no interval_start"),
        ((b"17:00,30", b"17:00,7"), "not 0:07:00 after"),
        ((b"2026-01-14 17:00", b"on Monday"), "no ISO 8601 time"),
        ((b"2026-01-14 17:00", b"2026-03-08 02:30"), "leaves out in spring"),
        ((b"2026-01-14 17:00", b"2026-11-01 01:30"), "comes twice in autumn"),
        ((b"D-1,accepted", b"D-1,perhaps"), "lines 2 to 3: not one of the values"),
        ((b"D-1,accepted", b"D..1,accepted"), "lines 2 to 3: Expected `str` matching"),
        ((b"D-1,accepted", b"D-1,"), "lines 2 to 3: Object missing required field `answer`"),
    ],
)
def test_what_is_wrong_has_its_lines_and_spoils_no_other_document(
    change: tuple[bytes, bytes], why: str
) -> None:
    raw = RESPONSE.replace(*change, 1)
    assert raw != RESPONSE
    first, second = read_table(raw, CsvTerms(zone="America/New_York"))
    assert first.body is None and first.error is not None and why in first.error.why
    assert second.error is None and second.body is not None


def test_the_step_of_one_interval_has_to_be_said() -> None:
    raw = b"document,dispatch,answer,committed_kw,interval_start\ndispatch_response,D-1,accepted,4,2026-01-14 17:00\n"
    (one,) = read_table(raw, TERMS)
    assert one.error is not None and "interval_minutes" in one.error.why


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "names no document"),
        (b"document\n", "names no document"),
        (b"dispatch,answer\nD-1,accepted\n", "names no document"),
        (b"document,dispatch\ndispatch_response,D-1\n", "its header has no answer"),
        (
            b"document,dispatch,answer,colour\ndispatch_response,D-1,accepted,red\n",
            "1 columns that are not known",
        ),
        (b"document,dispatch,answer\ndispatch_response,D-1\n", "line 2 has 2 fields, the header 3"),
        (b'document,dispatch,answer\ndispatch_response,"D-1,accepted\n', "not comma-separated"),
        (b"document,dispatch,answer\ndispatch_response,D-1,\xff\n", "not UTF-8"),
    ],
)
def test_what_is_no_table_is_refused_as_a_whole(raw: bytes, why: str) -> None:
    with pytest.raises(TableError, match=why):
        read_table(raw, TERMS)


def test_one_table_has_one_kind_of_document() -> None:
    raw = b"document,dispatch,answer\ndispatch_response,D-1,accepted\nneed,D-2,accepted\n"
    first, second = read_table(raw, TERMS)
    assert first.error is None and second.error is not None and "one kind" in second.error.why


def test_a_text_with_a_line_break_keeps_the_count_of_lines() -> None:
    raw = (
        b"document,dispatch,answer,text\r\n"
        b'dispatch_response,D-1,accepted,"two\r\nlines"\r\n'
        b"dispatch_response,D-2,accepted,one\x0bline\r\n"
    )
    first, second = read_table(raw, TERMS)
    assert first.part.endswith(b'"two\r\nlines"\r\n') and second.part.endswith(b"one\x0bline\r\n")
    assert second.part.count(b"\n") == 2 and second.first == 4


def test_no_text_is_a_formula() -> None:
    body = replace(sayable("dispatch_cancel"), text='=HYPERLINK("http://x")')
    raw = table("dispatch_cancel", body)
    assert b"'=HYPERLINK" in raw and only(raw).body == body
    kept = replace(body, text="'quoted'")
    assert only(table("dispatch_cancel", kept)).body == kept


def test_series_that_do_not_stand_beside_each_other_are_refused() -> None:
    body = sayable("availability_declaration")
    up = body.up_kw  # type: ignore[attr-defined]
    with pytest.raises(NoTableError, match="other intervals"):
        list(
            _Writer(TERMS).intervals(
                layout_of("availability_declaration").series, [up, replace(up, step_seconds=900)]
            )
        )
    stamped = {name: replace(getattr(body, name), stamped=Stamp.END) for name in ("up_kw", "down_kw")}
    with pytest.raises(NoTableError, match="stamped"):
        table("availability_declaration", replace(body, **stamped))
    with pytest.raises(NoTableError, match="blanks"):
        table("dispatch_cancel", replace(sayable("dispatch_cancel"), text=" x "))


def test_what_is_in_a_cell_is_never_said_again() -> None:
    raw = RESPONSE.replace(b"40,", b"SECRET,").replace(b"D-1,accepted", b"D-1,SECRET", 1)
    for one in read_table(raw, TERMS):
        assert "SECRET" not in str(one.error)


cells = st.text(alphabet='dispatch_responnse,;"\n\r1-:T 2026', max_size=60)


@given(
    st.one_of(st.binary(max_size=200), cells.map(lambda text: b"document,dispatch,answer\n" + text.encode()))
)
def test_whatever_comes_is_documents_or_an_error_of_ours(raw: bytes) -> None:
    is_table_of(raw, ",")
    with contextlib.suppress(IntertieError):
        for one in read_table(raw, TERMS):
            assert (one.body is None) is not (one.error is None)


@given(st.sampled_from(DOCUMENTS_WITH_TABLES), st.data())
def test_a_cell_that_changed_is_a_document_or_an_error(name: str, data: Any) -> None:
    lines = [line.split(",") for line in table(name).decode().splitlines()]
    at = data.draw(st.integers(1, len(lines) - 1))
    place = data.draw(st.integers(0, len(lines[at]) - 1))
    lines[at][place] = data.draw(
        st.sampled_from(["", "-1", "x", "1e999", "2026-13-01", "true", "NaN", "9" * 40])
    )
    with contextlib.suppress(TableError):
        read_table("\n".join(map(",".join, lines)).encode(), TERMS)


def test_numbers_of_series_are_the_only_columns_an_interval() -> None:
    kinds = {column.kind for name in DOCUMENTS_WITH_TABLES for column in layout_of(name).all()}
    assert kinds == set(Kind)
    assert all(
        column.unit
        for name in DOCUMENTS_WITH_TABLES
        for column in layout_of(name).series
        if column.kind is Kind.SERIES
    )
