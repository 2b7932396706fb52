"""The key that signs tokens: made once, kept for its owner only, rotated with an overlap, followed without a restart."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest
from joserfc.jwk import ECKey, KeySet

from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.seal import token_keys
from intertie.seal.protection import plain_opener
from intertie.seal.token_keys import (
    KEYS_FILE,
    SECRET_NAME,
    TokenKeyFiles,
    load_token_keys,
    make_token_key,
    new_token_keys,
    rotate_token_key,
)
from intertie.seal.vault import Vault

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
PARTY = PartyId("utility.example")
UNTIL = NOW + timedelta(seconds=390)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.create(tmp_path, PARTY, "none", plain_opener(tmp_path))


def secret_names(vault: Vault) -> list[str]:
    return [name for name in vault.names() if SECRET_NAME.fullmatch(name)]


def test_a_first_key_is_made_and_kept_encrypted(vault: Vault) -> None:
    keys = TokenKeyFiles(vault).present()
    [name] = secret_names(vault)
    assert stat.S_IMODE((vault.folder / name).stat().st_mode) == 0o600
    assert b"PRIVATE KEY" not in (vault.folder / name).read_bytes()
    assert load_token_keys(vault).kid == keys.kid
    assert TokenKeyFiles(vault).present().kid == keys.kid


def test_a_key_is_never_made_over_another(vault: Vault) -> None:
    kid = TokenKeyFiles(vault).present().kid
    make_token_key(vault)
    assert load_token_keys(vault).kid == kid


def test_processes_that_start_together_use_one_key(vault: Vault) -> None:
    found: list[str] = []
    barrier = Barrier(4)

    def start() -> None:
        ring = TokenKeyFiles(vault)
        barrier.wait()
        found.append(ring.present().kid)

    threads = [Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_the_key_set_is_public_and_says_what_it_is_for() -> None:
    keys = new_token_keys()
    (key,) = json.loads(keys.jwks(NOW))["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (key["kid"], key["use"], key["alg"]) == (keys.kid, "sig", "ES256")
    assert KeySet.import_key_set({"keys": [key]}).keys[0].kid == keys.kid


def test_a_key_has_no_repr_that_says_it() -> None:
    keys = new_token_keys()
    assert str(keys.signing.as_dict(private=True)["d"]) not in repr(keys)


def test_a_rotation_signs_with_the_new_key_and_believes_the_old_one_for_a_while(vault: Vault) -> None:
    ring = TokenKeyFiles(vault)
    old = ring.present()
    new = rotate_token_key(vault, NOW, UNTIL)
    present = ring.present()  # the same ring, with no restart
    assert present.kid == new.kid != old.kid
    assert list(present.public_keys(NOW)) == [new.kid, old.kid]
    assert list(present.public_keys(UNTIL - timedelta(seconds=1))) == [new.kid, old.kid]
    assert list(present.public_keys(UNTIL)) == [new.kid]
    assert [key["kid"] for key in json.loads(present.jwks(UNTIL))["keys"]] == [new.kid]


def test_nothing_of_the_old_private_key_stays(vault: Vault) -> None:
    TokenKeyFiles(vault).present()
    [old] = secret_names(vault)
    rotate_token_key(vault, NOW, UNTIL)
    [new] = secret_names(vault)
    assert new != old
    assert not (vault.folder / old).exists()
    assert stat.S_IMODE((vault.folder / new).stat().st_mode) == 0o600


def test_rotations_in_a_row_keep_all_that_are_still_believed(vault: Vault) -> None:
    kids = [TokenKeyFiles(vault).present().kid]
    for n in range(3):
        at = NOW + timedelta(seconds=100 * n)
        kids.append(rotate_token_key(vault, at, at + timedelta(seconds=250)).kid)
    at = NOW + timedelta(seconds=200)
    assert set(load_token_keys(vault).public_keys(at)) == set(kids)
    later = NOW + timedelta(days=1)
    rotate_token_key(vault, later, later + timedelta(seconds=250))
    assert len(load_token_keys(vault).retired) == 1


def test_a_crash_before_the_book_is_written_changes_nothing(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = TokenKeyFiles(vault).present()

    def crash(path: Path, data: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(token_keys, "replace_private", crash)
    with pytest.raises(KeyboardInterrupt):
        rotate_token_key(vault, NOW, UNTIL)
    monkeypatch.undo()
    assert load_token_keys(vault).kid == kept.kid
    assert len(secret_names(vault)) == 2
    assert rotate_token_key(vault, NOW, UNTIL).kid != kept.kid
    assert len(secret_names(vault)) == 1, "what the crash left is gone"


WRONG_KEYS = {
    "empty": b"",
    "no PEM": b"key",
    "a public key": ECKey.generate_key("P-256").as_pem(private=False),
    "another curve": ECKey.generate_key("P-384").as_pem(private=True),
    "half": ECKey.generate_key("P-256").as_pem(private=True)[:80],
}


@pytest.mark.parametrize("name", WRONG_KEYS)
def test_a_damaged_key_is_named(vault: Vault, name: str) -> None:
    make_token_key(vault)
    [kept] = secret_names(vault)
    with vault.lock():
        vault.destroy([kept])
        vault.add({kept: WRONG_KEYS[name]})
    with pytest.raises(SettingsError, match=kept) as caught:
        load_token_keys(vault)
    assert caught.value.do


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1]", "[" * 10000, '{"signing":"../x"}', '{"signing":"store-0001.kek"}', "\xff"],
)
def test_a_damaged_book_is_named(vault: Vault, text: str) -> None:
    make_token_key(vault)
    (vault.folder / KEYS_FILE).write_text(text, encoding="latin-1")
    with pytest.raises(SettingsError, match=KEYS_FILE):
        load_token_keys(vault)


def test_a_retired_key_that_is_no_point_is_no_key(vault: Vault) -> None:
    make_token_key(vault)
    book = json.loads((vault.folder / KEYS_FILE).read_text())
    jwk = {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}
    book["retired"] = [{"jwk": jwk, "until": "2030-01-01T00:00:00Z"}]
    (vault.folder / KEYS_FILE).write_text(json.dumps(book))
    with pytest.raises(SettingsError, match=KEYS_FILE):
        load_token_keys(vault)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    nowhere = Vault(tmp_path / "nowhere", plain_opener(tmp_path))
    with pytest.raises(SettingsError):
        TokenKeyFiles(nowhere).present()
    with pytest.raises(SettingsError):
        rotate_token_key(nowhere, NOW, UNTIL)
