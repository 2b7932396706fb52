"""Two parties under one trial authority: what the tests of this folder share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from intertie.model.ids import ParcelId, party_id
from intertie.model.party import Role
from intertie.seal.certificates import TrustStore
from intertie.seal.keys import PrivateKeys, generate_keys
from intertie.seal.parcel import SealedParcel, _assemble
from intertie.seal.profile import PROFILES
from intertie.seal.trial_ca import TrialCa

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PARCEL = ParcelId("019aab5c-1c00-7000-8000-000000000001")


@dataclass(frozen=True)
class World:
    """Everything a test of this folder needs."""

    ca: TrialCa
    trust: TrustStore
    agg: PrivateKeys
    util: PrivateKeys
    now: datetime = NOW
    parcel: ParcelId = PARCEL

    def seal(self, messages: list[bytes], profile: str = "hybrid", **more: object) -> SealedParcel:
        arguments = {
            "parcel": PARCEL,
            "recipient": self.util.public(),
            "seq": 1,
            "created": NOW,
            "profile": PROFILES[profile],
            "keys": self.agg,
        } | more
        return _assemble(messages, **arguments)  # type: ignore[arg-type]


def keys_of(ca: TrialCa, party: str, role: Role) -> PrivateKeys:
    return generate_keys(party_id(party), frozenset({role}), ca, NOW)


def make_world() -> World:
    ca = TrialCa.create("Test", NOW - timedelta(days=30), NOW + timedelta(days=1500))
    agg = keys_of(ca, "agg.example", Role.DER_AGGREGATOR)
    util = keys_of(ca, "utility.example", Role.DISTRIBUTION_UTILITY)
    return World(ca, ca.trust(), agg, util)
