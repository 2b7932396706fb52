"""A partner's GnuPG in a folder of its own: keys, packages and signatures, made by the program `gpg` and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


class Gpg:
    """A home of GnuPG; close it when done, for its agent stays else."""

    def __init__(self, name: str, bits: int = 2048, at: str = "") -> None:
        if shutil.which("gpg") is None:
            pytest.skip("gpg is not installed")
        self.name = name
        self._at = ["--faked-system-time", at] if at else []
        # Sockets have short paths.
        self.home = Path(tempfile.mkdtemp(prefix="gpg"))
        self.home.chmod(0o700)
        kind = f"Key-Type: RSA\nKey-Length: {bits}\nKey-Usage: sign,cert\nSubkey-Type: RSA\nSubkey-Length: {bits}\n"
        more = f"Subkey-Usage: encrypt\nName-Real: {name}\nExpire-Date: 1y\n%no-protection\n%commit\n"
        self.run("--gen-key", given=(kind + more).encode())

    def run(self, *arguments: str, given: bytes = b"") -> bytes:
        """What it writes; AssertionError with what it says if it fails."""
        always = [
            "gpg",
            "--homedir",
            str(self.home),
            "--batch",
            "--yes",
            "--quiet",
            "--trust-model",
            "always",
        ]
        done = subprocess.run([*always, *self._at, *arguments], input=given, capture_output=True)
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
        return done.stdout

    @property
    def public(self) -> str:
        return self.run("--armor", "--export", self.name).decode()

    def know(self, public: str) -> None:
        """Import somebody's public key."""
        self.run("--import", given=public.encode())

    def package(self, recipient: str, content: bytes, *options: str) -> bytes:
        """Signed and encrypted as it does by default: compressed."""
        return self.run("-r", recipient, "-u", self.name, "--sign", "--encrypt", *options, given=content)

    def sign(self, content: bytes, *options: str) -> bytes:
        return self.run("--armor", "-u", self.name, "--detach-sign", *options, given=content)

    def opened(self, package: bytes) -> tuple[bytes, bool]:
        """What was in a package, and whether a good signature was over it."""
        status = self.home / "status"
        content = self.run("--status-file", str(status), "--decrypt", given=package)
        return content, "VALIDSIG" in status.read_text("utf-8", "replace")

    def verifies(self, content: bytes, signature: bytes) -> bool:
        file = self.home / "signature"
        file.write_bytes(signature)
        always = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--trust-model", "always"]
        done = subprocess.run([*always, "--verify", str(file), "-"], input=content, capture_output=True)
        return done.returncode == 0

    def close(self) -> None:
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], capture_output=True)
        shutil.rmtree(self.home, ignore_errors=True)
