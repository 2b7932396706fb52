"""The key that signs access tokens: one of its own, so that it is rotated without touching who we are.

Only this gateway judges its tokens, minutes after it wrote them: a classical algorithm is enough, and any client can
read the key set. After a rotation the old public key stays until the last token under it has ended.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Annotated, Literal, Protocol

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from msgspec import Meta

from intertie.model.errors import SettingsError
from intertie.model.record import Record
from intertie.seal.encoding import require_utc, write_canonical
from intertie.seal.private_files import replace_private
from intertie.seal.vault import Vault

# RFC 9068 s.2.1 wants an asymmetric algorithm; ES256 is what every JOSE library has.
ALGORITHM = "ES256"
CURVE = "P-256"
# Which secret of the vault signs now, and the public halves of those that did.
KEYS_FILE = "token-keys.json"
SECRET_NAME = re.compile(r"token-[A-Za-z0-9_-]{16}\.key")


class PublicJwk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The public half of a token key (RFC 7517)."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: str
    y: str


class RetiredKey(Record, frozen=True, kw_only=True):
    """A key that signs no more, believed up to, not including, `until`."""

    jwk: PublicJwk
    until: datetime

    def check(self) -> None:
        """Times in files are UTC."""
        require_utc("until", self.until)


class _Book(Record, frozen=True, kw_only=True):
    signing: Annotated[str, Meta(pattern=f"^{SECRET_NAME.pattern}$")]
    retired: tuple[RetiredKey, ...] = ()


_BOOK = msgspec.json.Decoder(_Book)


@dataclass(frozen=True)
class TokenKeys:
    """The key that signs now, and the ones that did."""

    signing: ECKey = field(repr=False)
    retired: tuple[RetiredKey, ...] = ()

    @property
    def kid(self) -> str:
        """The name of the key that signs now (RFC 7638 thumbprint)."""
        return self.signing.thumbprint()

    def public_keys(self, now: datetime) -> dict[str, ECKey]:
        """The keys that are believed at this time, by name; the one that signs comes first."""
        keys = {self.kid: _import(_public(self.signing))}
        for retired in self.retired:
            if now < retired.until:
                key = _import(retired.jwk)
                keys.setdefault(key.thumbprint(), key)
        return keys

    def jwks(self, now: datetime) -> bytes:
        """The JWK Set that `jwks_uri` serves (RFC 7517 s.5)."""
        keys = [
            key.as_dict(private=False, kid=kid, use="sig", alg=ALGORITHM)
            for kid, key in self.public_keys(now).items()
        ]
        return write_canonical({"keys": keys})

    def rotated(self, now: datetime, until: datetime) -> TokenKeys:
        """A new signing key; the present one is believed up to `until`."""
        kept = tuple(key for key in self.retired if now < key.until)
        return TokenKeys(_generate(), (RetiredKey(jwk=_public(self.signing), until=until), *kept))


class TokenRing(Protocol):
    """Where the present token keys are. May change while the gateway runs: nobody keeps a copy beyond one act."""

    def present(self) -> TokenKeys:
        """The keys as they are now; SettingsError if there are none."""


@dataclass(frozen=True)
class FixedTokenKeys:
    """A ring that does not change."""

    keys: TokenKeys

    def present(self) -> TokenKeys:
        """The keys it was made with."""
        return self.keys


class TokenKeyFiles:
    """The ring over a keys folder, for any number of processes: a change of the files is seen at the next question."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._lock = Lock()
        self._stamp: object = None
        self._keys: TokenKeys | None = None

    def present(self) -> TokenKeys:
        """The keys of the folder; a first one is made where there is none. SettingsError if that cannot be, KeyPortError if
        the folder does not open."""
        with self._lock:
            stamp = _stamp(self._vault)
            if self._keys is None or stamp != self._stamp:
                if not (self._vault.folder / KEYS_FILE).exists():
                    make_token_key(self._vault)
                    stamp = _stamp(self._vault)
                self._keys = load_token_keys(self._vault)
                self._stamp = stamp
            return self._keys


def new_token_keys() -> TokenKeys:
    """A fresh key and no past."""
    return TokenKeys(_generate())


def make_token_key(vault: Vault) -> None:
    """Keep a first token key; no effect if another process was faster. SettingsError if it cannot be kept."""
    with vault.lock():
        if not (vault.folder / KEYS_FILE).exists():
            _keep(vault, _generate(), ())


def load_token_keys(vault: Vault) -> TokenKeys:
    """The token keys of a folder; SettingsError names the file that is missing or damaged."""
    path = vault.folder / KEYS_FILE
    do = f"Restore it, or remove {path}: a new key is made, and partners fetch new tokens by themselves."
    try:
        book = _BOOK.decode(path.read_bytes())
        for one in book.retired:
            _import(one.jwk)
    except (OSError, msgspec.MsgspecError, ValueError, TypeError, RecursionError, JoseError) as error:
        raise SettingsError(f"{path} cannot be read: {error}", do=do) from error
    try:
        key = ECKey.import_key(vault.read(book.signing))
        if not key.is_private or key.curve_name != CURVE:
            raise ValueError(f"not a private key on {CURVE}")
    except (ValueError, TypeError, JoseError, SettingsError) as error:
        raise SettingsError(f"{vault.folder / book.signing} cannot be read: {error}", do=do) from error
    return TokenKeys(key, book.retired)


def rotate_token_key(vault: Vault, now: datetime, until: datetime) -> TokenKeys:
    """Sign with a new key from now on and believe the old one up to `until`; running gateways follow at once. The old
    private key is destroyed. SettingsError if the folder cannot be read or written, KeyPortError if it does not open."""
    with vault.lock():
        keys = load_token_keys(vault).rotated(now, until)
        current = _keep(vault, keys.signing, keys.retired)
        vault.destroy(name for name in vault.names() if SECRET_NAME.fullmatch(name) and name != current)
        return keys


def _keep(vault: Vault, key: ECKey, retired: tuple[RetiredKey, ...]) -> str:
    """The secret under a name of its own, then the book that names it: after a crash in between it is the old key. Returns
    the name."""
    name = f"token-{key.thumbprint()[:16]}.key"
    vault.add({name: key.as_pem(private=True)})
    try:
        replace_private(vault.folder / KEYS_FILE, write_canonical(_Book(signing=name, retired=retired)))
    except OSError as error:
        raise SettingsError(
            f"{vault.folder} cannot be written: {error}", do="Check its permissions."
        ) from error
    return name


def _generate() -> ECKey:
    return ECKey.generate_key(CURVE)


def _public(key: ECKey) -> PublicJwk:
    return msgspec.convert(key.as_dict(private=False), PublicJwk)


def _import(jwk: PublicJwk) -> ECKey:
    return ECKey.import_key({"kty": jwk.kty, "crv": jwk.crv, "x": jwk.x, "y": jwk.y})


def _stamp(vault: Vault) -> object:
    """Changes whenever the book is written, added or removed."""
    try:
        status = (vault.folder / KEYS_FILE).stat()
        return status.st_mtime_ns, status.st_size, status.st_ino
    except OSError:
        return None
