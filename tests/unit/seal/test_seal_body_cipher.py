"""Bodies at rest: one ciphertext each, bound to its row; data keys only as the port lets them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.model.errors import StoreError
from intertie.model.ids import MessageId
from intertie.seal import body_cipher
from intertie.seal.body_cipher import OVERHEAD, BodyCipher, BodyKeys, BodyName, DataKey, StoreLockedError
from intertie.seal.key_port import KeyFile

CIPHER = BodyCipher(bytes(32))


def name(seq: int = 1, *, outgoing: bool = False, id: str = "0" * 36, leaf: bytes = bytes(32)) -> BodyName:
    return BodyName(seq, outgoing, MessageId(id), leaf)


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_each_body_opens_without_its_neighbours(bodies: list[bytes]) -> None:
    sealed = CIPHER.seal([(name(seq), body) for seq, body in enumerate(bodies)])
    assert len(sealed) == sum(len(body) + OVERHEAD for body in bodies)
    start = 0
    for seq, body in enumerate(bodies):
        end = start + len(body) + OVERHEAD
        assert CIPHER.open(name(seq), sealed[start:end]) == body
        start = end


def test_equal_bodies_have_other_ciphertexts() -> None:
    sealed = CIPHER.seal([(name(1), b"x" * 64), (name(1), b"x" * 64)])
    assert sealed[:92] != sealed[92:]
    assert b"xxxx" not in sealed


@pytest.mark.parametrize(
    "other",
    [name(2), name(outgoing=True), name(id="1" * 36), name(leaf=b"\x01" + bytes(31))],
    ids=["seq", "direction", "id", "leaf"],
)
def test_it_opens_in_its_own_row_only(other: BodyName) -> None:
    sealed = CIPHER.seal([(name(), b"body")])
    with pytest.raises(StoreError, match="belongs to another row"):
        CIPHER.open(other, sealed)


@given(st.integers(0, 31), st.integers(1, 255))
def test_any_changed_byte_is_found(place: int, change: int) -> None:
    sealed = bytearray(CIPHER.seal([(name(), b"body")]))
    sealed[place] ^= change
    with pytest.raises(StoreError, match="was changed"):
        CIPHER.open(name(), bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", bytes(5), bytes(OVERHEAD)])
def test_what_is_no_ciphertext_is_a_named_error(sealed: bytes) -> None:
    with pytest.raises(StoreError):
        CIPHER.open(name(), sealed)


def test_another_key_does_not_open() -> None:
    with pytest.raises(StoreError):
        BodyCipher(b"\x01" * 32).open(name(), CIPHER.seal([(name(), b"body")]))


# Data keys


def test_a_data_key_is_random_wrapped_and_opens_again(tmp_path: Path) -> None:
    port = KeyFile(tmp_path / "kek")
    first, second = BodyKeys(port).make(1, "2026-07"), BodyKeys(port).make(1, "2026-07")
    assert first.wrapped != second.wrapped
    sealed = BodyKeys(port).cipher(first).seal([(name(), b"body")])
    assert BodyKeys(port).cipher(first).open(name(), sealed) == b"body"
    with pytest.raises(StoreError):
        BodyKeys(port).cipher(second).open(name(), sealed)


@pytest.mark.parametrize("other", [{"number": 2}, {"month": "2026-08"}])
def test_a_wrapped_key_in_another_row_does_not_open(tmp_path: Path, other: dict[str, object]) -> None:
    keys = BodyKeys(KeyFile(tmp_path / "kek"))
    key = keys.make(1, "2026-07")
    with pytest.raises(StoreLockedError, match="stays closed"):
        keys.cipher(key._replace(**other))  # type: ignore[arg-type]


def test_without_a_port_nothing_opens_and_nothing_is_made(tmp_path: Path) -> None:
    key = BodyKeys(KeyFile(tmp_path / "kek")).make(1, "2026-07")
    for act in (lambda k: k.cipher(key), lambda k: k.make(2, "2026-07"), lambda k: k.port_name):
        with pytest.raises(StoreLockedError, match="without its key port"):
            act(BodyKeys(None))


def test_the_port_is_asked_once_for_a_key(tmp_path: Path) -> None:
    path = tmp_path / "kek"
    keys = BodyKeys(KeyFile(path))
    key = keys.make(1, "2026-07")
    cipher = keys.cipher(key)
    path.unlink()
    assert keys.cipher(key) is cipher
    keys.forget(key)
    with pytest.raises(StoreLockedError):
        keys.cipher(key)


def test_unwrapped_keys_in_memory_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_cipher, "CACHED_MAX", 2)
    keys = BodyKeys(KeyFile(tmp_path / "kek"))
    made = [keys.make(number, "2026-07") for number in range(4)]
    ciphers = [keys.cipher(key) for key in made]
    assert keys.cipher(made[0]) is not ciphers[0] and keys.cipher(made[3]) is ciphers[3]
    assert len(keys._open) == 2


def test_rewrapping_changes_the_wrapping_and_not_the_key(tmp_path: Path) -> None:
    old, new = KeyFile(tmp_path / "old"), KeyFile(tmp_path / "new")
    keys = BodyKeys(old)
    key = keys.make(1, "2026-07")
    sealed = keys.cipher(key).seal([(name(), b"body")])
    again: DataKey = keys.rewrap(key, new)
    assert again.wrapped != key.wrapped
    assert BodyKeys(new).cipher(again).open(name(), sealed) == b"body"
    with pytest.raises(StoreLockedError):
        BodyKeys(old).cipher(again)
