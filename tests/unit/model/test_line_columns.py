"""Lines from columns are the lines that are built one by one, and what one by one is refused is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.model.billing import InvoiceLine, LineCode
from intertie.model.line_columns import LineColumns
from intertie.model.record import as_built, unchecked

CODES = (LineCode.RESERVATION, LineCode.UTILISATION, LineCode.ADJUSTMENT, LineCode.TAX)


def columns(count: int, **changes: Any) -> LineColumns:
    """So many good lines; `changes` are of the last one."""
    rows = [
        {
            "line": number,
            "code": CODES[number % len(CODES)],
            "text": f"for hour {number}",
            "quantity": f"{number % 7}.5",
            "unit": "kWh",
            "rate": "4.25",
            "cents": number * 37 - 90,
            "dispatch": f"D-{number}" if number % 2 else None,
            "statement": None,
        }
        for number in range(1, count + 1)
    ]
    rows[-1] |= changes
    return LineColumns(**{name: [row[name] for row in rows] for name in LineColumns._fields})


def one_by_one(said: LineColumns) -> tuple[InvoiceLine, ...]:
    """The same by the type's own way."""
    return tuple(
        InvoiceLine(
            line=line,
            code=code,
            text=text,
            quantity=Decimal(quantity),
            unit=unit,
            rate=Decimal(rate),
            amount=Decimal(cents).scaleb(-2),
            dispatch=dispatch,
            statement=statement,
        )
        for line, code, text, quantity, unit, rate, cents, dispatch, statement in zip(*said, strict=True)
    )


def test_they_are_records_of_the_type_and_nothing_else() -> None:
    lines = columns(20).lines()
    assert {type(line) for line in lines} == {InvoiceLine}
    assert lines == one_by_one(columns(20)) and hash(lines) == hash(one_by_one(columns(20)))
    data = msgspec.json.encode(lines)
    assert data == msgspec.json.encode(one_by_one(columns(20)))
    assert msgspec.json.decode(data, type=tuple[InvoiceLine, ...]) == lines


def test_a_copy_of_one_is_asked_again() -> None:
    [line] = columns(1).lines()
    with pytest.raises(ValueError, match="cents"):
        msgspec.structs.replace(line, amount=Decimal("0.001"))


def test_none_is_none() -> None:
    assert LineColumns(*([] for _ in LineColumns._fields)).lines() == ()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": "NaN"},
        {"quantity": "1E+13"},
        {"rate": "-Infinity"},
        {"rate": "1.0000000000"},
        {"cents": 10**14 + 1},
        {"cents": -(10**14) - 1},
        {"code": LineCode.INTEREST},
        {"code": LineCode.PENALTY, "cents": 1},
    ],
)
def test_what_breaks_a_rule_is_refused_with_the_same_words(changes: dict[str, Any]) -> None:
    said = columns(9, **changes)
    with pytest.raises(ValueError, match=":") as alone:
        one_by_one(said)
    with pytest.raises(ValueError, match=":") as together:
        said.lines()
    assert str(together.value) == str(alone.value)


def test_equal_numbers_are_not_taken_for_each_other() -> None:
    said = columns(2)._replace(rate=["1", "1.0000000000"])
    with pytest.raises(ValueError, match="rate"):
        said.lines()


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": "123456789.123456789"},
        {"rate": "1E+3"},
        {"cents": 10**14},
        {"code": LineCode.PENALTY, "cents": -5},
    ],
)
def test_what_is_unusual_and_good_is_taken(changes: dict[str, Any]) -> None:
    said = columns(9, **changes)
    assert said.lines() == one_by_one(said)


NUMBERS = st.sampled_from(
    ["0", "-0", "1", "1.00", "12345678.9", "123456789.1", "1E+12", "1E+14", "0.0000000001"]
)


@given(NUMBERS, NUMBERS, st.integers(-(10**15), 10**15), st.sampled_from(list(LineCode)))
def test_either_way_says_the_same(quantity: str, rate: str, cents: int, code: LineCode) -> None:
    said = columns(3, quantity=quantity, rate=rate, cents=cents, code=code)
    try:
        expected: object = one_by_one(said)
    except ValueError as error:
        expected = str(error)
    try:
        found: object = said.lines()
    except ValueError as error:
        found = str(error)
    assert found == expected and repr(found) == repr(expected)


def test_the_twin_of_a_type_asks_nothing_and_is_not_the_type() -> None:
    twin = unchecked(InvoiceLine)
    [good] = columns(1).lines()
    made = twin(
        **{name: getattr(good, name) for name in InvoiceLine.__struct_fields__} | {"amount": Decimal("0.001")}
    )
    assert made != good and type(made) is not InvoiceLine
    [as_one] = as_built(InvoiceLine, [made])
    assert type(as_one) is InvoiceLine and twin is unchecked(InvoiceLine)
