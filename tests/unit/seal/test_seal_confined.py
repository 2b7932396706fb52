"""Roots that vouch for one party only: a partner's own authority must not be able to speak for anybody else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seal_world import NOW, World

from intertie.model.errors import Code, Refused, SettingsError
from intertie.model.ids import PartyId
from intertie.seal.certificates import TrustStore, check_chain, load_trust
from intertie.seal.trial_ca import TrialCa

A, B = PartyId("agg.example"), PartyId("utility.example")
CAS = [TrialCa.create(f"CA {n}", NOW, NOW + timedelta(days=9)) for n in range(3)]


def test_a_confined_root_vouches_for_its_party(world: World) -> None:
    check_chain(world.agg.signing["ES256"].chain, world.trust.confined_to(A), A, world.now)


def test_a_confined_root_vouches_for_nobody_else(world: World) -> None:
    for alg in ("ES256", "ML-DSA-65"):
        with pytest.raises(Refused) as refused:
            check_chain(world.util.signing[alg].chain, world.trust.confined_to(A), B, world.now)
        assert refused.value.code is Code.CERTIFICATE_UNTRUSTED


def test_what_one_folder_trusts_for_all_is_not_confined_by_another(world: World) -> None:
    both = world.trust.joined(world.trust.confined_to(A))
    check_chain(world.util.signing["ES256"].chain, both, B, world.now)
    assert both.confined == {} and len(both.roots) == len(world.trust.roots)


def test_two_parties_of_one_authority(world: World) -> None:
    both = world.trust.confined_to(A).joined(world.trust.confined_to(B))
    check_chain(world.agg.signing["ES256"].chain, both, A, world.now)
    check_chain(world.util.signing["ML-DSA-87"].chain, both, B, world.now)
    assert set(both.confined.values()) == {frozenset({A, B})}


stores = st.lists(st.tuples(st.sampled_from(CAS), st.sampled_from([None, A, B])), min_size=2, max_size=6).map(
    lambda parts: [ca.trust() if who is None else ca.trust().confined_to(who) for ca, who in parts]
)


@given(stores)
def test_joining_is_the_same_in_any_order_and_never_narrows(parts: list[TrustStore]) -> None:
    forward, backward = parts[0], parts[-1]
    for part in parts[1:]:
        forward = forward.joined(part)
    for part in reversed(parts[:-1]):
        backward = backward.joined(part)
    for party in (A, B, PartyId("third.example")):
        for quantum in (True, False):
            vouching = set(forward.family(post_quantum=quantum, party=party))
            assert vouching == set(backward.family(post_quantum=quantum, party=party))
            assert vouching == set().union(
                *(part.family(post_quantum=quantum, party=party) for part in parts)
            )


def test_folders_of_parties_are_confined(tmp_path: Path, world: World) -> None:
    (tmp_path / "all.pem").write_bytes(CAS[0].roots_pem())
    (tmp_path / A).mkdir()
    (tmp_path / A / "roots.pem").write_bytes(world.trust.pem())
    (tmp_path / "empty.example").mkdir()
    trust = load_trust(tmp_path)
    assert len(trust.roots) == 4
    check_chain(world.agg.signing["ES256"].chain, trust, A, world.now)
    with pytest.raises(Refused):
        check_chain(world.util.signing["ES256"].chain, trust, B, world.now)


def test_only_folders_of_parties(tmp_path: Path, world: World) -> None:
    (tmp_path / A).mkdir()
    (tmp_path / A / "roots.pem").write_bytes(world.trust.pem())
    assert load_trust(tmp_path).family(post_quantum=True, party=B) == ()


def test_a_folder_that_is_no_partys_is_named(tmp_path: Path, world: World) -> None:
    (tmp_path / "Not A Party!").mkdir()
    (tmp_path / "Not A Party!" / "roots.pem").write_bytes(world.trust.pem())
    with pytest.raises(SettingsError, match="not named after a party"):
        load_trust(tmp_path)


def test_nothing_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no trusted root"):
        load_trust(tmp_path)
