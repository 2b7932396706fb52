"""A path that was found is not looked for again, and still holds only as long as everything in it does."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from seal_world import NOW, World

from intertie.model.errors import Code, Refused
from intertie.seal import x509_path
from intertie.seal.algorithms import generate_signing_key
from intertie.seal.certificates import Chain, TrustStore, check_chain
from intertie.seal.trial_ca import TrialCa

DAY = timedelta(days=1)
ALGORITHMS = ("ES256", "ML-DSA-65")


@pytest.fixture(autouse=True)
def nothing_found_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(x509_path, "_FOUND", {})


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The times for which the library was asked for a path."""
    times: list[datetime] = []
    build = x509_path._build

    def counted(certificates: object, roots: object, at: datetime) -> object:
        times.append(at)
        return build(certificates, roots, at)  # type: ignore[arg-type]

    monkeypatch.setattr(x509_path, "_build", counted)
    return times


def chain_of(world: World, ca: TrialCa, alg: str, since: datetime, until: datetime) -> Chain:
    return ca.issue_signing(world.agg.party, generate_signing_key(alg), since, until)


def code(world: World, chain: Chain, trust: TrustStore, now: datetime) -> Code | None:
    try:
        check_chain(chain, trust, world.agg.party, now)
    except Refused as refused:
        return refused.code
    return None


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_it_is_looked_for_once(world: World, built: list[datetime], alg: str) -> None:
    chain = world.agg.signing[alg].chain
    for day in range(3):
        assert code(world, chain, world.trust, NOW + day * DAY) is None
    assert len(built) == 1


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_not_before_and_not_after_its_dates(world: World, alg: str) -> None:
    chain = chain_of(world, world.ca, alg, NOW - DAY, NOW + DAY)
    assert code(world, chain, world.trust, NOW) is None
    assert code(world, chain, world.trust, NOW - 2 * DAY) is Code.CERTIFICATE_EXPIRED
    assert code(world, chain, world.trust, NOW + 2 * DAY) is Code.CERTIFICATE_EXPIRED
    assert code(world, chain, world.trust, NOW + DAY) is None


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_not_when_its_root_has_ended(world: World, alg: str) -> None:
    ca = TrialCa.create("Short", NOW - DAY, NOW + DAY)
    chain = chain_of(world, ca, alg, NOW - 3 * DAY, NOW + 3 * DAY)
    assert code(world, chain, ca.trust(), NOW) is None
    for now in (NOW - 2 * DAY, NOW + 2 * DAY):
        assert code(world, chain, ca.trust(), now) is Code.CERTIFICATE_EXPIRED
    assert code(world, chain, ca.trust(), NOW) is None


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_not_under_other_roots_of_the_same_name(world: World, alg: str) -> None:
    chain = world.agg.signing[alg].chain
    assert code(world, chain, world.trust, NOW) is None
    twin = TrialCa.create("Test", NOW - 30 * DAY, NOW + 1500 * DAY)
    assert code(world, chain, twin.trust(), NOW) is Code.CERTIFICATE_UNTRUSTED
    assert code(world, chain, world.trust, NOW) is None


def test_not_when_it_is_revoked_or_its_root_confined(world: World) -> None:
    chain = world.agg.signing["ES256"].chain
    assert code(world, chain, world.trust, NOW) is None
    revoked = world.trust.with_revoked(chain[0], NOW - DAY)
    assert code(world, chain, revoked, NOW) is Code.CERTIFICATE_REVOKED
    confined = world.trust.confined_to(world.util.party)
    assert code(world, chain, confined, NOW) is Code.CERTIFICATE_UNTRUSTED


def test_a_failure_is_not_remembered(world: World, built: list[datetime]) -> None:
    chain = chain_of(world, world.ca, "ES256", NOW + DAY, NOW + 2 * DAY)
    other = TrialCa.create("Other", NOW - DAY, NOW + 9 * DAY)
    for _ in range(2):
        assert code(world, chain, other.trust(), NOW + DAY) is Code.CERTIFICATE_UNTRUSTED
    assert len(built) == 2
    assert code(world, chain, world.trust, NOW) is Code.CERTIFICATE_EXPIRED
    assert code(world, chain, world.trust, NOW + DAY) is None


def test_so_many_are_remembered_and_no_more(
    world: World, built: list[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(x509_path, "PATHS_MAX", 2)
    chains = [chain_of(world, world.ca, "ES256", NOW - DAY, NOW + DAY) for _ in range(5)]
    for chain in chains * 2:
        assert code(world, chain, world.trust, NOW) is None
        assert len(x509_path._FOUND) <= 2
    assert len(built) == 10
