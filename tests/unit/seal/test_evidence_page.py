"""docs/evidence.md numbers the steps of the check; the code has the same numbers."""

from __future__ import annotations

import re
from pathlib import Path

from intertie.journal import entry
from intertie.seal import equivocation, evidence, evidence_hops, evidence_stamp, renewal, translated_evidence

PAGE = Path(__file__).parents[3] / "docs" / "evidence.md"


def test_every_step_is_on_the_page_and_no_other() -> None:
    page = PAGE.read_text(encoding="utf-8")
    described = [int(number) for number in re.findall(r"^\| (\d+) \| ", page, re.M)]
    coded = {
        value
        for module in (evidence, evidence_hops, evidence_stamp, equivocation, renewal, translated_evidence)
        for name, value in vars(module).items()
        if name.startswith("STEP_")
    }
    assert len(described) == len(set(described)) and set(described) == coded
    assert entry.JOURNAL_STEP not in coded
    assert "Step 0 stands for the journal" in page


def test_the_limits_on_the_page_are_the_codes() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert f"at least {equivocation.SETTLED.seconds // 60} minutes later" in page
    assert f"not more than {renewal.DEPTH_MAX} layers deep" in page
    assert f"at most {evidence_stamp.PROOF_MAX} hashes" in page
    assert f"not more than {renewal.STAMP_LATE.days} days after" in page
