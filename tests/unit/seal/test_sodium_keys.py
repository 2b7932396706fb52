"""Our keys of UFTP in the vault: the first, the next, and when each signs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from intertie.formats.uftp.terms import TimedKey
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.model.record import RuleError
from intertie.seal.protection import Opener, Secrets
from intertie.seal.sodium_keys import EPOCH, VaultKeys, only, present, rotate
from intertie.seal.sodium_sign import SodiumKey, key_of, write_public
from intertie.seal.vault import Vault

NOW = datetime(2026, 1, 15, 12, 0, 0, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY = write_public(SodiumKey.of_seed(b"k" * 32).public)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    opener = Opener(Secrets(), tmp_path, {})
    return Vault.create(tmp_path / "keys", PartyId("a.example"), "none", opener)


def test_the_first_is_made_once_and_signs_since_ever(vault: Vault) -> None:
    keys = VaultKeys(vault)
    (one,) = keys()
    assert one.start == EPOCH and one.key.public == key_of(vault).public
    assert keys()[0] is one  # it is not opened again
    assert present(keys(), NOW) is one.key


def test_the_next_is_seen_by_who_runs_and_signs_from_its_beginning(vault: Vault) -> None:
    keys = VaultKeys(vault)
    (first,) = keys()
    made = rotate(vault, NOW + HOUR, NOW)
    assert [one.key.public for one in keys()] == [made.key.public, first.key.public]
    assert made.start == (NOW + HOUR).replace(microsecond=0)
    for now, signs in ((NOW, first), (made.start - timedelta(seconds=1), first), (made.start, made)):
        assert present(keys(), now).public == signs.key.public
    third = rotate(vault, NOW + 2 * HOUR, NOW)
    assert present(VaultKeys(vault)(), NOW + 3 * HOUR).public == third.key.public


@pytest.mark.parametrize("start", [NOW - HOUR, NOW, NOW + HOUR, NOW + HOUR / 2])
def test_it_begins_after_now_and_after_those_that_are_there(vault: Vault, start: datetime) -> None:
    rotate(vault, NOW + HOUR, NOW)
    before = vault.names()
    with pytest.raises(SettingsError):
        rotate(vault, start, NOW)
    assert vault.names() == before


def test_one_key_for_ever() -> None:
    key = SodiumKey.generate()
    assert present(only(key)(), EPOCH) is key


def test_a_key_besides_the_pinned_one_has_a_stated_time() -> None:
    bounded = TimedKey(key=KEY, since=NOW, until=NOW + HOUR)
    assert [bounded.counts(NOW + step) for step in (-HOUR, 0 * HOUR, HOUR / 2, HOUR)] == [
        False,
        True,
        True,
        False,
    ]
    assert TimedKey(key=KEY, since=NOW).counts(NOW + 1000 * HOUR)
    assert TimedKey(key=KEY, until=NOW).counts(NOW - 1000 * HOUR)
    for wrong in ({}, {"since": NOW, "until": NOW}, {"since": NOW + HOUR, "until": NOW}):
        with pytest.raises(RuleError):
            TimedKey(key=KEY, **wrong)
