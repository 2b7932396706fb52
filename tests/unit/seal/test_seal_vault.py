"""Keys at rest: what opens them, what does not, and what another protection leaves of them."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest
from vault_world import PARTY, PASSPHRASE, make_vault, opener, passphrase_file

from intertie.model.errors import IntertieError, SettingsError
from intertie.model.ids import PartyId
from intertie.seal.key_port import KekOf, KeyPortError
from intertie.seal.passphrase import MEMORY_KIB, PASSES, PassphraseProtection
from intertie.seal.protection import PASSPHRASE_ENV, PLAIN_FILE, Kind, Opener, Secrets, plain_opener
from intertie.seal.store_kek import StoreKeks, add_store_kek, store_kek_names
from intertie.seal.vault import BOOK_FILE, Vault

KEY = b"k" * 32
KINDS: tuple[Kind, ...] = ("none", "passphrase")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_kept_is_read_again_and_nothing_of_it_is_on_disk(tmp_path: Path, kind: Kind) -> None:
    vault = make_vault(tmp_path, kind)
    again = Vault(tmp_path / "keys", opener(tmp_path))
    assert (again.read("0001/a.key"), again.read("b.key")) == (b"secret a", b"secret b")
    assert again.kind() == kind
    assert again.names() == {"0001/a.key", "b.key"}
    for path in (tmp_path / "keys").rglob("*"):
        if path.is_file():
            assert b"secret" not in path.read_bytes()
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert "secret" not in repr(vault) and PASSPHRASE not in repr(vault.__dict__)


def test_another_passphrase_opens_nothing_and_is_not_in_the_error(tmp_path: Path) -> None:
    make_vault(tmp_path, "passphrase")
    passphrase_file(tmp_path, "another horse battery staple")
    with pytest.raises(KeyPortError, match="does not open") as caught:
        Vault(tmp_path / "keys", opener(tmp_path)).read("b.key")
    assert "horse" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "mode", "match"),
    [(PASSPHRASE, 0o644, "open to others"), ("tooshort", 0o600, "shorter than 15"), ("", 0o600, "empty")],
)
def test_a_passphrase_file_that_will_not_do(tmp_path: Path, text: str, mode: int, match: str) -> None:
    make_vault(tmp_path, "passphrase")
    passphrase_file(tmp_path, text, mode)
    with pytest.raises(SettingsError, match=match) as caught:
        Vault(tmp_path / "keys", opener(tmp_path)).read("b.key")
    assert not text or text not in str(caught.value)


def test_no_passphrase_named(tmp_path: Path) -> None:
    make_vault(tmp_path, "passphrase")
    with pytest.raises(SettingsError, match="no file with it is named"):
        Vault(tmp_path / "keys", plain_opener(tmp_path)).read("b.key")
    by_environment = Opener(Secrets(), tmp_path, {PASSPHRASE_ENV: "passphrase.txt"})
    assert Vault(tmp_path / "keys", by_environment).read("b.key") == b"secret b"


def test_the_cost_of_a_passphrase_is_kept_with_the_keys(tmp_path: Path) -> None:
    protection = make_vault(tmp_path, "passphrase").protection()
    assert isinstance(protection, PassphraseProtection)
    assert (protection.kdf, protection.memory_kib, protection.passes) == ("argon2id", MEMORY_KIB, PASSES)
    assert MEMORY_KIB == 65_536 and PASSES == 3  # RFC 9106 s.4, second recommended option


def test_a_file_in_anothers_place_or_changed_does_not_open(tmp_path: Path) -> None:
    vault = make_vault(tmp_path)
    place = tmp_path / "keys"
    kept = (place / "b.key").read_bytes()
    shutil.copy(place / "0001" / "a.key", place / "b.key")
    with pytest.raises(SettingsError, match="was changed"):
        vault.read("b.key")
    (place / "b.key").write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.raises(SettingsError, match="was changed"):
        vault.read("b.key")
    (place / "b.key").write_bytes(b"-----BEGIN PRIVATE KEY-----")
    with pytest.raises(SettingsError, match="no encrypted key file"):
        vault.read("b.key")
    (place / "b.key").unlink()
    with pytest.raises(SettingsError, match="cannot be read"):
        vault.read("b.key")


def test_another_partys_book_opens_nothing(tmp_path: Path) -> None:
    make_vault(tmp_path)
    book = tmp_path / "keys" / BOOK_FILE
    book.write_bytes(book.read_bytes().replace(PARTY.encode(), b"another.example"))
    with pytest.raises(IntertieError, match="does not unwrap"):
        Vault(tmp_path / "keys", plain_opener(tmp_path)).read("b.key")


def test_two_data_keys_may_not_be_swapped(tmp_path: Path) -> None:
    make_vault(tmp_path)
    book = tmp_path / "keys" / BOOK_FILE
    text = (
        book.read_text()
        .replace('"b.key"', '"x"')
        .replace('"0001/a.key"', '"b.key"')
        .replace('"x"', '"0001/a.key"')
    )
    a, b = text.index('"b.key"'), text.index('"0001/a.key"')
    assert a != b
    book.write_text(text)
    with pytest.raises(IntertieError):
        Vault(tmp_path / "keys", plain_opener(tmp_path)).read("b.key")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    vault = make_vault(tmp_path)
    with vault.lock(), pytest.raises(SettingsError, match="exists"):
        vault.add({"b.key": b"other"})
    with pytest.raises(SettingsError, match="holds keys already"):
        Vault.create(tmp_path / "keys", PARTY, "none", opener(tmp_path))
    assert vault.read("b.key") == b"secret b"
    with pytest.raises(SettingsError, match=r"holds no c\.key"):
        vault.read("c.key")


def test_destroyed_is_gone_even_if_the_file_comes_back(tmp_path: Path) -> None:
    vault = make_vault(tmp_path)
    copy = (tmp_path / "keys" / "b.key").read_bytes()
    with vault.lock():
        vault.destroy(["b.key"])
        vault.destroy(["b.key"])  # a crash in between is mended by doing it again
    assert not (tmp_path / "keys" / "b.key").exists()
    (tmp_path / "keys" / "b.key").write_bytes(copy)
    with pytest.raises(SettingsError, match=r"holds no b\.key"):
        vault.read("b.key")
    assert vault.read("0001/a.key") == b"secret a"


def test_old_bytes_are_overwritten_where_they_lay(tmp_path: Path) -> None:
    """A descriptor that was open before sees zeros: the data key went, not only its name."""
    vault = make_vault(tmp_path)
    with (tmp_path / "keys" / BOOK_FILE).open("rb") as old, (tmp_path / "keys" / "b.key").open("rb") as file:
        with vault.lock():
            vault.destroy(["b.key"])
        assert set(old.read()) == set(file.read()) == {0}


@pytest.mark.parametrize(("before", "after"), [(a, b) for a in KINDS for b in KINDS])
def test_another_protection(tmp_path: Path, before: Kind, after: Kind) -> None:
    vault = make_vault(tmp_path, before)
    files = {path: path.read_bytes() for path in (tmp_path / "keys").rglob("*.key")}
    with vault.lock():
        vault.protect(after)
    assert vault.kind() == after
    assert Vault(tmp_path / "keys", opener(tmp_path)).read("b.key") == b"secret b"
    assert files == {path: path.read_bytes() for path in files}, "the files stay as they are"
    assert (tmp_path / "keys" / PLAIN_FILE).exists() == (after == "none")


def test_a_new_passphrase(tmp_path: Path) -> None:
    vault = make_vault(tmp_path, "passphrase")
    passphrase_file(tmp_path, "another horse battery staple")
    fresh = Opener(Secrets(passphrase_file="passphrase.txt"), tmp_path, {})
    assert vault.read("b.key") == b"secret b"  # it opened its port before
    with vault.lock():
        vault.protect("passphrase")
    assert Vault(tmp_path / "keys", fresh).read("b.key") == b"secret b"


def test_a_book_that_is_missing_or_damaged(tmp_path: Path) -> None:
    vault = make_vault(tmp_path)
    (tmp_path / "keys" / BOOK_FILE).write_bytes(b"{}")
    with pytest.raises(SettingsError, match="cannot be read"):
        vault.read("b.key")
    (tmp_path / "keys" / BOOK_FILE).unlink()
    with pytest.raises(SettingsError, match="holds no keys"):
        vault.read("b.key")
    assert not vault.exists


def test_a_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = make_vault(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with vault.lock(), pytest.raises(SettingsError, match="No space left"):
        vault.add({"c.key": b"secret c"})
    monkeypatch.undo()
    assert vault.names() == {"0001/a.key", "b.key"}
    with vault.lock():
        vault.add({"c.key": b"secret c"})
    assert vault.read("c.key") == b"secret c"


def test_the_stores_key_opens_with_whatever_opens_the_vault(tmp_path: Path) -> None:
    vault = make_vault(tmp_path, "passphrase")
    with pytest.raises(KeyPortError, match="holds no store key"):
        StoreKeks(vault).wrap(KEY, b"data key 1")
    with vault.lock():
        assert add_store_kek(vault) == "store-0001.kek"
    port = StoreKeks(vault)
    wrapped = port.wrap(KEY, b"data key 1")
    assert StoreKeks(Vault(vault.folder, opener(tmp_path))).unwrap(wrapped, b"data key 1") == KEY
    with pytest.raises(KeyPortError):
        port.unwrap(wrapped, b"data key 2")
    with vault.lock():
        vault.protect("none")
    assert StoreKeks(vault).unwrap(wrapped, b"data key 1") == KEY, "the store is not touched"


def test_a_fresh_store_key_takes_over_from_the_old_one(tmp_path: Path) -> None:
    vault = make_vault(tmp_path)
    with vault.lock():
        add_store_kek(vault)
    port = StoreKeks(vault)
    old = port.wrap(KEY, b"c")
    with vault.lock():
        assert add_store_kek(vault) == "store-0002.kek"
    new = port.wrap(KEY, b"c")  # the port of a running gateway sees it at once
    assert port.unwrap(old, b"c") == port.unwrap(new, b"c") == KEY
    with vault.lock():
        vault.destroy(["store-0001.kek"])
    assert port.unwrap(new, b"c") == KEY
    with pytest.raises(KeyPortError, match="no store key"):
        port.unwrap(old, b"c")
    assert "0x" not in repr(KekOf(KEY)) and "k" * 8 not in repr([port, KekOf(KEY)])


def test_party_ids_are_bound(tmp_path: Path) -> None:
    one = Vault.create(tmp_path / "one", PartyId("one.example"), "none", plain_opener(tmp_path))
    with one.lock():
        one.add({"k": b"x"})
    assert one.read("k") == b"x"


def test_a_store_key_destroyed_while_it_is_looked_for_gives_way_to_the_next(tmp_path: Path) -> None:
    """Another process renews between our listing the keys and reading them."""
    vault = Vault.create(tmp_path / "keys", PartyId("grid.example"), "none", plain_opener(tmp_path))
    with vault.lock():
        first = add_store_kek(vault)

    class Renewing(Vault):
        def read(self, name: str) -> bytes:
            if name == first and name in self.names():
                with vault.lock():
                    add_store_kek(vault)
                    vault.destroy([first])
            return super().read(name)

    port = StoreKeks(Renewing(tmp_path / "keys", plain_opener(tmp_path)))
    assert port.unwrap(port.wrap(b"k" * 32, b"c"), b"c") == b"k" * 32
    assert store_kek_names(vault) == ["store-0002.kek"]
