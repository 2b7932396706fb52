"""Old evidence under new signatures: it proves what it proved when it was renewed, and nothing if that was too late."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seal_world import NOW, World, keys_of
from test_seal_equivocation import UTIL, A, B, built, receipt
from test_seal_evidence import evidence
from tests.tsa import Tsa, needs_openssl

from intertie.model.errors import Code, EvidenceError, Refused
from intertie.model.party import Role
from intertie.seal.encoding import write_canonical
from intertie.seal.equivocation import EquivocationReport
from intertie.seal.evidence_file import verify_file
from intertie.seal.evidence_report import EvidenceReport
from intertie.seal.keys import generate_keys
from intertie.seal.profile import PROFILES
from intertie.seal.renewal import DEPTH_MAX, RENEWED_BYTES_MAX, RenewedReport, build_renewed
from intertie.seal.timestamp import read_tsa_roots, request_stamp
from intertie.seal.trial_ca import TrialCa

AFTER = datetime(2036, 6, 1, tzinfo=UTC)
SOON = NOW + timedelta(days=10)


@pytest.fixture(scope="module")
def old(world: World) -> bytes:
    return evidence(world, "classical")


def renewed(world: World, inner: bytes, at: datetime = SOON, profile: str = "hybrid") -> bytes:
    return build_renewed(inner, world.util, at, PROFILES[profile])


def failure(world: World, raw: bytes, step: int, now: datetime = AFTER) -> str:
    with pytest.raises(EvidenceError) as caught:
        verify_file(raw, world.trust, now)
    assert caught.value.step == step, caught.value
    return caught.value.why


def test_classical_evidence_outlives_its_algorithms(world: World, old: bytes) -> None:
    failure(world, old, 11)
    report = verify_file(renewed(world, old), world.trust, AFTER)
    assert isinstance(report, RenewedReport)
    assert isinstance(report.inner, EvidenceReport)
    assert report.holds_until is None
    assert str(report.inner.holds_until) == "2035-12-31"
    assert [(r.by, r.at, r.profile) for r in report.renewals] == [("utility.example", SOON, "hybrid")]
    assert "word alone" in report.renewals[0].notes[0]
    text = report.text()
    for part in (
        "renewed    by utility.example",
        "hybrid",
        "as of 2026-12-02",
        "invoice v1",
        "no end of its algorithms",
    ):
        assert part in text


def test_renewed_again_and_again(world: World, old: bytes) -> None:
    once = renewed(world, old)
    twice = renewed(world, once, SOON + timedelta(days=100), "hybrid-high")
    report = verify_file(twice, world.trust, AFTER)
    assert isinstance(report, RenewedReport)
    assert [r.profile for r in report.renewals] == ["hybrid-high", "hybrid"]
    assert report.renewals[1].at == SOON


def test_renewed_too_late_proves_nothing(world: World, old: bytes) -> None:
    """The renewing party's certificates are still good: only the order of the two dates decides."""
    late = keys_of(world.ca, "late.example", Role.AGENCY)
    raw = build_renewed(old, late, NOW + timedelta(days=400), PROFILES["hybrid"])
    assert verify_file(raw, world.trust, AFTER)
    with pytest.MonkeyPatch.context() as patch:  # the same dates, had the algorithm lapsed a year earlier
        patch.setattr("intertie.seal.signed_part.proof_until", lambda p: NOW.date() if p.rank == 1 else None)
        failure(world, raw, 11)


def test_a_renewal_from_the_future_is_refused(world: World, old: bytes) -> None:
    assert "clocks" in failure(world, renewed(world, old), 37, SOON - timedelta(days=1))


def test_only_hybrid_or_more_renews(world: World, old: bytes) -> None:
    with pytest.raises(Refused) as caught:
        renewed(world, old, profile="classical")
    assert caught.value.code is Code.PROTECTION_TOO_WEAK


def test_steps(world: World, old: bytes) -> None:
    raw = renewed(world, old)
    file = json.loads(raw)

    def edited(**members: object) -> bytes:
        return write_canonical(file | members)

    failure(world, edited(v=1), 30)
    failure(world, raw + b"\n", 30)
    failure(world, edited(statement={}), 31)
    failure(world, edited(inner="AAAA"), 32)
    failure(world, edited(chains={}), 33)
    failure(world, edited(chains=file["chains"] | {"ES256": file["chains"]["ML-DSA-65"]}), 33)
    broken = json.loads(raw)
    signature = broken["statement"]["signatures"][1]["signature"]
    broken["statement"]["signatures"][1]["signature"] = ("A" if signature[0] != "A" else "B") + signature[1:]
    failure(world, write_canonical(broken), 34)
    damaged = renewed(world, old.replace(b'"index":3', b'"index":2'))
    failure(world, damaged, 6)
    failure(world, renewed(world, b"{}"), 1)


def test_signed_by_a_certificate_that_was_not_valid_then(world: World, old: bytes) -> None:
    assert "certificate_expired" in failure(world, renewed(world, old, NOW + timedelta(days=900)), 33)


def test_layers_are_bounded(world: World) -> None:
    raw = b"{}"
    for _ in range(DEPTH_MAX + 1):
        raw = renewed(world, raw)
    assert "times" in failure(world, raw, 30)
    failure(world, b"0" * (RENEWED_BYTES_MAX + 1), 1)


def test_an_equivocation_can_be_renewed(world: World) -> None:
    inner = built(world, receipt(world, 7, A), receipt(world, 7, B, parcel=3))
    report = verify_file(renewed(world, inner), world.trust, AFTER)
    assert isinstance(report, RenewedReport)
    assert isinstance(report.inner, EquivocationReport)


@needs_openssl
def test_a_stamp_says_when(world: World, tmp_path: Path) -> None:
    """The authority's clock is the machine's, so the renewing party lives now."""
    now = datetime.now(UTC).replace(microsecond=0)
    ca = TrialCa.create("Today", now - timedelta(days=30), now + timedelta(days=100))
    today = generate_keys(UTIL, frozenset({Role.AGENCY}), ca, now, not_before=now - timedelta(days=20))
    trust = world.trust.joined(ca.trust())
    tsa, inner, check = Tsa(tmp_path / "tsa"), evidence(world), now + timedelta(days=1)
    believed = read_tsa_roots(tsa.root.read_bytes())

    def renew(at: datetime) -> bytes:
        return build_renewed(
            inner, today, at, PROFILES["hybrid"], lambda data: tsa.reply(request_stamp(data))
        )

    raw = renew(now)
    report = verify_file(raw, trust, check, believed)
    assert isinstance(report, RenewedReport)
    assert (report.renewals[0].stamped_by, report.renewals[0].notes) == ("CN=Test TSA", ())
    assert "says CN=Test TSA" in report.text()
    unchecked = verify_file(raw, trust, check)
    assert isinstance(unchecked, RenewedReport)
    assert "not checked" in unchecked.renewals[0].notes[0]
    strange = read_tsa_roots(Tsa(tmp_path / "other").root.read_bytes())
    for file, roots in ((raw, strange), (renew(now - timedelta(days=8)), believed)):
        with pytest.raises(EvidenceError) as caught:
            verify_file(file, trust, check, roots)
        assert caught.value.step == 36


@given(junk=st.binary(max_size=300))
def test_junk(world: World, junk: bytes) -> None:
    for raw in (junk, b'{"kind":"renewed","statement":' + junk + b',"v":2}'):
        with pytest.raises(EvidenceError):
            verify_file(raw, world.trust, AFTER)
