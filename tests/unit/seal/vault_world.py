"""Folders of encrypted files, passphrases, and a software token: what tests of keys at rest share."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

import pytest

from intertie.model.ids import PartyId
from intertie.seal.protection import Kind, Opener, Secrets
from intertie.seal.vault import Vault

PARTY = PartyId("utility.example")
PIN = "24681357"
PASSPHRASE = "correct horse battery staple"
MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)


def passphrase_file(folder: Path, text: str = PASSPHRASE, mode: int = 0o600) -> Path:
    path = folder / "passphrase.txt"
    path.write_text(text + "\n", encoding="utf-8")
    path.chmod(mode)
    return path


def opener(folder: Path, **secrets: str | None) -> Opener:
    if not secrets and not (folder / "passphrase.txt").exists():
        passphrase_file(folder)
    return Opener(Secrets(**(secrets or {"passphrase_file": "passphrase.txt"})), folder, {})  # type: ignore[arg-type]


def make_vault(folder: Path, kind: Kind = "none", **secrets: str | None) -> Vault:
    vault = Vault.create(folder / "keys", PARTY, kind, opener(folder, **secrets))
    with vault.lock():
        vault.add({"0001/a.key": b"secret a", "b.key": b"secret b"})
    return vault


def softhsm_module() -> Path:
    """The module; skips where SoftHSM2 is not installed."""
    found = next((Path(name) for name in MODULES if Path(name).exists()), None)
    if found is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM2 is not installed (Debian: softhsm2)")
    return found


@lru_cache
def software_token() -> dict[str, str | None]:
    """The [keys] settings of a fresh token; skips where there is no SoftHSM2. One for the whole run: a module reads its
    configuration once per process."""
    module = softhsm_module()
    folder = Path(tempfile.mkdtemp(prefix="intertie-hsm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "tokens").mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    os.environ["SOFTHSM2_CONF"] = str(config)
    pin = folder / "pin.txt"
    pin.write_text(f"{PIN}\n")
    pin.chmod(0o600)
    pins = ["--pin", PIN, "--so-pin", PIN[::-1]]
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "intertie", *pins],
        check=True,
        capture_output=True,
    )
    return {"pkcs11_module": str(module), "pkcs11_pin_file": str(pin)}
