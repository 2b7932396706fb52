"""Keys in memory: what a set of profiles needs, and how long it is valid."""

from __future__ import annotations

from datetime import timedelta

import pytest
from seal_world import World

from intertie.model.errors import SettingsError
from intertie.seal.certificates import read_certificate
from intertie.seal.keys import generate_keys
from intertie.seal.profile import PROFILES


def test_keys_of_all_profiles(world: World) -> None:
    assert set(world.agg.signing) == {alg for p in PROFILES.values() for alg in p.signatures}
    public = world.agg.public()
    assert all(public.can_do(profile) for profile in PROFILES.values())
    assert public.sealing_key("unknown") is None
    assert set(public.sealing) == set(world.agg.opening)


def test_keys_of_one_profile(world: World) -> None:
    keys = generate_keys(world.agg.party, world.agg.roles, world.ca, world.now, ["classical"])
    assert set(keys.signing) == {"ES256"}
    assert [key.suite for key in keys.opening.values()] == [PROFILES["classical"].suite]
    assert not keys.public().can_do(PROFILES["hybrid"])


@pytest.mark.parametrize("profiles", [[], ["quantum"]])
def test_no_such_profile(world: World, profiles: list[str]) -> None:
    with pytest.raises(SettingsError, match="no profile"):
        generate_keys(world.agg.party, world.agg.roles, world.ca, world.now, profiles)


def test_validity_is_as_asked(world: World) -> None:
    since, until = world.now - timedelta(days=9), world.now + timedelta(days=9)
    keys = generate_keys(
        world.agg.party, world.agg.roles, world.ca, world.now, ["hybrid"], not_before=since, not_after=until
    )
    for key in keys.signing.values():
        leaf = read_certificate(key.chain[0])
        assert (leaf.not_valid_before_utc, leaf.not_valid_after_utc) == (since, until)
