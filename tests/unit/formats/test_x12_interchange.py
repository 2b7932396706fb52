"""Envelopes: bytes in, sets out; numbers, counts and separators; and whatever bytes come, a named error with its place."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.formats.x12_world import NOW, UTILITY, body_of, invoice, readings, trading, written

from intertie.formats.x12.answers import judge
from intertie.formats.x12.findings import CODES, Finding, Place, X12Code, X12Error
from intertie.formats.x12.interchange import Reader, read_sets, rewrite
from intertie.formats.x12.layout import SET_IDS, profile
from intertie.formats.x12.separators import Isa, Separators, read_isa, write_isa
from intertie.formats.x12.sets import read_document, write_document, write_file

DATA = written(invoice(3))
TWO = write_file(
    [
        write_document(body, trading(), reference="R", at=NOW)
        for body in (invoice(2), readings(NOW, (1, 2, 3)), invoice(4))
    ],
    trading(),
    UTILITY,
    control=8,
    at=NOW,
)

DOCUMENTS = (
    "invoice",
    "remittance_advice",
    "meter_readings",
    "registration_decision",
    "dispute",
    "outage_notice",
)
BAD = (b"", b"x" * 200, b"-", b"99999999", b"2460", b">", b"\xff", b"\x00")


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def test_an_interchange_has_a_group_for_each_kind_of_set() -> None:
    sets = read_sets(TWO)
    assert [(one.set_id, one.group.control, one.control) for one in sets] == [
        ("810", "1", "0001"),
        ("810", "1", "0002"),
        ("867", "2", "0001"),
    ]
    assert {one.isa.control for one in sets} == {"000000008"}
    assert rewrite(sets) == TWO
    assert sets[0].first == 3


@pytest.mark.parametrize("size", [1, 2, 7, 105, 106, 107, 1000])
def test_pieces_of_any_size_make_the_same_sets(size: int) -> None:
    whole = read_sets(TWO + DATA)
    assert list(Reader(pieces(TWO + DATA, size))) == whole
    assert len(whole) == 4


@pytest.mark.parametrize("line", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 10**6])
def test_line_ends_after_segments(line: str, size: int) -> None:
    data = TWO.replace(b"~", b"~" + line.encode())
    sets = list(Reader(pieces(data, size)))
    assert rewrite(sets) == data
    assert [one.text for one in sets] == [one.text for one in read_sets(TWO)]


@pytest.mark.parametrize(
    "marks",
    [
        Separators("|", ":", "\n"),
        Separators("+", "\\", "'"),
        Separators("\x1d", "\x1f", "\x1e"),
        Separators("*", ">", "\r"),
    ],
)
def test_separators_are_those_of_the_isa_segment(marks: Separators) -> None:
    between = trading()
    made = write_document(invoice(20), between, reference="R", at=NOW, marks=marks)
    data = write_file([made], between, UTILITY, control=1, at=NOW, marks=marks)
    [one] = read_sets(data)
    assert one.separators == marks and not one.findings
    assert rewrite([one]) == data
    assert read_document(one, profile("ny")) == invoice(20)


def test_a_percent_sign_may_separate() -> None:
    marks = Separators("%", ">", "~")
    made = write_document(invoice(20), trading(), reference="R", at=NOW, marks=marks)
    [one] = read_sets(write_file([made], trading(), UTILITY, control=1, at=NOW, marks=marks))
    assert read_document(one, profile("ny")) == invoice(20)


def test_several_interchanges_in_a_file_and_blanks_between() -> None:
    other = DATA.replace(b"*", b"|")
    sets = read_sets(DATA + b"\r\n\r\n" + other + b"\n \x1a")
    assert [one.separators.element for one in sets] == ["*", "|"]


def test_an_interchange_without_groups_and_with_ta1() -> None:
    isa, _ = read_isa(DATA.decode())
    head = write_isa(isa, Separators()).encode()
    reader = Reader([head + b"TA1*000000007*260801*0930*A*000~IEA*0*000000007~"])
    assert list(reader) == [] and len(reader.interchanges) == 1


@pytest.mark.parametrize(
    "old, new, code, segment, element",
    [
        (b"ISA*00", b"ISB*00", X12Code.NOT_AN_INTERCHANGE, 1, 0),
        (b"ISA*00*          *", b"ISA*00*         **", X12Code.NOT_AN_INTERCHANGE, 1, 2),
        (b"*00401*", b"*00501*", X12Code.VERSION, 1, 12),
        (b"*000000007*0*P", b"*00000000X*0*P", X12Code.CONTROL_NUMBER, 1, 13),
        (b"EXAMPLE", b"EX\xe4MPLE", X12Code.CHARACTER, 7, 2),
        (b"*X*004010", b"*X*005010", X12Code.VERSION, 2, 8),
        (b"GS*IN*", b"GS**", X12Code.ELEMENT_MISSING, 2, 1),
        (b"GS*IN*", b"GX*IN*", X12Code.ENVELOPE, 2, 0),
        (b"*1*X*004010~", b"*1*X*004010*1~", X12Code.ELEMENT_TOO_MANY, 2, 9),
        (b"ST*810*0001", b"ST*810", X12Code.ELEMENT_MISSING, 3, 2),
        (b"ST*810*0001", b"SX*810*0001", X12Code.ENVELOPE, 3, 0),
        (b"GE*1*1~", b"GE*2*1~", X12Code.COUNT, 32, 1),
        (b"GE*1*1~", b"GE*x*1~", X12Code.COUNT, 32, 1),
        (b"GE*1*1~", b"GE*1*2~", X12Code.CONTROL_NUMBER, 32, 2),
        (b"GE*1*1~", b"GE*1~", X12Code.ELEMENT_MISSING, 32, 2),
        (b"GE*1*1~", b"", X12Code.ENVELOPE, 32, 0),
        (b"IEA*1*", b"IEA*3*", X12Code.COUNT, 33, 1),
        (b"IEA*1*000000007", b"IEA*1*000000009", X12Code.CONTROL_NUMBER, 33, 2),
        (b"IEA*1*000000007~", b"", X12Code.TRUNCATED, 33, 0),
        (b"IEA*1*000000007~", b"IEA*1*000000007", X12Code.TRUNCATED, 33, 0),
        (b"SE*29*0001~", b"", X12Code.TRUNCATED, 3, 0),
        (b"TDS*", b"GE*1*1~TDS*", X12Code.ENVELOPE, 29, 0),
        (b"TDS*", b"ST*810*0002~TDS*", X12Code.ENVELOPE, 29, 0),
    ],
)
def test_envelopes_that_are_not_in_order(
    old: bytes, new: bytes, code: X12Code, segment: int, element: int
) -> None:
    assert old in DATA
    data = DATA.replace(old, new, 1)
    if code is X12Code.CHARACTER:
        [one] = read_sets(data)
        found = one.findings[0]
    else:
        with pytest.raises(X12Error) as caught:
            read_sets(data)
        found = caught.value.finding
    assert (found.code, found.place.segment, found.place.element) == (code, segment, element)


@pytest.mark.parametrize("mark", [b"A", b" ", b"0", b"*", b"\xff"])
def test_separators_that_cannot_be(mark: bytes) -> None:
    data = DATA[:104] + mark + DATA[105:]
    with pytest.raises(X12Error) as caught:
        read_sets(data)
    assert caught.value.finding.code is X12Code.SEPARATORS


@pytest.mark.parametrize(
    "old, new, code, element",
    [
        (b"SE*29*0001", b"SE*30*0001", X12Code.COUNT, 1),
        (b"SE*29*0001", b"SE*99999999999*0001", X12Code.COUNT, 1),
        (b"SE*29*0001", b"SE*29*0002", X12Code.CONTROL_NUMBER, 2),
        (b"SE*29*0001", b"SE*29", X12Code.ENVELOPE, 0),
    ],
)
def test_a_wrong_trailer_is_a_finding_of_its_set_alone(
    old: bytes, new: bytes, code: X12Code, element: int
) -> None:
    [one] = read_sets(DATA.replace(old, new))
    [found] = one.findings
    assert (found.code, found.place.element, found.place.segment, found.place.position) == (
        code,
        element,
        31,
        29,
    )


def test_control_numbers_of_sets_are_told_apart() -> None:
    data = TWO.replace(b"ST*810*0002", b"ST*810*0001").replace(b"*0002~", b"*0001~")
    sets = read_sets(data)
    assert [bool(one.findings) for one in sets] == [False, True, False]
    assert sets[1].findings[0].code is X12Code.CONTROL_NUMBER


def test_a_set_has_a_limit() -> None:
    for source in ([DATA], pieces(DATA, 10)):
        with pytest.raises(X12Error) as caught:
            list(Reader(source, set_bytes_max=200))
        assert caught.value.finding.code is X12Code.TOO_LARGE


def test_an_envelope_segment_that_does_not_end() -> None:
    head = DATA[:106]
    with pytest.raises(X12Error) as caught:
        read_sets(head + b"GS*" + b"x" * 5000)
    assert caught.value.finding.code is X12Code.TOO_LARGE
    with pytest.raises(X12Error) as caught:
        read_sets(DATA.replace(b"SE*29*0001~GE*1*1~IEA*1*000000007~", b"SE*29" + b"0" * 3000))
    assert caught.value.finding.code is X12Code.TRUNCATED


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_bytes(data: bytes) -> None:
    for raw in (data, DATA[:106] + data, DATA[:200] + data):
        try:
            read_sets(raw)
        except X12Error as error:
            assert error.finding.place.segment >= 1


@pytest.mark.parametrize(
    "document",
    DOCUMENTS,
)
def test_changed_sets_end_in_findings(document: str) -> None:
    """Deleted, doubled and broken segments: whatever is read, only named errors come of it, each with a place."""
    rng = random.Random(document)
    base = written(body_of(document))
    segments = base.split(b"~")[2:-4]
    for _ in range(150):
        changed = list(segments)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(1, len(changed))
            kind = rng.randrange(6)
            if kind == 0:
                del changed[at]
            elif kind == 1:
                changed.insert(at, changed[at])
            elif kind == 2:
                cells = changed[at].split(b"*")
                cells[rng.randrange(len(cells))] = rng.choice(
                    [b"", b"x" * 200, b"-", b"99999999", b"2460", b">", b"\xff", b"\x00"]
                )
                changed[at] = b"*".join(cells)
            elif kind == 3:
                changed[at] = changed[at][: rng.randrange(len(changed[at]) + 1)]
            elif kind == 4:
                changed[at], changed[at - 1] = changed[at - 1], changed[at]
            else:
                changed[at] += b"*" * rng.randrange(1, 30) + b"Q"
        data = b"~".join([*base.split(b"~")[:2], *changed, *base.split(b"~")[-4:]])
        try:
            [one] = read_sets(data)
            found = judge(one, profile("ny")).findings
            assert all(finding.place.segment >= 3 for finding in found)
            read_document(one, profile("ny"))
            assert not found
        except X12Error as error:
            assert error.findings


def test_every_code_says_what_it_means() -> None:
    assert set(CODES) == set(X12Code)
    for code, meaning in CODES.items():
        assert meaning.sentence and (not meaning.element or meaning.segment), code
    assert str(Finding(X12Code.COUNT, Place(3, "SE", 1, 2, loop="x"))) == (
        "count (segment 3, SE, element SE01, component 2, loop x): The trailer counts something else than is there"
    )
    assert "7" in SET_IDS[-1]


def test_an_isa_segment_that_does_not_fit() -> None:
    isa = Isa("01", "1" * 16, "01", "2", "260801", "0930", "000000001")
    with pytest.raises(X12Error, match="at most 15"):
        write_isa(isa, Separators())
    with pytest.raises(X12Error, match="character"):
        write_isa(isa._replace(sender="a*b"), Separators())
