"""The cases of vectors/as2. What each must be is written here by name, so that a case made anew cannot change its verdict."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent.parent / "vectors"
CASES = sorted((ROOT / "as2").glob("*.json"))
# All others are "ok".
VERDICTS = {
    "signed_by_a_stranger": "not_the_signer",
    "encrypted_for_a_stranger": "cannot_decrypt",
    "a_bit_of_the_content_is_another_under_gcm": "cannot_decrypt",
    "signed_by_a_stranger_under_cbc": "not_the_signer",
    "another_content_than_the_signed_one": "signature_invalid",
    "not_signed": "not_signed",
    "not_encrypted": "not_encrypted",
    "signed_twice": "unsupported",
    "encrypted_twice": "unsupported",
    "more_than_the_limit_when_decompressed": "too_large",
    "a_compressed_stream_that_ends_wrongly": "cannot_decompress",
    "compressed_five_times": "too_deep",
    "not_a_structure_of_cms": "bad_mime",
    "a_multipart_without_an_end": "bad_mime",
    "a_receipt_by_a_stranger": "not_the_signer",
    "a_receipt_that_is_not_signed": "receipt_not_signed",
    "a_receipt_over_other_bytes": "mic_mismatch",
    "a_receipt_without_a_mic": "mic_mismatch",
    "a_receipt_for_another_message": "bad_receipt",
}


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_as2", ROOT / "make_as2.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


MAKER = maker()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_each_case_is_judged_as_it_says(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    assert MAKER.verdict(case) == case["expect"]
    assert case["expect"]["verdict"] == VERDICTS.get(path.stem, "ok")


def test_the_cases_are_all_there() -> None:
    stems = {path.stem for path in CASES}
    assert set(VERDICTS) <= stems and len(stems) >= 30


def test_what_cbc_protects_is_refused_in_one_way() -> None:
    case = json.loads((ROOT / "as2" / "signed_by_a_stranger_under_cbc.json").read_text(encoding="utf-8"))
    assert case["expect"] == {"verdict": "not_the_signer", "said": "cannot_decrypt"}
    case = json.loads((ROOT / "as2" / "a_receipt_that_says_that_it_failed.json").read_text(encoding="utf-8"))
    assert case["expect"] == {"verdict": "ok", "accepted": "false"}
