"""What protection costs a message: sign, seal, open and verify at several parcel sizes, against the bare primitives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa

from bench.machine import timed
from intertie.model.ids import PartyId, new_parcel_id
from intertie.model.party import Role
from intertie.seal.keys import PrivateKeys, generate_keys
from intertie.seal.parcel import _assemble, open_frame, read_frame, verify_manifest
from intertie.seal.profile import PROFILES
from intertie.seal.trial_ca import TrialCa

NOW = datetime(2026, 1, 15, tzinfo=UTC)
SIZE = 2048
COUNTS = (1, 10, 100, 1000)
Row = dict[str, object]


def rows() -> Iterator[Row]:
    """A row per profile, parcel size and operation; `us_per_msg` is the median."""
    ca = TrialCa.create("Bench", NOW - timedelta(days=1), NOW + timedelta(days=365))
    sender, recipient = (
        generate_keys(PartyId(name), frozenset({Role.DER_AGGREGATOR}), ca, NOW)
        for name in ("a.example", "b.example")
    )
    yield from primitives()
    for profile in ("classical", "hybrid"):
        for count in COUNTS:
            yield from _parcel(profile, count, ca, sender, recipient)


def primitives() -> Iterator[Row]:
    """The floor: one signature of each algorithm over 2 KB, made and verified."""
    data = os.urandom(SIZE)
    classical, post_quantum = ec.generate_private_key(ec.SECP256R1()), mldsa.MLDSA65PrivateKey.generate()
    algorithm = ec.ECDSA(hashes.SHA256())
    first, second = classical.sign(data, algorithm), post_quantum.sign(data)
    calls = {
        "P-256 sign": lambda: classical.sign(data, algorithm),
        "P-256 verify": lambda: classical.public_key().verify(first, data, algorithm),
        "ML-DSA-65 sign": lambda: post_quantum.sign(data),
        "ML-DSA-65 verify": lambda: post_quantum.public_key().verify(second, data),
    }
    for name, call in calls.items():
        yield _row("primitive", 1, name, timed(call, repeat=100))


def _parcel(
    profile: str, count: int, ca: TrialCa, sender: PrivateKeys, recipient: PrivateKeys
) -> Iterator[Row]:
    messages = [os.urandom(SIZE) for _ in range(count)]
    public, trust = sender.public(), ca.trust()
    sealing = {"recipient": recipient.public(), "created": NOW, "profile": PROFILES[profile], "keys": sender}

    def seal() -> bytes:
        return _assemble(messages, parcel=new_parcel_id(NOW), seq=1, **sealing).blob  # type: ignore[arg-type]

    blob = seal()
    frame = read_frame(blob, limit=len(blob))
    opened = open_frame(frame, recipient)
    repeat = max(3, 60 // count)
    yield _row(profile, count, "sign and seal", timed(seal, repeat=repeat))
    yield _row(profile, count, "open", timed(lambda: open_frame(frame, recipient), repeat=repeat))
    check = timed(lambda: verify_manifest(frame, opened, public, trust, NOW), repeat=repeat)
    yield _row(profile, count, "verify", check)


def _row(profile: str, count: int, what: str, timing: tuple[float, float, float]) -> Row:
    median, least, most = (round(seconds / count * 1e6, 2) for seconds in timing)
    return {
        "part": "sealing",
        "protection": profile,
        "messages": count,
        "what": what,
        "us_per_msg": median,
        "least": least,
        "most": most,
    }
