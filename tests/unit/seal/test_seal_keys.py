"""Keys survive their folder, are readable by their owner only, and are never overwritten."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from seal_world import World

from intertie.model.errors import SettingsError
from intertie.seal.certificates import check_chain, read_certificate
from intertie.seal.keys import generate_keys, load_keys, save_keys
from intertie.seal.parcel import open_frame, read_frame
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


def test_round_trip_through_a_folder(world: World, tmp_path: Path) -> None:
    save_keys(tmp_path / "keys", world.util)
    again = load_keys(tmp_path / "keys")
    assert again.public() == world.util.public()
    assert again.tls == world.util.tls
    sealed = world.seal([b"x"])
    assert open_frame(read_frame(sealed.blob, limit=1 << 20), again).messages == (b"x",)
    back = world.seal([b"x"], keys=again, recipient=world.agg.public())
    assert back.header.sender == world.util.party
    check_chain(again.signing["ML-DSA-65"].chain, world.trust, world.util.party, world.now)


def test_files_are_the_owners_only_and_stay(world: World, tmp_path: Path) -> None:
    save_keys(tmp_path / "keys", world.util)
    assert {file.stat().st_mode & 0o077 for file in (tmp_path / "keys").iterdir()} == {0}
    before = {file.name: file.read_bytes() for file in (tmp_path / "keys").iterdir()}
    with pytest.raises(SettingsError, match="exists"):
        save_keys(tmp_path / "keys", world.agg)
    assert {file.name: file.read_bytes() for file in (tmp_path / "keys").iterdir()} == before


@pytest.mark.parametrize("file", ["identity.json", "opening.json", "tls.key.pem", "tls.crt.pem"])
def test_a_missing_file_is_named(world: World, tmp_path: Path, file: str) -> None:
    save_keys(tmp_path, world.util)
    (tmp_path / file).unlink()
    with pytest.raises(SettingsError, match=file):
        load_keys(tmp_path)


@pytest.mark.parametrize("file", ["identity.json", "opening.json", "ES256.key.pem", "ML-DSA-65.crt.pem"])
def test_a_damaged_file_is_an_error(world: World, tmp_path: Path, file: str) -> None:
    save_keys(tmp_path, world.util)
    (tmp_path / file).write_bytes(b"damaged")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_keys(tmp_path)


def test_a_key_beside_another_keys_certificate(world: World, tmp_path: Path) -> None:
    save_keys(tmp_path / "a", world.agg)
    save_keys(tmp_path / "u", world.util)
    (tmp_path / "u" / "ES256.key.pem").write_bytes((tmp_path / "a" / "ES256.key.pem").read_bytes())
    with pytest.raises(SettingsError, match="not the key of the certificate"):
        load_keys(tmp_path / "u")


def test_no_signing_key(world: World, tmp_path: Path) -> None:
    save_keys(tmp_path, world.util)
    for file in tmp_path.glob("*-*.key.pem"):
        file.unlink()
    for file in tmp_path.glob("ES*.key.pem"):
        file.unlink()
    with pytest.raises(SettingsError, match="no signing key"):
        load_keys(tmp_path)


def test_nothing_private_is_printed(world: World) -> None:
    text = repr(world.agg)
    assert "PRIVATE KEY" not in text + str(world.agg.tls)
    assert "private=" not in text
