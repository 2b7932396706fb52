"""Rows at once: the same as one by one, and never a broken row that another one makes good."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intertie.formats.x12 import read_set as read_set_module
from intertie.formats.x12.columns import ROWS_BY_GUESS, read_columns
from intertie.formats.x12.findings import X12Code
from intertie.formats.x12.interchange import Group, TransactionSet
from intertie.formats.x12.layout import Layout, Loop, build, profile
from intertie.formats.x12.read_set import Said, read_set
from intertie.formats.x12.separators import COMMON, Isa, Separators
from intertie.formats.x12.tree import EMPTY, Table, nodes, table, table_of, text
from intertie.formats.x12.write_set import write_set

ISA = Isa("01", "1", "01", "2", "260801", "0930", "000000001")
GROUP = Group("IN", "1", "2", "20260801", "0930", "1")
MAP = """
must BIG | number:AN1-22!
loop lines 0..1000
  must IT1 | line:N01-7! | quantity:R1-15! | unit:ID2-2(KH,K1)! | rate:R1-17 | | =SV | =EL
  may PID | =F | | | | words:AN1-80!
  may REF | =ZZ | =FIRST | first:AN1-80!
  may REF | =ZZ | =SECOND | second:AN1-80!
  must SAC | sign:ID1-1(A,C)! | | =EU | code:AN1-10! | amount:N21-15!
