"""The trust folder, read again while the gateway runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from intertie.model.errors import SettingsError
from intertie.model.ids import party_id
from intertie.seal.algorithms import generate_signing_key
from intertie.seal.trial_ca import TrialCa
from intertie.stores.trust_files import CHECK_SECONDS, TrustFiles

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
CA, OTHER = (TrialCa.create(name, NOW, NOW + timedelta(days=9)) for name in ("One", "Other"))
PARTY = party_id("agg.example")


class Ticks:
    """A monotonic clock that a test turns."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += CHECK_SECONDS
        return self.now


def made(folder: Path) -> TrustFiles:
    (folder / "one.pem").write_bytes(CA.roots_pem())
    return TrustFiles(folder, Ticks())


def test_the_same_object_as_long_as_nothing_changed(tmp_path: Path) -> None:
    files = made(tmp_path)
    assert files.present() is files.present()


def test_a_new_root_for_one_party_is_seen(tmp_path: Path) -> None:
    files = made(tmp_path)
    (tmp_path / PARTY).mkdir()
    assert len(files.present().roots) == 2
    (tmp_path / PARTY / "roots.pem").write_bytes(OTHER.roots_pem())
    assert len(files.present().roots) == 4
    assert len(files.present().family(post_quantum=False, party=party_id("b.example"))) == 1


def test_a_revocation_is_seen(tmp_path: Path) -> None:
    files = made(tmp_path)
    key = generate_signing_key("ES256")
    der = CA.issue_signing(PARTY, key, NOW, NOW + timedelta(days=1))[0]
    assert not files.present().is_revoked(der, NOW)
    (tmp_path / "crl.pem").write_bytes(CA.revocation_list([(der, NOW)], NOW, NOW + timedelta(days=1)))
    assert files.present().is_revoked(der, NOW)


def test_a_damaged_file_changes_nothing(tmp_path: Path) -> None:
    files = made(tmp_path)
    before = files.present()
    (tmp_path / "crl.pem").write_bytes(b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")
    assert files.present() is before
    (tmp_path / "crl.pem").unlink()
    (tmp_path / "two.pem").write_bytes(OTHER.roots_pem())
    assert len(files.present().roots) == 4


def test_a_folder_that_went_away_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "trust"
    folder.mkdir()
    files = made(folder)
    before = files.present()
    folder.rename(tmp_path / "gone")
    assert files.present() is before


def test_nothing_to_begin_with_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no trusted root"):
        TrustFiles(tmp_path, Ticks())
