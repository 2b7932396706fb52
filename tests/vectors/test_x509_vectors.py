"""Every case of vectors/x509 by this program, and by the independent reader in a process of its own."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import datetime
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from intertie.model.errors import Refused, SettingsError
from intertie.model.ids import party_id
from intertie.seal.certificates import TrustStore, check_chain, load_trust
from intertie.seal.encoding import from_base64url
from intertie.seal.revocation import TrustRules

VECTORS = Path(__file__).parents[2] / "vectors"
CASES = sorted((VECTORS / "x509").glob("*.json"))


def write_trust(case: dict[str, Any], folder: Path) -> TrustStore:
    """The case's trust as files, read as a gateway does."""
    for number, part in enumerate(case["roots"] + case["lists"]):
        place = folder / (part["only"] or "")
        place.mkdir(exist_ok=True)
        (place / f"{number}.pem").write_text(part["pem"])
    (folder / "ocsp").mkdir()
    for number, answer in enumerate(case["answers"]):
        (folder / "ocsp" / f"{number}.der").write_bytes(from_base64url(answer))
    return load_trust(folder, TrustRules(require=case["require"]))


def verdict(case: dict[str, Any], folder: Path) -> str:
    try:
        trust = write_trust(case, folder)
    except SettingsError:
        return "trust_unusable"
    now = datetime.fromisoformat(case["now"].replace("Z", "+00:00"))
    try:
        check_chain([from_base64url(der) for der in case["chain"]], trust, party_id(case["party"]), now)
    except Refused as refused:
        assert refused.step == 7
        return refused.code.value
    return "ok"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path, tmp_path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    assert verdict(case, tmp_path) == case["expect"]


def test_the_cases_are_many_and_of_every_kind() -> None:
    cases = [json.loads(path.read_text(encoding="utf-8")) for path in CASES]
    count = Counter(case["expect"] for case in cases)
    assert len(cases) >= 100
    assert set(count) == {
        *("ok", "certificate_untrusted", "certificate_expired", "certificate_not_sender"),
        *("certificate_revoked", "revocation_unknown", "trust_unusable"),
    }
    assert count["ok"] >= 15
    assert all(case["origin"] for case in cases)


def test_an_altered_case_is_refused(tmp_path: Path) -> None:
    """Each byte region of a good leaf matters: its names, its dates, its key, its extensions, its signature."""
    case = json.loads((VECTORS / "x509" / "ok_intermediate.json").read_text(encoding="utf-8"))
    trust = write_trust(case, tmp_path)
    now = datetime.fromisoformat(case["now"].replace("Z", "+00:00"))
    leaf, *rest = (from_base64url(der) for der in case["chain"])
    for at in range(8, len(leaf), 13):
        wrong = leaf[:at] + bytes([leaf[at] ^ 0x10]) + leaf[at + 1 :]
        with pytest.raises(Refused):
            check_chain([wrong, *rest], trust, party_id(case["party"]), now)


def test_lists_may_be_joined_in_any_order(tmp_path: Path) -> None:
    case = json.loads((VECTORS / "x509" / "revoked_and_left_out_later.json").read_text(encoding="utf-8"))
    trust = write_trust(case, tmp_path)
    now = datetime.fromisoformat(case["now"].replace("Z", "+00:00"))
    parts = [replace(trust, lists=(one,)) for one in trust.lists]
    for order in (parts, parts[::-1]):
        joined = reduce(TrustStore.joined, order)
        with pytest.raises(Refused, match="certificate_revoked"):
            check_chain([from_base64url(case["chain"][0])], joined, party_id(case["party"]), now)
