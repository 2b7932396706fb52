"""Keys in a hardware module: SoftHSM2 stands for one."""

from __future__ import annotations

import copy
import secrets as secrets_of
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from vault_world import PARTY, PIN, make_vault, opener, software_token

from intertie.model.errors import SettingsError
from intertie.seal.algorithms import private_key_fits, sign, verify
from intertie.seal.key_port import KeyPortError
from intertie.seal.protection import Opener
from intertie.seal.token import Token, TokenPort, TokenProtection
from intertie.seal.vault import Vault

Secrets = dict[str, "str | None"]


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    """The shared token, with a PIN file that a test may spoil."""
    it = dict(software_token())
    pin = tmp_path / "pin.txt"
    pin.write_text(PIN)
    pin.chmod(0o600)
    return {**it, "pkcs11_pin_file": str(pin)}


@pytest.fixture
def label() -> str:
    return f"test-{secrets_of.token_hex(4)}"


@pytest.fixture
def opened(tmp_path: Path, secrets: Secrets) -> Opener:
    return opener(tmp_path, **secrets)


def test_a_vault_under_a_token(tmp_path: Path, secrets: Secrets) -> None:
    vault = make_vault(tmp_path, "pkcs11", **secrets)
    protection = vault.protection()
    assert isinstance(protection, TokenProtection) and protection.token == "intertie"
    again = Vault(tmp_path / "keys", opener(tmp_path, **secrets))
    assert again.read("b.key") == b"secret b"


def test_the_wrapping_key_does_not_leave_the_token(opened: Opener) -> None:
    protection = opened.make("pkcs11", PARTY)
    assert isinstance(protection, TokenProtection)

    def look(session: object) -> bytes:
        key = session.get_key(label=protection.key)  # type: ignore[attr-defined]
        return bytes(key[0x00000011])  # CKA_VALUE

    with pytest.raises(KeyPortError, match="AttributeSensitive"):
        opened.token().run(look)


def test_context_and_bytes_are_bound(opened: Opener, tmp_path: Path) -> None:
    protection = opened.make("pkcs11", PARTY)
    port = opened.open(protection, tmp_path)
    wrapped = port.wrap(b"k" * 32, b"one use")
    assert port.unwrap(wrapped, b"one use") == b"k" * 32
    assert b"k" * 32 not in wrapped
    for bad, context in (
        (wrapped, b"another use"),
        (wrapped[:-1] + bytes([wrapped[-1] ^ 1]), b"one use"),
        (b"", b""),
    ):
        with pytest.raises(KeyPortError):
            port.unwrap(bad, context)
    assert port.unwrap(wrapped, b"one use") == b"k" * 32, "a refusal leaves the session usable"
    other = opened.make("pkcs11", PARTY)
    with pytest.raises(KeyPortError):
        opened.open(other, tmp_path).unwrap(wrapped, b"one use")


def test_from_passphrase_to_token_and_back(tmp_path: Path, secrets: Secrets) -> None:
    vault = make_vault(tmp_path, "none", **secrets)
    for kind in ("pkcs11", "none", "pkcs11"):
        with vault.lock():
            vault.protect(kind)  # type: ignore[arg-type]
        assert Vault(vault.folder, opener(tmp_path, **secrets)).read("b.key") == b"secret b"


@pytest.mark.parametrize(("alg", "curve"), [("ES256", ec.SECP256R1), ("ES384", ec.SECP384R1)])
def test_a_signing_key_that_stays_in_the_token(
    opened: Opener, label: str, alg: str, curve: type[ec.EllipticCurve]
) -> None:
    token = opened.token()
    key = token.make_signing_key(alg, label)
    assert private_key_fits(alg, key) and isinstance(key.curve, curve)
    signature = sign(alg, key, b"payload")
    assert verify(alg, key.public_key(), signature, b"payload")
    assert not verify(alg, key.public_key(), signature, b"other")
    again = opened.token().signing_key(alg, label)
    assert verify(alg, again.public_key(), signature, b"payload")
    assert copy.copy(key) is copy.deepcopy(key) is key
    for take_out in (
        key.private_numbers,
        lambda: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        lambda: key.exchange(ec.ECDH(), key.public_key()),
    ):
        with pytest.raises(SettingsError):
            take_out()


def test_a_key_of_the_wrong_curve_or_none(opened: Opener, label: str) -> None:
    token = opened.token()
    token.make_signing_key("ES256", label)
    with pytest.raises(KeyPortError, match="none for ES384"):
        token.signing_key("ES384", label)
    with pytest.raises(KeyPortError, match="does not hold"):
        token.signing_key("ES256", f"{label}-2")
    token.destroy(label)
    with pytest.raises(KeyPortError, match="does not hold"):
        token.signing_key("ES256", label)


def test_many_threads_one_session(opened: Opener, label: str) -> None:
    key = opened.token().make_signing_key("ES256", label)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for number in range(30):
                data = f"{number}".encode()
                assert verify("ES256", key.public_key(), sign("ES256", key, data), data)
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_a_connection_that_was_lost_is_made_again(opened: Opener, label: str) -> None:
    token = opened.token()
    key = token.make_signing_key("ES256", label)
    token.run(lambda session: session.close())
    key.sign(b"x", ec.ECDSA(hashes.SHA256()))


def test_wrong_pin_no_token_no_module(tmp_path: Path, secrets: Secrets) -> None:
    module, pin = Path(secrets["pkcs11_module"] or ""), Path(secrets["pkcs11_pin_file"] or "")
    with pytest.raises(KeyPortError, match="does not answer"):
        Token(module, "another", pin).make_wrapping_key("k")
    with pytest.raises(KeyPortError, match="does not answer"):
        Token(tmp_path / "no.so", "intertie", pin).make_wrapping_key("k")
    pin.write_text("00000000")
    # Whoever is logged in already is not asked again: a process of its own.
    code = (
        "from pathlib import Path; from intertie.seal.token import Token;"
        f"Token(Path({str(module)!r}), 'intertie', Path({str(pin)!r})).make_wrapping_key('k')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "PinIncorrect" in done.stderr and "00000000" not in done.stderr
    pin.chmod(0o640)
    with pytest.raises(SettingsError, match="open to others"):
        Token(module, "intertie", pin).make_wrapping_key("k")


def test_settings_that_name_no_module(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no PKCS#11 module"):
        opener(tmp_path, pkcs11_module=None).make("pkcs11", PARTY)


def test_the_keys_of_another_token(tmp_path: Path, secrets: Secrets) -> None:
    make_vault(tmp_path, "pkcs11", **secrets)
    elsewhere = opener(tmp_path, **{**secrets, "pkcs11_token": "other"})
    with pytest.raises(SettingsError, match="not other"):
        Vault(tmp_path / "keys", elsewhere).read("b.key")


def test_nothing_secret_in_representations(opened: Opener, label: str, tmp_path: Path) -> None:
    token = opened.token()
    port = opened.open(opened.make("pkcs11", PARTY), tmp_path)
    key = token.make_signing_key("ES256", label)
    assert isinstance(port, TokenPort)
    assert PIN not in repr([token, port, key, vars(token)])
