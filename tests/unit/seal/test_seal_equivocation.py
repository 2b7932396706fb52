"""Two signed statements that cannot both be true convict their signer; anything less convicts nobody."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seal_world import NOW, World

from intertie.model.errors import EvidenceError
from intertie.model.ids import MessageId, party_id
from intertie.seal.certificates import TrustStore
from intertie.seal.checkpoint import Checkpoint, sign_checkpoint
from intertie.seal.encoding import write_canonical
from intertie.seal.equivocation import (
    EQUIVOCATION_BYTES_MAX,
    SETTLED,
    Claim,
    build_equivocation,
    contradiction,
    verify_equivocation,
)
from intertie.seal.evidence_file import verify_file
from intertie.seal.profile import PROFILES
from intertie.seal.receipt import JournalHead, Outcome, Receipt, sign_receipt

ID = "019aab5c-1c00-7000-8000-0000000000%02x"
UTIL, AGG = party_id("utility.example"), party_id("agg.example")
A, B = "aa" * 32, "bb" * 32
LATER = NOW + timedelta(hours=2)


def receipt(
    world: World, size: int, root: str, at: datetime = NOW, profile: str = "hybrid", parcel: int = 1
) -> bytes:
    said = Receipt(
        v=1,
        parcel=ID % parcel,  # type: ignore[arg-type]
        root="cc" * 32,
        sender=UTIL,
        recipient=AGG,
        received=at,
        outcomes=(Outcome(message=MessageId(ID % 2), leaf="dd" * 32, status="accepted"),),
        journal=JournalHead(size=size, root=root),
    )
    return sign_receipt(said, world.util, PROFILES[profile])


def checkpoint(
    world: World, size: int, root: str, present: int, at: datetime = LATER, to: str = AGG
) -> bytes:
    said = Checkpoint(v=1, sender=UTIL, recipient=party_id(to), at=at, size=size, root=root, present=present)
    return sign_checkpoint(said, world.util)


def built(world: World, one: bytes, other: bytes) -> bytes:
    chains = world.util.public().signing
    return build_equivocation((one, chains), (other, chains))


def failure(
    world: World, raw: bytes, step: int, trust: TrustStore | None = None, now: datetime = LATER
) -> str:
    with pytest.raises(EvidenceError) as caught:
        verify_equivocation(raw, trust or world.trust, now)
    assert caught.value.step == step, caught.value
    return caught.value.why


def test_a_receipt_and_a_checkpoint_with_two_roots(world: World) -> None:
    raw = built(world, checkpoint(world, 7, B, 30), receipt(world, 7, A))
    report = verify_equivocation(raw, world.trust, LATER)
    assert (report.party, report.contradiction, report.holds_until) == (UTIL, "two_roots", None)
    assert (report.first.what, report.first.root, report.first.at) == ("receipt", A, NOW)
    assert (report.second.what, report.second.root, report.second.present) == ("checkpoint", B, 30)
    text = report.text()
    for part in (UTIL, "first 7 entries", "cannot both be true", A, B, "ML-DSA-65", "2026-11-22 14:00:00"):
        assert part in text
    assert verify_file(raw, world.trust, LATER) == report


def test_two_receipts_and_two_checkpoints_to_different_partners(world: World) -> None:
    for one, other in (
        (receipt(world, 7, A), receipt(world, 7, B, parcel=3)),
        (checkpoint(world, 7, A, 9), checkpoint(world, 7, B, 9, to="third.example")),
    ):
        assert verify_equivocation(built(world, one, other), world.trust, LATER).contradiction == "two_roots"


def test_a_journal_that_became_shorter(world: World) -> None:
    report = verify_equivocation(
        built(world, receipt(world, 20, A), checkpoint(world, 12, B, 12)), world.trust, LATER
    )
    assert report.contradiction == "shrunk"
    assert "had 20 entries" in report.text() and "only 12" in report.text()


def test_what_is_no_contradiction_makes_no_file(world: World) -> None:
    for one, other in (
        (receipt(world, 7, A), receipt(world, 7, A, parcel=3)),
        (receipt(world, 7, A), checkpoint(world, 8, B, 9)),
        (receipt(world, 20, A), checkpoint(world, 12, B, 12, at=NOW + SETTLED - timedelta(seconds=1))),
        (receipt(world, 20, A, at=LATER), checkpoint(world, 12, B, 12, at=NOW)),
    ):
        with pytest.raises(EvidenceError) as caught:
            built(world, one, other)
        assert caught.value.step == 25


def test_receipts_alone_never_say_that_a_journal_shrank(world: World) -> None:
    """A receipt's time is when the parcel came: it may be written after a later one's."""
    with pytest.raises(EvidenceError):
        built(world, receipt(world, 20, A), receipt(world, 12, B, at=LATER, parcel=3))


def claim(size: int, root: int, present: int | None, minutes: int, what: str) -> Claim:
    at = NOW + timedelta(minutes=minutes)
    return Claim(UTIL, AGG, at, size, f"{root:064x}", present, what, "")  # type: ignore[arg-type]


@given(
    heads=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 500)), min_size=2, max_size=6, unique=True)
)
def test_an_honest_journal_never_contradicts_itself(heads: list[tuple[int, int]]) -> None:
    """It grows with time, and its root is a function of its size."""
    sizes = sorted(size for size, _ in heads)
    minutes = sorted(minute for _, minute in heads)
    said = [claim(s, s * 7, s, m, "checkpoint") for s, m in zip(sizes, minutes, strict=True)]
    assert all(contradiction(a, b) is None for i, a in enumerate(said) for b in said[i:])


def test_steps(world: World) -> None:
    raw = built(world, receipt(world, 7, A), checkpoint(world, 7, B, 9))
    file = json.loads(raw)

    def edited(**members: object) -> bytes:
        return write_canonical(file | members)

    failure(world, b"{}", 20)
    failure(world, raw + b" ", 20)
    failure(world, b" " * (EQUIVOCATION_BYTES_MAX + 1), 20)
    failure(world, edited(v=2), 20)
    failure(world, edited(first=file["first"] | {"jws": {}}), 21)
    failure(world, edited(first=file["first"] | {"chains": {}}), 23)
    failure(world, edited(first=file["first"] | {"chains": {"ES256": ["AAAA"], "ML-DSA-65": ["AAAA"]}}), 23)
    changed = json.loads(raw)
    changed["first"]["jws"]["signatures"][0]["signature"] = changed["second"]["jws"]["signatures"][0][
        "signature"
    ]
    failure(world, write_canonical(changed), 24)
    failure(world, edited(second=file["first"]), 25)
    classical = TrustStore(world.trust.family(post_quantum=False))
    failure(world, raw, 23, classical)


def test_two_parties_are_not_one(world: World) -> None:
    file = json.loads(built(world, receipt(world, 7, A), checkpoint(world, 7, B, 9)))
    theirs = Checkpoint(v=1, sender=AGG, recipient=UTIL, at=LATER, size=7, root=B, present=9)
    jws = msgspec.Raw(sign_checkpoint(theirs, world.agg))
    raw = write_canonical(file | {"second": {"jws": jws, "chains": file["second"]["chains"]}})
    assert AGG in failure(world, raw, 22)


def test_classical_receipts_convict_until_2035(world: World) -> None:
    raw = built(
        world, receipt(world, 7, A, profile="classical"), receipt(world, 7, B, profile="classical", parcel=3)
    )
    assert str(verify_equivocation(raw, world.trust, LATER).holds_until) == "2035-12-31"
    failure(world, raw, 26, now=datetime(2036, 1, 1, tzinfo=UTC))


def test_every_flipped_bit_is_found(world: World) -> None:
    raw = built(world, receipt(world, 7, A), checkpoint(world, 7, B, 9))
    for place in range(3, len(raw), max(1, len(raw) // 60)):
        bad = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises(EvidenceError):
            verify_file(bad, world.trust, LATER)


@given(junk=st.binary(max_size=300))
def test_junk(world: World, junk: bytes) -> None:
    failure(world, junk, 20)
