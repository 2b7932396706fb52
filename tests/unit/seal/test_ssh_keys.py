"""Keys of SSH: ours are kept with all others, and weak ones of partners are refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key
from tests.ports import free_port

from intertie.cli import run
from intertie.model.errors import SettingsError
from intertie.run import Opened
from intertie.seal.ssh_keys import CLIENT, HOST, check_public_line, public_line, ssh_fingerprint


def line_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def test_ours_are_made_once_and_differ(tmp_path: Path) -> None:
    url = f"https://127.0.0.1:{free_port()}"
    assert run(["init", "us.example", "--role", "der_aggregator", "--url", url, "--dir", str(tmp_path)]) == 0
    it = Opened(tmp_path)
    host, client = it.ssh_key(HOST), it.ssh_key(CLIENT)
    assert public_line(host) == public_line(it.ssh_key(HOST)) != public_line(client)
    assert public_line(host).startswith("ssh-ed25519 ")
    load_ssh_private_key(client, None)
    it.close()
    kept = b"".join(path.read_bytes() for path in (tmp_path / "keys").rglob("*") if path.is_file())
    assert b"OPENSSH PRIVATE KEY" not in kept


def test_strong_keys_of_partners_are_taken() -> None:
    check_public_line(line_of(rsa.generate_private_key(65537, 2048)))
    check_public_line(line_of(ec.generate_private_key(ec.SECP256R1())))
    check_public_line("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINTpc6LJHdP6gqLd6lIejPXheD3w8GNxLGJtrNLyrUTq them")


def test_weak_ones_are_not() -> None:
    with pytest.raises(SettingsError, match="too weak"):
        check_public_line(line_of(rsa.generate_private_key(65537, 1024)))
    with pytest.raises(SettingsError):
        check_public_line(line_of(dsa.generate_private_key(1024)))


@pytest.mark.parametrize("line", ["", "ssh-ed25519", "ssh-ed25519 AAAA", "nonsense AAAA x"])
def test_what_is_no_key(line: str) -> None:
    with pytest.raises(SettingsError, match="public key"):
        check_public_line(line)


def test_a_fingerprint_is_as_openssh_writes_it(tmp_path: Path) -> None:
    line = line_of(ec.generate_private_key(ec.SECP384R1()))
    (tmp_path / "key.pub").write_text(line)
    try:
        said = subprocess.run(
            ["ssh-keygen", "-l", "-f", str(tmp_path / "key.pub")], capture_output=True, text=True
        )
    except FileNotFoundError:
        pytest.skip("ssh-keygen is not here (openssh-client)")
    assert ssh_fingerprint(line) in said.stdout
