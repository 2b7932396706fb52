"""Evidence: proves one message with nothing but the roots, and no byte of it is free."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from seal_world import World

from intertie.model.errors import EvidenceError
from intertie.model.ids import MessageId, party_id
from intertie.seal.certificates import TrustStore
from intertie.seal.encoding import to_base64url, write_canonical
from intertie.seal.evidence import EVIDENCE_BYTES_MAX, build_evidence, verify_evidence
from intertie.seal.evidence_report import EvidenceReport
from intertie.seal.parcel import SealedParcel
from intertie.seal.profile import PROFILES
from intertie.seal.receipt import JournalHead, Outcome, Receipt, sign_receipt
from intertie.seal.tree import leaf_hash

ID = "019aab5c-1c00-7000-8000-0000000000%02x"


def message(n: int, **header: object) -> bytes:
    fields = {
        "id": ID % n,
        "verb": "created",
        "document": "invoice",
        "version": 1,
        "interface": "XX",
        "mode": "scheduled",
        "from": "agg.example",
        "to": "utility.example",
        "agreement": "base-1",
        "created": "2026-11-22T11:59:00Z",
        "expires": "2026-11-25T11:59:00Z",
    }
    return json.dumps({"header": fields | header, "body": {"n": n}}).encode()


MESSAGES = [message(n) for n in range(5)]
LEAVES = [leaf_hash(raw) for raw in MESSAGES]


def receipt_for(world: World, sealed: SealedParcel, profile: str, **change: object) -> bytes:
    receipt = Receipt(
        v=1,
        parcel=sealed.header.parcel,
        root=sealed.root.hex(),
        sender=world.util.party,
        recipient=world.agg.party,
        received=world.now + timedelta(seconds=2),
        outcomes=tuple(
            Outcome(message=MessageId(ID % n), leaf=leaf.hex(), status="accepted")
            for n, leaf in enumerate(LEAVES)
        ),
        journal=JournalHead(size=9, root="aa" * 32),
    )
    return sign_receipt(msgspec.structs.replace(receipt, **change), world.util, PROFILES[profile])


def evidence(world: World, profile: str = "hybrid", index: int = 3, **change: object) -> bytes:
    sealed = world.seal(MESSAGES, profile)
    arguments = {
        "message": MESSAGES[index % 5],
        "index": index,
        "leaves": LEAVES,
        "manifest": sealed.manifest,
        "sender_chains": world.agg.public().signing,
        "receipt": receipt_for(world, sealed, profile),
        "receiver_chains": world.util.public().signing,
    } | change
    return build_evidence(**arguments)  # type: ignore[arg-type]


def verify(world: World, raw: bytes, now: datetime | None = None) -> EvidenceReport:
    return verify_evidence(raw, world.trust, now or world.now + timedelta(days=1))


def failure(world: World, raw: bytes, step: int, now: datetime | None = None) -> str:
    with pytest.raises(EvidenceError) as error:
        verify(world, raw, now)
    assert error.value.step == step, error.value
    assert f"step {step}" in str(error.value)
    return error.value.why


def edited(raw: bytes, **members: object) -> bytes:
    return write_canonical(json.loads(raw) | members)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("index", [0, 3, 4])
def test_evidence_verifies(world: World, profile: str, index: int) -> None:
    report = verify(world, evidence(world, profile, index))
    assert (report.message, report.document, report.agreement) == (ID % index, "invoice", "base-1")
    assert (report.sender, report.recipient) == (world.agg.party, world.util.party)
    assert (report.sealed, report.received) == (world.now, world.now + timedelta(seconds=2))
    assert (report.outcome, report.profile, report.index, report.count) == ("accepted", profile, index, 5)
    assert [s.alg for s in report.signers] == list(PROFILES[profile].signatures)
    assert [s.party for s in report.witnesses] == [world.util.party] * len(report.signers)
    assert (report.holds_until is None) == (profile != "classical")
    assert report.notes == ()


def test_it_needs_no_other_message_and_shows_none(world: World) -> None:
    raw = evidence(world)
    assert to_base64url(MESSAGES[3])[-40:] in raw.decode()
    for other in (MESSAGES[0], MESSAGES[4]):
        assert to_base64url(other)[-40:] not in raw.decode()


def test_it_verifies_years_later(world: World) -> None:
    report = verify(world, evidence(world), datetime(2049, 1, 1, tzinfo=UTC))
    assert report.holds_until is None


def test_without_a_receipt_it_says_so(world: World) -> None:
    raw = evidence(world, receipt=None, receiver_chains=None)
    report = verify(world, raw)
    assert report.received is None
    assert report.witnesses == ()
    assert "not that it arrived" in report.notes[0]
    assert "receipt    none" in report.text()


def test_the_report_for_a_person(world: World) -> None:
    text = verify(world, evidence(world)).text()
    for part in ("invoice v1", "agg.example", "utility.example", "base-1", "ES256, ML-DSA-65", "message 4 of 5",
                 "accepted by utility.example", "no end of its algorithms"):  # fmt: skip
        assert part in text
    assert json.loads(msgspec.json.encode(verify(world, evidence(world))))["outcome"] == "accepted"


def test_a_refusal_can_be_proved_too(world: World) -> None:
    sealed = world.seal(MESSAGES)
    outcomes = tuple(Outcome(leaf=leaf.hex(), status="refused", code="schema") for leaf in LEAVES)
    receipt = receipt_for(world, sealed, "hybrid", outcomes=outcomes)
    report = verify(world, evidence(world, manifest=sealed.manifest, receipt=receipt))
    assert (report.outcome, report.outcome_code) == ("refused", "schema")
    assert "refused (schema) by utility.example" in report.text()


def test_clocks_that_do_not_fit_are_noted(world: World) -> None:
    sealed = world.seal(MESSAGES)
    receipt = receipt_for(world, sealed, "hybrid", received=world.now - timedelta(seconds=9))
    report = verify(
        world, evidence(world, manifest=sealed.manifest, receipt=receipt), world.now - timedelta(days=1)
    )
    assert any("clocks differ" in note for note in report.notes)
    assert any("one of the clocks is wrong" in note for note in report.notes)


def check_flips(world: World, raw: bytes, places: range) -> set[int]:
    """Change each byte in turn; the steps that caught it."""
    steps = set()
    verify(world, raw)
    for at in places:
        changed = raw[:at] + bytes([raw[at] ^ (1 << at % 7)]) + raw[at + 1 :]
        with pytest.raises(EvidenceError) as error:
            verify(world, changed)
        assert 1 <= error.value.step <= 11
        steps.add(error.value.step)
    return steps


def test_every_byte_matters(world: World) -> None:
    raw = evidence(world, "classical")
    steps = check_flips(world, raw, range(len(raw)))
    assert {1, 2, 3, 4, 6, 8, 9} <= steps


def test_every_byte_matters_in_hybrid(world: World) -> None:
    raw = evidence(world, "hybrid")
    check_flips(world, raw, range(0, len(raw), 7))  # every one takes 40 s


def test_truncated_and_extended(world: World) -> None:
    raw = evidence(world)
    for changed in (b"", raw[:-1], raw + b"\n", b" " + raw, raw[: len(raw) // 2], b"null", b"[]", b"\xff"):
        failure(world, changed, 1)
    failure(world, b" " * (EVIDENCE_BYTES_MAX + 1), 1)
    failure(world, json.dumps(json.loads(raw)).encode(), 1)  # the same, reformatted


@pytest.mark.parametrize(
    ("members", "step"),
    [
        ({"v": 2}, 1),
        ({"extra": 1}, 1),
        ({"index": -1}, 1),
        ({"proof": ["AAAA"]}, 1),
        ({"message": "===="}, 1),
        ({"message": to_base64url(b"{}")}, 2),
        ({"message": to_base64url(message(3) + b" ")}, 6),
        ({"message": to_base64url(message(4))}, 6),
        ({"index": 2}, 6),
        ({"index": 65_535}, 6),
        ({"proof": []}, 6),
        ({"manifest": {}}, 3),
        ({"manifest": None}, 3),
        ({"sender_chains": {}}, 4),
        ({"receipt": {}}, 8),
        ({"receipt": None}, 8),
        ({"receiver_chains": {}}, 9),
    ],
)
def test_each_step_names_itself(world: World, members: dict[str, object], step: int) -> None:
    failure(world, edited(evidence(world), **members), step)


def test_a_signature_removed(world: World) -> None:
    file = json.loads(evidence(world))
    file["manifest"]["signatures"].pop()
    assert "no ML-DSA" not in failure(
        world, write_canonical(file), 4
    )  # ES256 alone is classical: a chain is spare
    file["sender_chains"].pop("ML-DSA-65")
    why = failure(world, write_canonical(file), 11, datetime(2036, 1, 1, tzinfo=UTC))
    assert "classical" in why
    file = json.loads(evidence(world))
    file["manifest"]["signatures"].pop(0)
    assert "signature_missing" in failure(world, write_canonical(file), 3)


def test_a_classical_proof_ends(world: World) -> None:
    raw = evidence(world, "classical")
    assert verify(world, raw, datetime(2035, 12, 31, 23, tzinfo=UTC)).holds_until is not None
    failure(world, raw, 11, datetime(2036, 1, 1, tzinfo=UTC))


def test_certificates_swapped_or_spare(world: World) -> None:
    file = json.loads(evidence(world))
    failure(world, edited(evidence(world), sender_chains=file["receiver_chains"]), 4)
    failure(world, edited(evidence(world), receiver_chains=file["sender_chains"]), 9)
    spare = file["sender_chains"] | {"ES384": [to_base64url(world.agg.signing["ES384"].chain[0])]}
    assert "chains for" in failure(world, edited(evidence(world), sender_chains=spare), 4)
    longer = {alg: chain * 2 for alg, chain in file["sender_chains"].items()}
    failure(world, edited(evidence(world), sender_chains=longer), 4)


def test_roots_decide(world: World) -> None:
    nothing = TrustStore(world.trust.family(post_quantum=False))
    with pytest.raises(EvidenceError) as error:
        verify_evidence(evidence(world), nothing, world.now)
    assert error.value.step == 4


def test_revocation_at_the_time_of_signing_counts_and_later_does_not(world: World) -> None:
    raw = evidence(world)
    der = world.agg.signing["ES256"].chain[0]
    later = replace(world, trust=world.trust.with_revoked(der, world.now + timedelta(hours=1)))
    verify(later, raw)
    before = replace(world, trust=world.trust.with_revoked(der, world.now))
    assert "certificate_revoked" in failure(before, raw, 4)


def test_signed_when_the_certificate_was_not_valid(world: World) -> None:
    sealed = world.seal(MESSAGES, created=world.now + timedelta(days=800))
    raw = evidence(world, manifest=sealed.manifest, receipt=None, receiver_chains=None)
    assert "certificate_expired" in failure(world, raw, 4)


def test_a_message_of_other_parties_in_a_parcel(world: World) -> None:
    forged = message(1, **{"from": "other.example"})
    sealed = world.seal([forged])
    raw = evidence(
        world, index=0, message=forged, leaves=[leaf_hash(forged)], manifest=sealed.manifest, receipt=None
    )
    assert "other.example" in failure(world, raw, 7)


@pytest.mark.parametrize(
    "change",
    [
        {"root": "00" * 32},
        {"parcel": ID % 77},
        {"sender": party_id("third.example")},
        {"recipient": party_id("third.example")},
        {"outcomes": (Outcome(leaf=LEAVES[0].hex(), status="accepted"),)},
        {"outcomes": tuple(Outcome(leaf=leaf.hex(), status="accepted") for leaf in LEAVES[::-1])},
    ],
)
def test_a_receipt_for_something_else(world: World, change: dict[str, object]) -> None:
    sealed = world.seal(MESSAGES)
    raw = evidence(world, manifest=sealed.manifest, receipt=receipt_for(world, sealed, "hybrid", **change))
    failure(world, raw, 8)


def test_a_receipt_weaker_than_its_parcel(world: World) -> None:
    sealed = world.seal(MESSAGES)
    raw = evidence(world, manifest=sealed.manifest, receipt=receipt_for(world, sealed, "classical"))
    assert "classical" in failure(world, raw, 8)
    assert verify(
        world, evidence(world, manifest=sealed.manifest, receipt=receipt_for(world, sealed, "hybrid-high"))
    )


def test_building_refuses_what_would_not_verify(world: World) -> None:
    for change, step in [
        ({"index": 2}, 6),
        ({"index": 9}, 6),
        ({"manifest": b"{}"}, 3),
        ({"sender_chains": {}}, 4),
        ({"sender_chains": world.util.public().signing}, 4),
        ({"receipt": b"{}"}, 8),
        ({"receiver_chains": None}, 9),
    ]:
        with pytest.raises(EvidenceError) as error:
            evidence(world, **{"message": MESSAGES[3], "index": 3} | change)
        assert error.value.step == step
