"""The cases of vectors/internet_et. What each must be is written here by name: a case made anew cannot change its verdict."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent.parent / "vectors"
CASES = sorted((ROOT / "internet_et").glob("*.json"))
# All others are "taken".
VERDICTS = {
    "receipt_signed_by_a_stranger": "no receipt",
    "receipt_signed_over_another_report": "no receipt",
    "receipt_a_signed_message_with_a_copy_of_another_report": "no receipt",
    "receipt_a_signed_message_of_a_stranger": "no receipt",
    "receipt_a_report_that_is_not_signed": "no receipt",
    "receipt_without_a_trans_id": "no receipt",
    "receipt_a_name_of_an_element_within_another": "refused",
    "receipt_an_element_twice": "refused",
    "request_cut_off": "cut off",
    "request_signed_by_a_stranger": "EEDM604",
    "request_encrypted_for_a_stranger": "EEDM601",
    "request_not_signed": "EEDM604",
    "request_not_encrypted": "EEDM602",
    "request_an_armor_without_an_end": "EEDM603",
    "request_changed_on_its_way": "EEDM699",
    "request_a_bomb": "EEDM699",
}
# Those of the field notes.
TRAPS = range(1, 9)


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_internet_et", ROOT / "make_internet_et.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


MAKER = maker()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_each_case_is_judged_as_it_says(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    assert MAKER.verdict(case) == case["expect"]
    assert case["expect"]["verdict"] == VERDICTS.get(path.stem, "taken")


def test_the_cases_are_all_there() -> None:
    stems = {path.stem for path in CASES}
    assert set(VERDICTS) <= stems and len(stems) >= 35
    origins = [json.loads(path.read_text(encoding="utf-8"))["origin"] for path in CASES]
    for trap in TRAPS:
        assert any(origin.startswith(f"trap {trap}:") for origin in origins), trap


def test_a_time_is_what_its_zone_says() -> None:
    at = {
        zone: json.loads((ROOT / "internet_et" / f"receipt_a_time_in_{zone}.json").read_text("utf-8"))
        for zone in ("UTC", "America_Chicago")
    }
    assert at["UTC"]["expect"]["at"] == "2026-01-15T12:00:01+00:00"
    assert at["America_Chicago"]["expect"]["at"] == "2026-01-15T12:00:01-06:00"
