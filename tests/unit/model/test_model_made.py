"""Records that are made of what was said in parts: checked like those of a message, and never a bare ValueError."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.model.aggregation import DerChange, DerState, DerSuspension, SuspensionReason
from intertie.model.documents import DOCUMENTS, example
from intertie.model.errors import SettingsError
from intertie.model.made import changed, made

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
GOOD = {"suspension": "S", "aggregation": "AGG", "effective": NOW, "reason": SuspensionReason.OTHER}


def test_values_of_the_right_types_and_nothing_for_none() -> None:
    assert made(DerSuspension, **GOOD, until=None) == DerSuspension(**GOOD)  # type: ignore[arg-type]
    change = made(DerChange, der="D", state=DerState.LIMITED, available_kw=Decimal("4.5"))
    assert change.available_kw == Decimal("4.5") and change.state is DerState.LIMITED


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"until": NOW}, "until: not after effective"),
        ({"suspension": "two words"}, "$.suspension"),
        ({"aggregation": "SECRET 4711"}, "$.aggregation"),
        ({"reason": "because"}, "$.reason"),
        ({"ders": ("D", "D")}, "ders: item 2"),
        ({"colour": "red"}, "a field that its type does not have"),
        ({"effective": datetime(2026, 7, 1)}, "$.effective"),  # noqa: DTZ001 -- that is the mistake
    ],
)
def test_a_rule_that_is_broken_is_named_and_nothing_quoted(changes: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        made(DerSuspension, **{**GOOD, **changes})
    assert said in caught.value.why and "SECRET" not in str(caught.value) and "--help" in caught.value.do


def test_changed_is_checked_again() -> None:
    one = made(DerSuspension, **GOOD)
    assert changed(one, text="x").text == "x" and changed(one) == one
    with pytest.raises(SettingsError, match="until"):
        changed(one, until=NOW)


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_every_document_is_made_of_its_own_fields(name: str) -> None:
    _, record = example(DOCUMENTS[name].name)  # type: ignore[index]
    again = made(type(record), **msgspec.structs.asdict(record))
    assert again == record and type(again) is type(record)


TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)


@given(TEXTS, st.one_of(st.none(), st.integers(-3, 3)), st.lists(st.integers(0, 3), max_size=4))
def test_made_says_yes_where_the_record_does_and_else_a_sentence(
    text: str, hours: int | None, ders: list[int]
) -> None:
    """A record that is made, or a SettingsError that says what to do: nothing else, whatever is said."""
    until = None if hours is None else NOW + timedelta(hours=hours)
    names = tuple(f"D{n}" for n in ders)
    holds = (hours is None or hours > 0) and len(set(names)) == len(names)
    try:
        one = made(DerSuspension, **GOOD, text=text, until=until, ders=names)
    except SettingsError as error:
        assert not holds and error.do and error.why.startswith("what was said does not fit together")
        return
    assert holds and (one.text, one.until, one.ders) == (text, until, names)


def test_none_takes_a_value_back_to_its_default_and_unknown_fields_are_no_change() -> None:
    one = made(DerSuspension, **GOOD, text="x", until=NOW + timedelta(hours=1), ders=("D1",))
    assert changed(one, until=None).until is None and changed(one, text=None).text == ""
    assert changed(one, ders=None).ders == () and changed(one, until=None).ders == ("D1",)
    with pytest.raises(SettingsError, match="a field that its type does not have"):
        changed(one, colour="red")
    with pytest.raises(SettingsError, match="reason"):
        changed(one, reason=None)  # it has no default: what must be said is missing
    assert one.text == "x"


def test_a_record_in_a_record_is_checked_too() -> None:
    with pytest.raises(SettingsError) as caught:
        made(DerChange, der="D", state=DerState.LIMITED, available_kw=Decimal("NaN"))
    assert "available_kw" in caught.value.why
