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
from intertie.seal.token_keys import (
    KEY_FILE,
    RETIRED_FILE,
    TokenKeyFiles,
    load_token_keys,
    make_token_key,
    new_token_keys,
    rotate_token_key,
)

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
UNTIL = NOW + timedelta(seconds=390)


def test_a_first_key_is_made_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    keys = TokenKeyFiles(tmp_path).present()
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert load_token_keys(tmp_path).kid == keys.kid
    assert TokenKeyFiles(tmp_path).present().kid == keys.kid


def test_a_key_is_never_made_over_another(tmp_path: Path) -> None:
    kid = TokenKeyFiles(tmp_path).present().kid
    make_token_key(tmp_path)
    assert load_token_keys(tmp_path).kid == kid


def test_processes_that_start_together_use_one_key(tmp_path: Path) -> None:
    found: list[str] = []
    barrier = Barrier(4)

    def start() -> None:
        ring = TokenKeyFiles(tmp_path)
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


def test_a_rotation_signs_with_the_new_key_and_believes_the_old_one_for_a_while(tmp_path: Path) -> None:
    ring = TokenKeyFiles(tmp_path)
    old = ring.present()
    new = rotate_token_key(tmp_path, NOW, UNTIL)
    present = ring.present()  # the same ring, with no restart
    assert present.kid == new.kid != old.kid
    assert list(present.public_keys(NOW)) == [new.kid, old.kid]
    assert list(present.public_keys(UNTIL - timedelta(seconds=1))) == [new.kid, old.kid]
    assert list(present.public_keys(UNTIL)) == [new.kid]
    assert [key["kid"] for key in json.loads(present.jwks(UNTIL))["keys"]] == [new.kid]


def test_nothing_of_the_old_private_key_stays(tmp_path: Path) -> None:
    secret = str(TokenKeyFiles(tmp_path).present().signing.as_dict(private=True)["d"])
    rotate_token_key(tmp_path, NOW, UNTIL)
    assert all(secret not in path.read_text() for path in tmp_path.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {KEY_FILE, RETIRED_FILE}
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


def test_rotations_in_a_row_keep_all_that_are_still_believed(tmp_path: Path) -> None:
    kids = [TokenKeyFiles(tmp_path).present().kid]
    for n in range(3):
        at = NOW + timedelta(seconds=100 * n)
        kids.append(rotate_token_key(tmp_path, at, at + timedelta(seconds=250)).kid)
    at = NOW + timedelta(seconds=200)
    assert set(load_token_keys(tmp_path).public_keys(at)) == set(kids)
    later = NOW + timedelta(days=1)
    rotate_token_key(tmp_path, later, later + timedelta(seconds=250))
    assert len(load_token_keys(tmp_path).retired) == 1


def test_a_crash_between_the_two_files_changes_nothing(tmp_path: Path) -> None:
    """The retired file is written first: then the key stands in both."""
    kept = TokenKeyFiles(tmp_path).present()
    key = (tmp_path / KEY_FILE).read_bytes()
    rotate_token_key(tmp_path, NOW, UNTIL)
    (tmp_path / KEY_FILE).write_bytes(key)
    (tmp_path / f"{KEY_FILE}.new").write_bytes(b"half")
    keys = load_token_keys(tmp_path)
    assert (keys.kid, list(keys.public_keys(NOW))) == (kept.kid, [kept.kid])
    assert rotate_token_key(tmp_path, NOW, UNTIL).kid != kept.kid


WRONG_KEYS = {
    "empty": b"",
    "no PEM": b"key",
    "a public key": ECKey.generate_key("P-256").as_pem(private=False),
    "another curve": ECKey.generate_key("P-384").as_pem(private=True),
    "half": ECKey.generate_key("P-256").as_pem(private=True)[:80],
}


@pytest.mark.parametrize("name", WRONG_KEYS)
def test_a_damaged_key_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / KEY_FILE).write_bytes(WRONG_KEYS[name])
    with pytest.raises(SettingsError, match=KEY_FILE) as caught:
        load_token_keys(tmp_path)
    assert caught.value.do


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", "[" * 10000, '[{"jwk":{},"until":"2026-01-01T00:00:00Z"}]', "\xff"]
)
def test_a_damaged_list_of_retired_keys_is_named(tmp_path: Path, text: str) -> None:
    make_token_key(tmp_path)
    (tmp_path / RETIRED_FILE).write_text(text, encoding="latin-1")
    with pytest.raises(SettingsError, match=RETIRED_FILE):
        load_token_keys(tmp_path)


def test_a_retired_key_that_is_no_point_is_no_key(tmp_path: Path) -> None:
    make_token_key(tmp_path)
    jwk = {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}
    (tmp_path / RETIRED_FILE).write_text(json.dumps([{"jwk": jwk, "until": "2030-01-01T00:00:00Z"}]))
    with pytest.raises(SettingsError, match=RETIRED_FILE):
        load_token_keys(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        TokenKeyFiles(tmp_path / "nowhere").present()
    with pytest.raises(SettingsError):
        rotate_token_key(tmp_path / "nowhere", NOW, UNTIL)
