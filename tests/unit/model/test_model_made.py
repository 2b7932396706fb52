"""Records that are made of what was said in parts: checked like those of a message, and never a bare ValueError."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

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
