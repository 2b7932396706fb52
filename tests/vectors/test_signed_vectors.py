"""Every case of vectors/receipt, checkpoint, descriptor and evidence by this program."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from intertie.model.errors import EvidenceError, Refused
from intertie.model.ids import ParcelId, party_id
from intertie.seal.certificates import TrustStore
from intertie.seal.checkpoint import verify_checkpoint, verify_witness
from intertie.seal.descriptor import read_descriptor
from intertie.seal.encoding import from_base64url
from intertie.seal.evidence_file import verify_file
from intertie.seal.keys import PublicKeys
from intertie.seal.profile import PROFILES, profile_of_algorithms
from intertie.seal.receipt import Sent, check_receipt_of, verify_receipt
from intertie.seal.timestamp import TsaTrust, read_tsa_roots

VECTORS = Path(__file__).parents[2] / "vectors"
SHARED = json.loads((VECTORS / "signers.json").read_text(encoding="utf-8"))
FOLDERS = ("receipt", "checkpoint", "descriptor", "evidence")
CASES = sorted(path for folder in FOLDERS for path in (VECTORS / folder).glob("*.json"))


def time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@lru_cache(maxsize=1)
def trusted() -> TrustStore:
    return TrustStore.of_pem(SHARED["roots"].encode())


@lru_cache(maxsize=1)
def tsa() -> TsaTrust:
    return read_tsa_roots(SHARED["tsa_roots"].encode())


def trust_of(case: dict[str, Any]) -> TrustStore:
    """The shared roots; a certificate is revoked by its serial number, whichever root it is under."""
    trust = trusted()
    for revoked in case["revoked"]:
        for root in trusted().roots:
            mark = root.subject.public_bytes(), int(revoked["serial"], 16)
            trust = replace_revoked(trust, mark, time(revoked["since"]))
    return trust


def replace_revoked(trust: TrustStore, mark: tuple[bytes, int], since: datetime) -> TrustStore:
    return TrustStore(trust.roots, {**trust.revoked, mark: since})


def writer_of(case: dict[str, Any]) -> PublicKeys:
    known = SHARED["writers"][case["writer"]]
    signing = {
        alg: tuple(tuple(from_base64url(der) for der in chain) for chain in chains)
        for alg, chains in known["chains"].items()
    }
    ends = {bytes.fromhex(mark): time(end) for mark, end in known["ends"].items()}
    return PublicKeys(party_id(known["party"]), frozenset(), signing, {}, ends)


def judge_receipt(case: dict[str, Any]) -> str:
    """As `gateway.sending.answers` judges an answer."""
    sent, raw = case["parcel"], from_base64url(case["receipt"])
    least = PROFILES[sent["profile"]]
    receipt = verify_receipt(
        raw, writer=writer_of(case), trust=trust_of(case), now=time(case["now"]), least=least
    )
    leaves = [bytes.fromhex(leaf) for leaf in sent["leaves"]]
    parties = party_id(sent["from"]), party_id(sent["to"])
    check_receipt_of(receipt, Sent(ParcelId(sent["parcel"]), *parties, leaves))
    lines = json.loads(raw)["signatures"]
    algs = [json.loads(from_base64url(line["protected"]))["alg"] for line in lines]
    return f"ok {profile_of_algorithms(algs).name}"


def judge_checkpoint(case: dict[str, Any]) -> str:
    verify = {"checkpoint": verify_checkpoint, "witness": verify_witness}[case["kind"]]
    verify(
        from_base64url(case["statement"]),
        writer=writer_of(case),
        reader=party_id(case["reader"]),
        trust=trust_of(case),
        now=time(case["now"]),
    )
    return "ok"


def judge_descriptor(case: dict[str, Any]) -> str:
    found = read_descriptor(from_base64url(case["descriptor"]), trust_of(case), time(case["now"]))
    return " ".join(["ok", *(f"{alg}:{len(found.keys.signing[alg])}" for alg in sorted(found.keys.signing))])


def judge_evidence(case: dict[str, Any], *, stamps: bool = True) -> str:
    believed = tsa() if case["tsa"] and stamps else None
    try:
        verify_file(from_base64url(case["file"]), trust_of(case), time(case["now"]), believed)
    except EvidenceError as error:
        return f"step {error.step}"
    return "ok"


JUDGES = {
    "receipt": judge_receipt,
    "checkpoint": judge_checkpoint,
    "descriptor": judge_descriptor,
    "evidence": judge_evidence,
}


def verdict(path: Path) -> str:
    case = json.loads(path.read_text(encoding="utf-8"))
    try:
        return JUDGES[path.parent.name](case)
    except Refused as refused:
        return refused.code.value


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_case(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    assert verdict(path) == case["expect"]
    if "without_stamps" in case:
        assert judge_evidence(case, stamps=False) == case["without_stamps"]


def test_the_cases_are_many_and_of_every_kind() -> None:
    count = Counter(path.parent.name for path in CASES)
    assert count["receipt"] >= 150 and count["descriptor"] >= 150
    assert count["evidence"] >= 150 and count["checkpoint"] >= 40
    cases = [json.loads(path.read_text(encoding="utf-8")) for path in CASES]
    assert all(case["origin"] for case in cases)
    good = [case for case in cases if case["expect"].startswith("ok")]
    assert len(good) >= 40 and len(cases) - len(good) >= 600


def test_every_numbered_step_of_evidence_refuses_something() -> None:
    found = {json.loads(path.read_text(encoding="utf-8"))["expect"] for path in CASES}
    for number in (*range(1, 14), *range(20, 27), *range(30, 38)):
        # 35: ML-DSA has no known end, so the algorithms of a renewal do not lapse yet
        if number != 35:
            assert f"step {number}" in found, number


def test_the_certificates_in_signers_json_are_for_nobody() -> None:
    roots = x509.load_pem_x509_certificates(SHARED["roots"].encode())
    assert all("Vectors" in root.subject.rfc4514_string() for root in roots)
