"""docs/coverage.md is current, and every test it names is there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from intertie.catalogue.load import load_catalogue
from intertie.model.party import Role

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import write_coverage  # noqa: E402


def page() -> str:
    return (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")


def test_page_is_current() -> None:
    assert page() == write_coverage.render(), "run `make docs`"


def test_every_role_interface_and_flow_has_a_row() -> None:
    text, catalogue = page(), load_catalogue()
    for role in Role:
        assert f"(`{role}`)" in text
    for code in catalogue.interfaces:
        assert f"| interface | {code}:" in text
    for flow in catalogue.flows():
        assert f"| `{flow.key}` |" in text


def test_what_works_names_tests_that_exist() -> None:
    named = set(re.findall(r"`((?:tests|vectors|docs)/[^`:]*)`", page()))
    assert named
    for path in named:
        assert (ROOT / path).exists(), f"coverage.md names {path}"


def test_each_row_works_and_says_what_shows_it_or_says_that_it_does_not() -> None:
    rows = [line.split(" | ") for line in page().splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 200
    for row in rows:
        state, shown = row[-2], row[-1]
        assert state == "not yet" or (state == "works" and len(shown.strip(" |")) > 10), row
