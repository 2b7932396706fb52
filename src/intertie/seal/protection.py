"""How keys at rest are protected, and how a key port is had from what the settings say."""

from __future__ import annotations

import secrets as random
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.model.record import Record
from intertie.seal.key_port import KeyFile, KeyPort
from intertie.seal.passphrase import PassphrasePort, PassphraseProtection, new_passphrase_protection
from intertie.seal.token import Token, TokenPort, TokenProtection

Kind = Literal["none", "passphrase", "pkcs11"]
# A supervisor hands the passphrase's place over without touching the settings.
PASSPHRASE_ENV = "INTERTIE_PASSPHRASE_FILE"  # noqa: S105 - a name
PLAIN_FILE = "plain.kek"


class NoProtection(Record, frozen=True, kw_only=True, tag="none", tag_field="kind"):
    """The wrapping key lies in a file beside the keys: for trials. Whoever reads the folder has the keys."""


Protection = NoProtection | PassphraseProtection | TokenProtection


def kind_of(protection: Protection) -> Kind:
    """Its name, as commands and settings say it."""
    if isinstance(protection, NoProtection):
        return "none"
    return "passphrase" if isinstance(protection, PassphraseProtection) else "pkcs11"


class Secrets(Record, frozen=True, kw_only=True):
    """The section [keys] of the settings: where the secret is that opens the keys. Which one is needed, the keys say."""

    passphrase_file: str | None = None
    pkcs11_module: str | None = None
    pkcs11_token: str = "intertie"  # noqa: S105 - a label
    pkcs11_pin_file: str | None = None


class Opener:
    """Makes key ports. Holds no secret: ports read theirs when they are made."""

    def __init__(self, secrets: Secrets, base: Path, environment: Mapping[str, str]) -> None:
        """Relative files are relative to `base`."""
        named = environment.get(PASSPHRASE_ENV) or secrets.passphrase_file
        self._passphrase = base / named if named else None
        self._module = base / secrets.pkcs11_module if secrets.pkcs11_module else None
        self._pin = base / secrets.pkcs11_pin_file if secrets.pkcs11_pin_file else None
        self._label = secrets.pkcs11_token
        self._token: Token | None = None

    def open(self, protection: Protection, folder: Path) -> KeyPort:
        """The port that a folder's keys are wrapped by; SettingsError if the secret for it is not named."""
        if isinstance(protection, NoProtection):
            return KeyFile(folder / PLAIN_FILE)
        if isinstance(protection, PassphraseProtection):
            return PassphrasePort(protection, self._passphrase_file())
        if protection.token != self._label:
            raise SettingsError(
                f"the keys in {folder} are wrapped by token {protection.token}, not {self._label}",
                do="Name it with [keys] pkcs11_token.",
            )
        return TokenPort(protection, self.token())

    def make(self, kind: Kind, party: PartyId) -> Protection:
        """A fresh protection of a kind; with "pkcs11" a new wrapping key in the token. SettingsError, KeyPortError."""
        if kind == "none":
            return NoProtection()
        if kind == "passphrase":
            self._passphrase_file()
            return new_passphrase_protection()
        label = f"intertie-{party[:40]}-{random.token_hex(4)}"
        self.token().make_wrapping_key(label)
        return TokenProtection(token=self._label, key=label)

    def token(self) -> Token:
        """The token of the settings; SettingsError if they name none."""
        if self._module is None or self._pin is None:
            raise SettingsError(
                "no PKCS#11 module or no PIN file is named",
                do="Set pkcs11_module, pkcs11_token and pkcs11_pin_file in [keys] of intertie.toml.",
            )
        if self._token is None:
            self._token = Token(self._module, self._label, self._pin)
        return self._token

    def default_kind(self) -> Kind:
        """What new keys are protected with if nobody says: the passphrase where one is named, else nothing."""
        return "none" if self._passphrase is None else "passphrase"

    def _passphrase_file(self) -> Path:
        if self._passphrase is None:
            raise SettingsError(
                "the keys are protected by a passphrase, and no file with it is named",
                do=f"Set [keys] passphrase_file in intertie.toml, or {PASSPHRASE_ENV}.",
            )
        return self._passphrase


def plain_opener(base: Path) -> Opener:
    """For folders that need no secret."""
    return Opener(Secrets(), base, {})
