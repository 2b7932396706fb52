"""`keys protect` and `keys rotate`, killed at each of their writes: the keys open all the same, the old way or the new."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from intertie.model.ids import PartyId
from intertie.model.party import Party, Role
from intertie.seal import protection
from intertie.seal.key_ring import open_ring
from intertie.seal.new_keys import PARTS, NewKeys, certify, make_keys
from intertie.seal.passphrase import PassphraseProtection
from intertie.seal.protection import Kind, Opener, Secrets
from intertie.seal.trial_ca import TrialCa
from intertie.seal.vault import Vault
from intertie.stores import rotation
from intertie.stores.rotation import Own

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
WHO = Party(id=PartyId("utility.example"), name="Utility", roles=frozenset({Role.DISTRIBUTION_UTILITY}))
KILLED = 137
# Every call by which something on disk changes or is made to last.
WRITES = ("open", "fsync", "rename", "replace", "unlink", "link", "pwrite", "mkdir")


def opener(folder: Path) -> Opener:
    return Opener(Secrets(passphrase_file="passphrase.txt"), folder, {})


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A passphrase is stretched a hundred times here, and no write depends on how far: as little as a file may say."""
    little = lambda: PassphraseProtection(  # noqa: E731
        kdf="argon2id", salt="c2FsdCBvZiB0aGVzZSB0ZXN0cw", memory_kib=19 * 1024, passes=1, lanes=1
    )
    monkeypatch.setattr(protection, "new_passphrase_protection", little)


def make(folder: Path, kind: Kind) -> Vault:
    folder.mkdir()
    (folder / "passphrase.txt").write_text("correct horse battery staple")
    (folder / "passphrase.txt").chmod(0o600)
    vault = Vault.create(folder / "keys", WHO.id, kind, opener(folder))
    with vault.lock():
        vault.add({"a.key": b"secret a", "b.key": b"secret b"})
    return vault


def killed_at(number: int, act: Callable[[], object]) -> bool:
    """Run in a child that ends at its n-th write; whether it came so far."""
    child = os.fork()
    if child == 0:
        left = number

        def guard(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **more: Any) -> Any:
                nonlocal left
                left -= 1
                if left < 0:
                    os._exit(KILLED)
                return real(*args, **more)

            return call

        try:
            for name in WRITES:
                setattr(os, name, guard(getattr(os, name)))
            act()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a child must not go on as a second test run
            os._exit(1)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, KILLED), code
    return code == KILLED


@pytest.mark.usefixtures("cheap")
@pytest.mark.parametrize(("before", "after"), [("none", "passphrase"), ("passphrase", "none")])
def test_killed_while_keys_are_wrapped_anew(tmp_path: Path, before: Kind, after: Kind) -> None:
    kinds, number = [], 0
    while True:
        folder = tmp_path / str(number)
        vault = make(folder, before)

        def act(vault: Vault = vault) -> None:
            with vault.lock():
                vault.protect(after)

        came_to_its_end = not killed_at(number, act)
        again = Vault(folder / "keys", opener(folder))
        kinds.append(again.kind())
        assert (again.read("a.key"), again.read("b.key")) == (b"secret a", b"secret b"), number
        with again.lock():
            again.protect(after)
        assert Vault(folder / "keys", opener(folder)).read("b.key") == b"secret b"
        assert (folder / "keys" / "plain.kek").exists() == (after == "none"), "nothing of the old one is left"
        if came_to_its_end:
            break
        number += 1
    assert number > 5, "it was killed at several writes"
    assert kinds == sorted(kinds, key=lambda kind: kind == after), "the old one, then the new one"
    assert {before, after} == set(kinds)


def test_killed_while_keys_rotate(tmp_path: Path) -> None:
    ca = TrialCa.create("Test", NOW - DAY, NOW + 900 * DAY)
    new = make_keys(PARTS, ["classical"])
    first = make_keys(PARTS, ["classical"])

    def issue(keys: NewKeys) -> dict[str, tuple[bytes, ...]]:
        return certify(keys, ca, WHO.id, ["localhost"], NOW - DAY, NOW + 300 * DAY)

    numbers, number = [], 0
    while True:
        folder = tmp_path / str(number)
        vault = make(folder, "none")
        own = Own(vault, WHO, "https://door.example", folder / "descriptor.json")
        rotation.rotate(own, first, issue, NOW, DAY)

        def act(own: Own = own) -> None:
            rotation.rotate(own, new, issue, NOW + DAY, DAY)

        came_to_its_end = not killed_at(number, act)
        rotation.renew_descriptor(own, NOW + DAY)
        ring = open_ring(Vault(folder / "keys", opener(folder)), WHO, NOW + DAY)
        keys = ring.present(NOW + DAY)
        numbers.append(max(one.number for one in ring.generations))
        wanted = new if numbers[-1] == 2 else first
        assert keys.signing["ES256"].key.public_key() == wanted.signing["ES256"].public_key()
        told = rotation.peek_sequence(own.descriptor.read_bytes())
        assert told == numbers[-1], "what partners are told is what is there"
        rotation.rotate(own, make_keys(PARTS, ["classical"]), issue, NOW + 2 * DAY, DAY)
        if came_to_its_end:
            break
        number += 3  # every third write: each takes a second of a rotation of its own
    assert numbers == sorted(numbers) and set(numbers) == {1, 2}
