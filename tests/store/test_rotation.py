"""Generations of keys on disk: turning them, what signs towards whom, and the end of the old ones."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import pytest

from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.model.party import Party, Role
from intertie.seal.certificates import Chain, read_certificate, thumbprint
from intertie.seal.descriptor import Descriptor, read_descriptor
from intertie.seal.generations import in_use, read_chain, read_generations
from intertie.seal.hpke import seal
from intertie.seal.keys import PrivateKeys
from intertie.seal.new_keys import PARTS, NewKeys, Part, certify, make_keys, requests
from intertie.seal.protection import plain_opener
from intertie.seal.trial_ca import TrialCa
from intertie.seal.vault import Vault
from intertie.stores import rotation
from intertie.stores.key_files import CHECK_SECONDS, KeyFiles
from intertie.stores.own_descriptor import OwnDescriptor
from intertie.stores.rotation import Own

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
WHO = Party(id=PartyId("utility.example"), name="Utility", roles=frozenset({Role.DISTRIBUTION_UTILITY}))
URL = "https://door.example:8443"


@lru_cache
def authority() -> TrialCa:
    return TrialCa.create("Test", NOW - 30 * DAY, NOW + 1500 * DAY)


class Clocks:
    """Gateway time and ticks, both set by the test."""

    def __init__(self) -> None:
        self.now, self.tick = NOW, 0.0

    def clock(self) -> datetime:
        return self.now

    def ticks(self) -> float:
        return self.tick

    def pass_(self, time: timedelta) -> None:
        self.now += time
        self.tick += CHECK_SECONDS


class House:
    """One gateway's keys."""

    def __init__(self, folder: Path) -> None:
        vault = Vault.create(folder / "keys", WHO.id, "none", plain_opener(folder))
        self.own = Own(vault, WHO, URL, folder / "descriptor.json")
        self.time = Clocks()
        self.ring = KeyFiles(vault, WHO, self.time.clock, self.time.ticks)

    def issue(self, new: NewKeys) -> Mapping[str, Chain]:
        return certify(new, authority(), WHO.id, self.own.hosts, NOW - DAY, NOW + 700 * DAY)

    def turn(self, overlap: timedelta = 14 * DAY, *parts: Part) -> None:
        rotation.rotate(self.own, make_keys(parts or PARTS), self.issue, self.time.now, overlap)
        self.time.pass_(timedelta(seconds=1))

    def descriptor(self) -> Descriptor:
        raw = self.own.descriptor.read_bytes()
        return read_descriptor(raw, authority().trust(), self.time.now)


@pytest.fixture
def house(tmp_path: Path) -> House:
    it = House(tmp_path)
    it.turn()
    return it


def marks(keys: PrivateKeys) -> dict[str, bytes]:
    return {alg: thumbprint(key.chain[0]) for alg, key in keys.signing.items()}


def test_the_first_generation(house: House) -> None:
    [first] = read_generations(house.own.vault.folder)
    assert (first.number, first.sequence, first.ends) == (1, 1, None)
    assert house.descriptor().sequence == 1
    assert house.ring.known_at(0) == house.ring.known_at(1) == house.ring.present()
    assert house.ring.present() is house.ring.present(), "the same objects while nothing changes"
    assert house.ring.present().public().signing == house.descriptor().keys.signing


