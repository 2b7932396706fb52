"""docs/controls.md names tests and pages that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "controls.md").read_text(encoding="utf-8")


def test_every_test_it_names_is_there() -> None:
    named = re.findall(r"`(tests/[a-z0-9_/]+\.py)(?:::([a-z0-9_]+))?`", PAGE)
    assert len(named) >= 35
    for file, function in named:
        text = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^(?:async )?def {function}\(", text, flags=re.M) if function else text, (
            file,
            function,
        )


def test_every_page_it_links_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert links
    assert not [link for link in links if not (ROOT / "docs" / link).resolve().is_file()]


def test_every_baseline_has_one_row_or_is_named_as_an_organisations() -> None:
    rows = re.findall(r"^\| (\d\.[A-Z])(?: to \d\.([A-Z]))? \|", PAGE, flags=re.M)
    singles = [first for first, _ in rows]
    assert singles == sorted(set(singles))
    theirs = PAGE[PAGE.index("Only an organisation can meet these") :]
    for wanted in ("1.B", "1.F", "2.I", "2.J", "2.M", "2.N", "2.P", "2.Q", "2.S", "2.X", "4.A", "4.C"):
        assert wanted in theirs and wanted not in singles
