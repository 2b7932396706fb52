"""The cases of vectors/as4. What each must be is written here by name, so that a case made anew cannot change its verdict."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent.parent / "vectors"
CASES = sorted((ROOT / "as4").glob("*.json"))
# All others are "ok".
VERDICTS = {
    "a_bit_of_the_file_is_another": "cannot_decrypt",
    "a_cipher_in_cbc": "weak",
    "a_key_under_rsa_1_5": "weak",
    "a_line_taken_out_of_the_signature": "signature_invalid",
    "a_receipt_by_a_stranger": "signature_invalid",
    "a_receipt_for_another_message": "bad_receipt",
    "a_receipt_for_other_digests": "other_digests",
    "a_receipt_that_is_changed": "signature_invalid",
    "a_receipt_that_is_not_signed": "not_signed",
    "a_receipt_without_one_digest": "other_digests",
    "a_signature_an_id_renamed": "bad_header",
    "a_signature_by_sha_1": "weak",
    "a_signature_wrapped": "bad_header",
    "a_signature_wrapped_in_an_object": "unsupported",
    "a_transform_by_xpath": "unsupported",
    "a_warning": "bad_receipt",
    "another_action_than_the_signed_one": "signature_invalid",
    "encrypted_for_a_stranger": "cannot_decrypt",
    "for_another_service": "not_as_agreed",
    "more_than_the_limit_when_decompressed": "too_large",
    "not_signed": "not_signed",
    "oaep_by_sha_1": "weak",
    "signed_by_a_stranger": "signature_invalid",
    "two_messaging_headers": "bad_header",
    "with_a_document_type": "not_xml",
    "without_its_file": "bad_mime",
}


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_as4", ROOT / "make_as4.py")
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


def test_what_is_ok_is_what_was_sent() -> None:
    fine = [json.loads(path.read_text(encoding="utf-8")) for path in CASES if path.stem not in VERDICTS]
    contents = {case["expect"]["content"] for case in fine if case["kind"] == "message"}
    assert len(contents) == 1 and {case["kind"] for case in fine} == {"message", "signal"}
