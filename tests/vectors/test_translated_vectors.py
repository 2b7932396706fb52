"""Every case of vectors/translated by this program, and what its verifier says of the good ones."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from intertie.model.errors import EvidenceError
from intertie.run.verifiers import VERIFIERS
from intertie.seal.certificates import TrustStore
from intertie.seal.encoding import from_base64url
from intertie.seal.evidence_file import verify_file
from intertie.seal.translated_report import TranslatedReport

VECTORS = Path(__file__).parents[2] / "vectors"
CASES = sorted((VECTORS / "translated").glob("*.json"))
TRUST = TrustStore.of_pem((VECTORS / "translated_roots.pem").read_bytes())


def verify(case: dict[str, Any]) -> TranslatedReport:
    now = datetime.fromisoformat(case["now"].replace("Z", "+00:00"))
    report = verify_file(from_base64url(case["file"]), TRUST, now, verifiers=VERIFIERS)
    assert isinstance(report, TranslatedReport)
    return report


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    try:
        verify(case)
    except EvidenceError as error:
        assert f"step {error.step}" == case["expect"], error.why
    else:
        assert case["expect"] == "ok"


def test_every_numbered_step_refuses_something() -> None:
    found = {json.loads(path.read_text(encoding="utf-8"))["expect"] for path in CASES}
    assert found == {"ok", *(f"step {number}" for number in range(40, 51))}


def test_without_the_verifier_of_the_binding_nothing_is_believed() -> None:
    case = json.loads((VECTORS / "translated" / "valid__came.json").read_text(encoding="utf-8"))
    now = datetime.fromisoformat(case["now"].replace("Z", "+00:00"))
    with pytest.raises(EvidenceError) as caught:
        verify_file(from_base64url(case["file"]), TRUST, now)
    assert caught.value.step == 45


def test_the_report_says_which_keys_and_whose_word_it_is() -> None:
    report = verify(json.loads((VECTORS / "translated" / "valid__came.json").read_text(encoding="utf-8")))
    said = report.text()
    assert report.algorithm == "Ed25519" and report.answered == "Accepted"
    assert report.author_key in said and "utility.example's word" in said
    assert "answer     Accepted" in said and "until 2035-12-31: renew it" in said
