"""The key port over a passphrase: what nobody knows, nobody opens. The passphrase is the first line of a file, which may
lie on another medium than the keys (a tmpfs that a person fills, a secret that a supervisor mounts)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from msgspec import Meta

from intertie.model.errors import SettingsError
from intertie.model.record import Record
from intertie.seal.encoding import from_base64url, to_base64url
from intertie.seal.key_port import KEY_BYTES, Kek, KeyPortError
from intertie.seal.private_files import read_secret_text

# SP 800-63B-4 s.3.1.1.2: a password that is the only factor has at least 15 characters.
PASSPHRASE_LEAST = 15
# RFC 9106 s.4, the second recommended option: Argon2id, 3 passes, 4 lanes, 64 MiB, 128 bits of salt.
PASSES, LANES, MEMORY_KIB, SALT_BYTES = 3, 4, 64 * 1024, 16


class PassphraseProtection(Record, frozen=True, kw_only=True, tag="passphrase", tag_field="kind"):
    """How the wrapping key is made from the passphrase. Kept beside the keys, so that the cost can be raised later."""

    kdf: Literal["argon2id"]
    salt: Annotated[str, Meta(min_length=22, max_length=86)]
    # More than 2 GiB (the first recommended option of RFC 9106) is a damaged file, not a setting.
    memory_kib: Annotated[int, Meta(ge=19 * 1024, le=2 * 1024 * 1024)] = MEMORY_KIB
    passes: Annotated[int, Meta(ge=1, le=64)] = PASSES
    lanes: Annotated[int, Meta(ge=1, le=64)] = LANES


def new_passphrase_protection() -> PassphraseProtection:
    """With a fresh salt."""
    return PassphraseProtection(kdf="argon2id", salt=to_base64url(os.urandom(SALT_BYTES)))


class PassphrasePort(Kek):
    """Derives its wrapping key once, when it is first needed."""

    name = "passphrase"

    def __init__(self, protection: PassphraseProtection, file: Path) -> None:
        """SettingsError if there is no usable passphrase in the file."""
        self._protection = protection
        self._passphrase = read_secret_text(file, "passphrase")
        if len(self._passphrase.decode("utf-8", "replace")) < PASSPHRASE_LEAST:
            raise SettingsError(
                f"the passphrase in {file} is shorter than {PASSPHRASE_LEAST} characters",
                do="Choose a longer one: five random words are easy to write down and hard to guess.",
            )
        self._key: bytes | None = None

    def __repr__(self) -> str:
        return "PassphrasePort(...)"

    def _read(self) -> bytes:
        if self._key is None:
            it = self._protection
            kdf = Argon2id(
                salt=from_base64url(it.salt),
                length=KEY_BYTES,
                iterations=it.passes,
                lanes=it.lanes,
                memory_cost=it.memory_kib,
            )
            self._key, self._passphrase = kdf.derive(self._passphrase), b""
        return self._key

    def _wrong(self) -> KeyPortError:
        return KeyPortError(
            "the passphrase does not open this key",
            do="Use the passphrase that the keys were protected with.",
        )