def test_a_new_generation_is_taken_up_and_announced(house: House) -> None:
    old = house.ring.present()
    house.turn()
    new = house.ring.present()
    assert not set(marks(old).values()) & set(marks(new).values())
    assert new.tls != old.tls
    assert list(new.opening)[: len(new.opening) // 2] != list(old.opening), "the newest first"
    assert set(old.opening) < set(new.opening), "the old ones still open"
    told = house.descriptor()
    assert told.sequence == 2
    assert {alg: len(chains) for alg, chains in told.keys.signing.items()} == dict.fromkeys(new.signing, 2)
    ends = set(told.keys.ends.values())
    assert ends == {NOW + timedelta(seconds=1) + 14 * DAY}
    assert (
        told.keys.sealing_key(next(iter(new.opening.values())).suite)
        == next(iter(new.opening.values())).sealing()
    )


def test_what_signs_is_what_the_partner_knows(house: House) -> None:
    first = marks(house.ring.present())
    house.turn()
    second = marks(house.ring.present())
    assert marks(house.ring.known_at(0)) == marks(house.ring.known_at(1)) == first
    assert marks(house.ring.known_at(2)) == marks(house.ring.known_at(7)) == second
    assert house.ring.known_at(1).tls == house.ring.present().tls
    assert house.ring.known_at(1).opening == house.ring.present().opening
    house.time.pass_(14 * DAY)
    assert marks(house.ring.known_at(1)) == second, "the overlap is over: the newest, whoever knows it"
    assert not house.ring.present().older


def test_only_some_keys(house: House) -> None:
    before = house.ring.present()
    house.turn(14 * DAY, "signing")
    after = house.ring.present()
    assert (after.opening, after.tls) == (before.opening, before.tls)
    assert marks(after) != marks(before)
    house.turn(14 * DAY, "sealing")
    assert marks(house.ring.present()) == marks(after)
    assert len(house.ring.present().opening) == 2 * len(before.opening)
    house.turn(14 * DAY, "tls")
    assert house.ring.present().tls != before.tls
    assert marks(house.ring.known_at(1)) == marks(before)


def test_the_end_of_an_overlap_destroys_what_was_private(house: House) -> None:
    folder = house.own.vault.folder
    [first] = read_generations(folder)
    chains = {alg: read_chain(folder, first, alg) for alg in first.signing}
    house.turn(DAY)
    assert rotation.retire(house.own, house.time.now) == []
    house.time.pass_(DAY)
    [(gone, parts)] = rotation.retire(house.own, house.time.now)
    assert gone.number == 1 and set(parts) == set(first.parts)
    assert not list((folder / "0001").glob("*.key"))
    assert house.own.vault.names() == {
        second.secret(p) for second in read_generations(folder)[1:] for p in second.parts
    }
    again = read_generations(folder)[0]
    assert chains == {alg: read_chain(folder, again, alg) for alg in again.signing}, "certificates stay"
    house.time.pass_(timedelta())
    assert len(house.ring.present().opening) == len(again.opening)
    assert rotation.retire(house.own, house.time.now) == []


def test_ending_an_old_generation_by_hand(house: House) -> None:
    house.turn()
    with pytest.raises(SettingsError, match="generation 2 is the newest"):
        rotation.retire(house.own, house.time.now, number=2)
    with pytest.raises(SettingsError, match="no generation 9"):
        rotation.retire(house.own, house.time.now, number=9)
    [(gone, _)] = rotation.retire(house.own, house.time.now, number=1)
    assert gone.number == 1
    told = house.descriptor()
    assert told.sequence == 3, "partners are told"
    assert {len(chains) for chains in told.keys.signing.values()} == {1}
    house.time.pass_(timedelta())
    assert marks(house.ring.known_at(0)) == marks(house.ring.present())


def test_an_overlap_that_is_cut_short_ends_for_all_before(house: House) -> None:
    house.turn(14 * DAY)
    house.turn(timedelta())
    generations = read_generations(house.own.vault.folder)
    used = [one.number for one in generations if in_use(generations, one, "ES256", house.time.now)]
    assert used == [3]
    assert not house.ring.present().older


def test_certificates_from_elsewhere(house: House, tmp_path: Path) -> None:
    waiting, kept = rotation.request(house.own, make_keys(("signing", "tls")), house.time.now)
    house.time.pass_(timedelta(seconds=1))
    assert waiting.pending and house.descriptor().sequence == 1
    assert marks(house.ring.present()) == marks(house.ring.known_at(0)), "what waits is not used"
    assert set(requests(kept, WHO.id, house.own.hosts)) == {*waiting.signing, "tls"}
    chains = dict(house.issue(kept))
    with pytest.raises(SettingsError, match="needs a certificate for each key"):
        rotation.install(house.own, list(chains.values())[1:], authority().trust(), house.time.now, DAY)
    foreign = certify(make_keys(("tls",)), authority(), WHO.id, [], NOW - DAY, NOW + DAY)
    with pytest.raises(SettingsError, match="for none of the keys"):
        rotation.install(
            house.own, [*chains.values(), foreign["tls"]], authority().trust(), house.time.now, DAY
        )
    done = rotation.install(house.own, list(chains.values()), authority().trust(), house.time.now, DAY)
    house.time.pass_(timedelta(seconds=1))
    assert (done.number, done.sequence, house.descriptor().sequence) == (2, 2, 2)
    assert marks(house.ring.present()) == {a: thumbprint(chains[a][0]) for a in waiting.signing}
    with pytest.raises(SettingsError, match="no keys wait"):
        rotation.install(house.own, [], authority().trust(), house.time.now, DAY)


def test_giving_up_on_certificates(house: House) -> None:
    rotation.request(house.own, make_keys(PARTS), house.time.now)
    [(gone, parts)] = rotation.retire(house.own, house.time.now, number=2)
    assert gone.number == 2 and set(parts) == set(gone.parts)
    with pytest.raises(SettingsError, match="no keys wait"):
        rotation.install(house.own, [], authority().trust(), house.time.now, DAY)
    assert house.descriptor().sequence == 1


def test_a_descriptor_that_a_crash_left_unwritten(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(path: Path, data: bytes) -> None:
        raise KeyboardInterrupt

    assert not rotation.renew_descriptor(house.own, house.time.now)
    monkeypatch.setattr(rotation, "write_whole", crash)
    with pytest.raises(KeyboardInterrupt):
        house.turn()
    monkeypatch.undo()
    assert house.descriptor().sequence == 1
    assert rotation.renew_descriptor(house.own, house.time.now)
    assert house.descriptor().sequence == 2
    assert not rotation.renew_descriptor(house.own, house.time.now)


def test_our_descriptor_is_read_again(house: House) -> None:
    told = OwnDescriptor(house.own.descriptor, house.time.ticks)
    assert told.present().sequence == 1
    assert told.raw() is told.present().raw
    house.turn()
    assert told.present().sequence == 2
    house.own.descriptor.unlink()
    house.time.pass_(DAY)
    assert told.present().sequence == 2, "what was told before stays"
    with pytest.raises(SettingsError, match="intertie init"):
        OwnDescriptor(house.own.descriptor, house.time.ticks).present()


def test_damaged_keys_leave_those_in_memory(house: House, caplog: pytest.LogCaptureFixture) -> None:
    before = house.ring.present()
    house.turn()
    generation = house.own.vault.folder / "0002" / "generation.json"
    kept = generation.read_bytes()
    generation.write_bytes(b"{}")
    house.time.pass_(timedelta(seconds=1))
    with caplog.at_level(logging.ERROR, "intertie.keys"):
        assert house.ring.present() == before
    assert "those from before stay" in caplog.text
    with pytest.raises(SettingsError, match=r"generation\.json cannot be read"):
        KeyFiles(house.own.vault, WHO, house.time.clock, house.time.ticks).present()
    generation.write_bytes(kept)
    house.time.pass_(timedelta(seconds=1))
    assert house.ring.present() != before


def test_a_key_that_is_not_its_certificates(house: House) -> None:
    folder = house.own.vault.folder
    house.turn()
    (folder / "0001" / "ES256.crt.pem").write_bytes((folder / "0002" / "ES256.crt.pem").read_bytes())
    with pytest.raises(SettingsError, match="not the key of the certificate"):
        KeyFiles(house.own.vault, WHO, house.time.clock, house.time.ticks).present()


def test_no_keys_at_all(tmp_path: Path) -> None:
    house = House(tmp_path)
    with pytest.raises(SettingsError, match="holds no keys"):
        house.ring.present()


def test_old_parcels_open_during_the_overlap_only(house: House) -> None:
    old = next(iter(house.ring.present().opening.values()))
    sealed = seal(b"x", old.sealing(), b"info")
    house.turn(DAY)
    assert old.kid in house.ring.present().opening and sealed
    house.time.pass_(DAY)
    assert old.kid not in house.ring.present().opening


def test_nothing_private_is_shown(house: House) -> None:
    keys = house.ring.present()
    shown = repr([keys, house.ring.__dict__, house.own])
    for secret in [key.private for key in keys.opening.values()] + [keys.tls.key]:
        assert repr(secret)[2:30] not in shown
    assert "PRIVATE KEY" not in shown


def test_leaf_validity_is_the_authoritys(house: House) -> None:
    leaf = read_certificate(house.ring.present().signing["ES256"].chain[0])
    assert leaf.not_valid_after_utc == NOW + 700 * DAY
