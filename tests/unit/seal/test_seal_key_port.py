"""The key port over a file: wraps, binds its context, and is used only if nobody else can read it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap

from intertie.seal.key_port import KeyFile, KeyPortError

KEY = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.kek"


def test_what_was_wrapped_unwraps(path: Path) -> None:
    wrapped = KeyFile(path).wrap(KEY, b"a")
    assert KEY not in wrapped and KEY not in path.read_bytes()
    assert KeyFile(path).unwrap(wrapped, b"a") == KEY


def test_the_file_is_made_for_its_owner_only_and_once(path: Path) -> None:
    port = KeyFile(path)
    assert not path.exists()
    port.wrap(KEY, b"a")
    first = path.read_bytes()
    assert (stat.S_IMODE(path.stat().st_mode), len(first)) == (0o600, 32)
    port.wrap(KEY, b"b")
    assert path.read_bytes() == first
    assert [p.name for p in path.parent.iterdir()] == ["store.kek"]


def test_it_is_hkdf_and_rfc_3394_so_that_others_can_unwrap(path: Path) -> None:
    wrapped = KeyFile(path).wrap(KEY, b"context")
    derived = HKDF(SHA256(), 32, salt=None, info=b"intertie key port 1: context").derive(path.read_bytes())
    assert aes_key_unwrap(derived, wrapped) == KEY


def test_another_context_does_not_unwrap(path: Path) -> None:
    wrapped = KeyFile(path).wrap(KEY, b"a")
    with pytest.raises(KeyPortError, match="does not unwrap"):
        KeyFile(path).unwrap(wrapped, b"b")


@pytest.mark.parametrize("place", [0, 20, 39])
def test_a_changed_byte_does_not_unwrap(path: Path, place: int) -> None:
    wrapped = bytearray(KeyFile(path).wrap(KEY, b"a"))
    wrapped[place] ^= 1
    with pytest.raises(KeyPortError):
        KeyFile(path).unwrap(bytes(wrapped), b"a")


@pytest.mark.parametrize("wrapped", [b"", b"short", bytes(41)])
def test_what_was_never_wrapped_is_a_named_error(path: Path, wrapped: bytes) -> None:
    KeyFile(path).wrap(KEY, b"a")
    with pytest.raises(KeyPortError):
        KeyFile(path).unwrap(wrapped, b"a")


def test_another_file_does_not_unwrap(path: Path, tmp_path: Path) -> None:
    wrapped = KeyFile(path).wrap(KEY, b"a")
    other = KeyFile(tmp_path / "other.kek")
    other.wrap(KEY, b"a")
    with pytest.raises(KeyPortError, match="not the file that wrapped it"):
        other.unwrap(wrapped, b"a")


def test_a_missing_file_is_not_made_anew_to_unwrap(path: Path) -> None:
    wrapped = KeyFile(path).wrap(KEY, b"a")
    path.unlink()
    with pytest.raises(KeyPortError, match="cannot be read") as caught:
        KeyFile(path).unwrap(wrapped, b"a")
    assert "backup" in caught.value.do
    assert not path.exists()


def test_a_file_that_others_can_read_is_not_used(path: Path) -> None:
    wrapped = KeyFile(path).wrap(KEY, b"a")
    path.chmod(0o640)
    with pytest.raises(KeyPortError, match="open to others") as caught:
        KeyFile(path).unwrap(wrapped, b"a")
    assert "chmod 600" in caught.value.do


def test_a_file_of_another_size_is_not_used(path: Path) -> None:
    path.write_bytes(b"password")
    path.chmod(0o600)
    with pytest.raises(KeyPortError, match="8 bytes, not 32"):
        KeyFile(path).wrap(KEY, b"a")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KeyPortError, match="cannot be made"):
        KeyFile(tmp_path / "none" / "store.kek").wrap(KEY, b"a")


def test_two_that_make_it_at_once_get_the_same_key(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def other_was_faster(source: object, target: object) -> None:
        path.write_bytes(bytes(32))
        path.chmod(0o600)
        link(source, target)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "link", other_was_faster)
    wrapped = KeyFile(path).wrap(KEY, b"a")
    assert path.read_bytes() == bytes(32)
    assert KeyFile(path).unwrap(wrapped, b"a") == KEY
    assert [p.name for p in path.parent.iterdir()] == ["store.kek"]


def test_its_text_shows_no_key(path: Path) -> None:
    port = KeyFile(path)
    port.wrap(KEY, b"a")
    assert path.read_bytes().hex() not in repr(port)
