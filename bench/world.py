"""Two parties that trust one authority, and messages between them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509

from intertie.model.ids import PartyId
from intertie.model.party import Role
from intertie.seal.certificates import TrustStore
from intertie.seal.keys import PrivateKeys, generate_keys
from intertie.seal.trial_ca import TrialCa

NOW = datetime(2026, 1, 15, tzinfo=UTC)
# A day of quarter-hour readings of one meter.
MESSAGE_BYTES = 2048


@dataclass(frozen=True)
class World:
    """A sender and a recipient, with keys for every profile."""

    sender: PrivateKeys
    recipient: PrivateKeys
    ca: TrialCa
    trust: TrustStore


@cache
def world() -> World:
    """The same one for all cases."""
    ca = TrialCa.create("Bench", NOW - timedelta(days=1), NOW + timedelta(days=365))
    sender, recipient = (
        generate_keys(PartyId(name), frozenset({Role.DER_AGGREGATOR}), ca, NOW)
        for name in ("a.example", "b.example")
    )
    return World(sender, recipient, ca, ca.trust())


def messages(count: int) -> list[bytes]:
    """Bytes that do not repeat."""
    return [os.urandom(MESSAGE_BYTES) for _ in range(count)]


def issuer_of(world: World, alg: str) -> x509.Certificate:
    """The authority that issued the certificates for an algorithm."""
    return world.ca.issuer("mldsa" if alg.startswith("ML-DSA") else "ec").certificate