end
must TDS | total:N21-15!
"""


def small(layout: str = MAP) -> Layout:
    return build({"set": "810", "group": "IN", "title": "t", "layout": layout}, profile("ny"))


BY = small()


def a_set(segments: list[str], marks: Separators = COMMON) -> TransactionSet:
    body = ["ST*810*0001", *segments, f"SE*{len(segments) + 2}*0001", ""]
    raw = "~".join(body).replace("*", marks.element).replace("~", marks.terminator)
    return TransactionSet("810", "0001", raw, 3, marks, GROUP, ISA)


def row(
    number: int, *, words: bool = True, first: bool = False, second: bool = False, unit: str = "KH"
) -> list[str]:
    found = [f"IT1*{number}*{number}.5*{unit}*1.25**SV*EL"]
    found += [f"PID*F****Line {number}"] * words
    found += [f"REF*ZZ*FIRST*A-{number}"] * first + [f"REF*ZZ*SECOND*B-{number}"] * second
    return [*found, f"SAC*C**EU*ENC*{number}00"]


def whole(rows: list[list[str]]) -> list[str]:
    return ["BIG*N1", *(segment for one in rows for segment in one), "TDS*100"]


def slowly(one: TransactionSet, by: Layout = BY) -> Said:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_set_module, "ROWS_BY_COLUMN", 10**9)
        return read_set(one, by)


def said(rows: Table) -> list[dict[str, str]]:
    return [{name: value for name, value in one.items() if value} for one in rows.rows()]


def both_ways(segments: list[str], by: Layout = BY) -> Said:
    """Read quickly; the same as slowly, or it fails."""
    one = a_set(segments)
    quick, slow = read_set(one, by), slowly(one, by)
    assert quick.findings == slow.findings
    assert said(table(quick.node, "lines")) == said(table(slow.node, "lines"))
    return quick


def at_once(segments: list[str], by: Layout = BY) -> Table | None:
    """What the quick way alone makes of the rows."""
    loop = by.root.parts[1]
    assert isinstance(loop, Loop)
    return read_columns(loop, "".join(f"{one}~" for one in segments[1:-1]), COMMON, 5, len(segments) - 2)


SHAPES: dict[str, Callable[[int], list[str]]] = {
    "all alike": row,
    "one has a reference": lambda n: row(n, first=n == 7),
    "every other one has a reference": lambda n: row(n, first=n % 2 == 0),
    "references of two kinds": lambda n: row(n, first=n % 2 == 0, second=n % 3 == 0),
    "codes vary": lambda n: row(n, unit="K1" if n % 5 == 0 else "KH"),
    "some have no words": lambda n: row(n, words=n % 4 != 0),
}


@pytest.mark.parametrize("name", SHAPES)
def test_rows_at_once_say_what_they_say_one_by_one(name: str) -> None:
    segments = whole([SHAPES[name](number) for number in range(1, 31)])
    found = both_ways(segments)
    assert not found.findings and table(found.node, "lines").length == 30
    quick = at_once(segments)
    assert quick is not None and quick.first == 5
    assert said(quick) == said(table(found.node, "lines"))


PLACES = {
    "an element that is missing here and too much there": (
        "IT1*4*4.5*KH*1.25**SV*EL",
        "IT1*4*4.5*1.25**SV*EL",
        "IT1*5*5.5*KH*1.25**SV*EL",
        "IT1*5*5.5*KH*KH*1.25**SV*EL",
    ),
    "a constant that is missing here and twice there": (
        "IT1*4*4.5*KH*1.25**SV*EL",
        "IT1*4*4.5*KH*1.25*SV*EL",
        "IT1*5*5.5*KH*1.25**SV*EL",
        "IT1*5*5.5*KH*1.25***SV*EL",
    ),
    "a qualifier that changes places with a value": (
        "PID*F****Line 4",
        "PID*Line 4****F",
        "PID*F****Line 5",
        "PID*F****F",
    ),
    "a segment that is missing here and twice there": (
        "PID*F****Line 4~",
        "",
        "PID*F****Line 5~",
        "PID*F****Line 5~PID*F****Line 4~",
    ),
    "an id that is a value": (
        "SAC*C**EU*ENC*400",
        "SAC*C**EU*ENC*400*IT1",
        "IT1*5*5.5*KH*1.25**SV*EL",
        "5*5.5*KH*1.25**SV*EL",
    ),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_broken_row_is_not_made_good_by_another(name: str) -> None:
    old_here, new_here, old_there, new_there = PLACES[name]
    good = "~".join(whole([row(number) for number in range(1, 31)]))
    assert good.count(old_here) == 1 and good.count(old_there) == 1
    segments = good.replace(old_here, new_here).replace(old_there, new_there).split("~")
    assert at_once(segments) is None
    assert both_ways(segments).findings


@pytest.mark.parametrize(
    "old, new, code, element",
    [
        ("SAC*C**EU*ENC*2900", "SAC*C**EU*ENC*29x0", X12Code.ELEMENT_NUMBER, 5),
        ("SAC*C**EU*ENC*2900", "SAC*D**EU*ENC*2900", X12Code.ELEMENT_CODE, 1),
        ("SAC*C**EU*ENC*2900", "SAC*C**EX*ENC*2900", X12Code.ELEMENT_CODE, 3),
        ("SAC*C**EU*ENC*2900", "SAC*C**EU**2900", X12Code.ELEMENT_MISSING, 4),
        ("SAC*C**EU*ENC*2900", "SAC*C**EU*ENC*2900*1", X12Code.ELEMENT_TOO_MANY, 6),
        ("SAC*C**EU*ENC*2900", "SAC*C**EU*E>C*2900", X12Code.COMPONENT, 4),
        ("IT1*29*29.5*KH", "IT1*29*29.5*XX", X12Code.ELEMENT_CODE, 3),
        ("IT1*29*29.5*KH", "IT1*29**KH", X12Code.ELEMENT_MISSING, 2),
        ("PID*F****Line 29", "PID*F****" + "x" * 81, X12Code.ELEMENT_TOO_LONG, 5),
    ],
)
def test_the_one_bad_row_of_thirty_is_named(old: str, new: str, code: X12Code, element: int) -> None:
    good = "~".join(whole([row(number) for number in range(1, 31)]))
    assert good.count(old) == 1
    segments = good.replace(old, new).split("~")
    at = next(number for number, (a, b) in enumerate(zip(good.split("~"), segments, strict=True)) if a != b)
    found = both_ways(segments).findings[0]
    assert (found.code, found.place.element) == (code, element)
    assert (found.place.segment, found.place.position) == (4 + at, 2 + at)
    assert found.place.id == old[:3]


@given(
    marks=st.lists(
        st.tuples(st.booleans(), st.booleans(), st.booleans(), st.sampled_from(["KH", "K1"])),
        min_size=1,
        max_size=40,
    ),
    harm=st.lists(st.tuples(st.integers(0, 200), st.sampled_from("*~X>1-.")), max_size=2),
)
@settings(max_examples=80, deadline=None)
def test_any_rows(marks: list[tuple[bool, bool, bool, str]], harm: list[tuple[int, str]]) -> None:
    rows = [
        row(number, words=words, first=first, second=second, unit=unit)
        for number, (words, first, second, unit) in enumerate(marks, 1)
    ]
    raw = "~".join(whole(rows))
    for at, what in harm:
        place = 7 + at % max(1, len(raw) - 16)
        raw = raw[:place] + what + raw[place:]
    both_ways(raw.split("~"))


def test_rows_of_twenty_kinds() -> None:
    more = "\n".join(f"  may REF | =Z{n:02} | v_{n}:AN1-9" for n in range(20))
    by = small(MAP.replace("must SAC", f"{more}\n  must SAC"))
    rows = []
    for number in range(1, 41):
        *begin, last = row(number)
        rows.append([*begin, *(f"REF*Z{n:02}*v" for n in range(number % 20)), last])
    assert at_once(whole(rows), by) is not None
    found = both_ways(whole(rows), by)
    assert not found.findings and table(found.node, "lines").length == 40


@pytest.mark.parametrize("words", ["EU", "C", "F", "SV", "EL", "ZZ", "FIRST", "IT1", "KH", "ENC", "1.25"])
@pytest.mark.parametrize("at", [1, 15, 30])
def test_words_that_look_like_a_code_beside_them(words: str, at: int) -> None:
    rows = [SHAPES["every other one has a reference"](number) for number in range(1, 31)]
    rows[at - 1][1] = f"PID*F****{words}"
    found = both_ways(whole(rows))
    assert not found.findings and table(found.node, "lines").column("words")[at - 1] == words
    alone = [row(number, words=number == at) for number in range(1, 31)]
    alone[at - 1][1] = f"PID*F****{words}"
    assert table(both_ways(whole(alone)).node, "lines").column("words")[at - 1] == words


def test_other_characters_are_found_one_by_one() -> None:
    segments = whole([row(number) for number in range(1, 31)])
    odd = [one.replace("Line 4", "Line\x014") if one == "PID*F****Line 4" else one for one in segments]
    assert at_once(odd) is None
    assert table(both_ways(odd).node, "lines").column("words")[3] == "Line\x014"


def many(change: dict[int, list[str]]) -> list[str]:
    """So many rows that codes are guessed, but for those that are given."""
    return whole([change.get(number, row(number)) for number in range(1, ROWS_BY_GUESS + 101)])


UNUSUAL = {
    "a code that varies where nobody looked": row(77, unit="K1"),
    "a code in the last row": row(ROWS_BY_GUESS + 100, unit="K1"),
    "a code in the first row": row(1, unit="K1"),
    "an allowance": [one.replace("SAC*C", "SAC*A") for one in row(77)],
    "a part that none else has": row(77, first=True),
    "a part that is missing": row(77, words=False),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_codes_are_guessed_and_one_row_has_another(name: str) -> None:
    number = int(UNUSUAL[name][0].split("*")[1])
    segments = many({number: UNUSUAL[name]})
    assert at_once(segments) is not None
    found = both_ways(segments)
    assert not found.findings and table(found.node, "lines").length == ROWS_BY_GUESS + 100


@pytest.mark.parametrize("unit", ["XX", "", "K"])
@pytest.mark.parametrize("number", [1, 77, ROWS_BY_GUESS + 100])
def test_codes_are_guessed_and_one_is_wrong(unit: str, number: int) -> None:
    segments = many({number: row(number, unit=unit)})
    assert at_once(segments) is None
    [finding] = both_ways(segments).findings
    assert finding.place.id == "IT1" and finding.place.element == 3


def test_a_code_that_is_wrong_in_every_row_is_not_guessed() -> None:
    segments = whole([row(number, unit="XX") for number in range(1, ROWS_BY_GUESS + 101)])
    assert at_once(segments) is None and both_ways(segments).findings


def test_more_rows_than_a_loop_may_have_are_not_taken_apart() -> None:
    by = small(MAP.replace("0..1000", "0..20"))
    segments = whole([row(number) for number in range(1, 31)])
    assert at_once(segments, by) is None
    assert both_ways(segments, by).findings


def test_a_part_that_is_wrong_is_not_taken_for_the_next_one() -> None:
    """Two parts with the same constants: the first one has to be good, if there is one."""
    by = small(
        MAP.replace(
            "may PID | =F | | | | words", "may PID | =F | | | | few:AN1-3!\n  may PID | =F | | | | words"
        )
    )
    segments = whole([row(number) for number in range(1, 31)])
    assert at_once(segments, by) is None
    assert both_ways(segments, by).findings[0].code is X12Code.ELEMENT_TOO_LONG


@pytest.mark.parametrize(
    "marks", [Separators("|", ":", "\n"), Separators("\x1d", "\x1f", "\x1e"), Separators("%", ">", "~")]
)
def test_other_separators(marks: Separators) -> None:
    segments = whole([SHAPES["every other one has a reference"](number) for number in range(1, 31)])
    plain, other = read_set(a_set(segments), BY), read_set(a_set(segments, marks), BY)
    assert not other.findings
    assert said(table(other.node, "lines")) == said(table(plain.node, "lines"))


@pytest.mark.parametrize("name", SHAPES)
def test_what_was_read_is_written_again(name: str) -> None:
    segments = whole([SHAPES[name](number) for number in range(1, 31)])
    node = read_set(a_set(segments), BY).checked()
    assert write_set(node, BY) == "".join(f"{one}~" for one in segments)


def test_trees() -> None:
    rows = table_of([{"a": "1"}, {"b": "2"}], 9)
    assert rows == Table(2, {"a": ["1", ""], "b": ["", "2"]}, 9)
    assert rows.rows() == [{"a": "1", "b": ""}, {"a": "", "b": "2"}]
    assert rows.column("c") == ("", "") and Table(2, {}).rows() == [{}, {}]
    node = {"t": rows, "n": [{"x": "y"}], "v": "w"}
    assert (table(node, "t"), nodes(node, "n"), text(node, "v")) == (rows, [{"x": "y"}], "w")
    assert (table(node, "v"), nodes(node, "t"), text(node, "n")) == (EMPTY, [], "")
