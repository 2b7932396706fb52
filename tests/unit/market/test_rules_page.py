"""docs/rules.md is current, and no rule is without a test."""

from __future__ import annotations

import sys
from pathlib import Path

from intertie.market.book import RULES

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tools"))
import write_rules  # noqa: E402 - tools/ is no package


def test_the_page_is_current() -> None:
    assert (ROOT / write_rules.PAGE).read_text() == write_rules.page(ROOT), "run `make docs`"


def test_every_rule_has_a_test_and_every_mark_a_rule() -> None:
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names)) and all(rule.text and rule.source for rule in RULES)
    assert set(write_rules.marked(ROOT)) == set(names)
