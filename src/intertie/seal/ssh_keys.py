"""Keys of SSH: our server's and our client's, kept encrypted with all others, and what is asked of partners' keys.

Ed25519 only, since every SSH program of the last ten years knows it. Whoever is asked for more has to be asked for a sealed file.
"""

from __future__ import annotations

import base64
import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
    load_ssh_public_key,
)

from intertie.model.errors import SettingsError
from intertie.seal.vault import Vault

# The secrets in the vault: 32 bytes each.
HOST, CLIENT = "sftp-host.key", "sftp-client.key"
# 112 bits of security (SP 800-131A).
RSA_BITS_MIN = 2048


def ssh_key_of_vault(vault: Vault, name: str) -> bytes:
    """A private key of ours in OpenSSH's form, made when it is first asked for. SettingsError, KeyPortError."""
    with vault.lock():
        if name not in vault.names():
            fresh = Ed25519PrivateKey.generate()
            vault.add({name: fresh.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())})
        raw = vault.read(name)
    try:
        key = Ed25519PrivateKey.from_private_bytes(raw)
    except ValueError as error:
        raise SettingsError("not a key for SSH", do="Restore the folder of keys from its backup.") from error
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def public_line(private: bytes) -> str:
    """The public key, as it stands in authorized_keys and known_hosts."""
    key = load_ssh_private_key(private, None)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def check_public_line(line: str) -> None:
    """SettingsError for what is no public key of SSH, or a weak one."""
    try:
        key = load_ssh_public_key(line.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        do = "Give its line of a file like id_ed25519.pub: type, base64, name."
        raise SettingsError("not a public key of SSH that is used here", do=do) from error
    strong = isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_BITS_MIN
    if not strong and not isinstance(key, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey):
        do = f"Ask the partner for an Ed25519 key (or ECDSA, or RSA of {RSA_BITS_MIN} bits or more)."
        raise SettingsError("a key of SSH that is too weak", do=do)


def ssh_fingerprint(line: str) -> str:
    """By which two people compare a key, as OpenSSH writes it."""
    raw = base64.b64decode(line.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")
