"""A door's certificate and key from files: a pair is taken, and what is none is refused with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.interop.test_ftps import certificate

from intertie.model.errors import SettingsError
from intertie.seal.tls_files import context_of_files


def test_a_pair_is_taken(tmp_path: Path) -> None:
    certificate(tmp_path)
    assert context_of_files(tmp_path / "ftps.pem", tmp_path / "ftps.key", "[ftps]") is not None


def another_key(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "ftps.key").write_bytes(plain)


def no_key(folder: Path) -> None:
    (folder / "ftps.key").unlink()


def no_pem(folder: Path) -> None:
    (folder / "ftps.pem").write_text("nothing")


@pytest.mark.parametrize("change", [another_key, no_key, no_pem])
def test_what_is_no_pair_is_refused(tmp_path: Path, change: object) -> None:
    certificate(tmp_path)
    assert callable(change)
    change(tmp_path)
    with pytest.raises(SettingsError, match=r"\[ftps\] certificate and key"):
        context_of_files(tmp_path / "ftps.pem", tmp_path / "ftps.key", "[ftps]")
