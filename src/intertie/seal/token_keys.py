"""The key that signs access tokens: one of its own, so that it is rotated without touching who we are.

Only this gateway judges its tokens, minutes after it wrote them: a classical algorithm is enough, and any client can
read the key set. After a rotation the old public key stays until the last token under it has ended.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Literal, Protocol

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from intertie.model.errors import SettingsError
from intertie.model.record import Record
from intertie.seal.encoding import require_utc, write_canonical
from intertie.seal.trial_ca import write_private

# RFC 9068 s.2.1 wants an asymmetric algorithm; ES256 is what every JOSE library has.
ALGORITHM = "ES256"
CURVE = "P-256"
KEY_FILE = "token.key.pem"
RETIRED_FILE = "token-retired.json"


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


_RETIRED = msgspec.json.Decoder(tuple[RetiredKey, ...])


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

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = Lock()
        self._stamp: object = None
        self._keys: TokenKeys | None = None

    def present(self) -> TokenKeys:
        """The keys of the folder; a first one is made where there is none. SettingsError if that cannot be."""
        with self._lock:
            stamp = _stamp(self._directory)
            if self._keys is None or stamp != self._stamp:
                if not (self._directory / KEY_FILE).exists():
                    make_token_key(self._directory)
                    stamp = _stamp(self._directory)
                self._keys = load_token_keys(self._directory)
                self._stamp = stamp
            return self._keys


def new_token_keys() -> TokenKeys:
    """A fresh key and no past."""
    return TokenKeys(_generate())


def make_token_key(directory: Path) -> None:
    """Write a first token key, whole or not at all; no effect if another process was faster. SettingsError if it cannot
    be written."""
    path = directory / KEY_FILE
    try:
        descriptor, fresh = tempfile.mkstemp(prefix=KEY_FILE, dir=directory)  # only its owner reads it
        try:
            with os.fdopen(descriptor, "wb") as out:
                out.write(_generate().as_pem(private=True))
                out.flush()
                os.fsync(out.fileno())
            os.link(fresh, path)
        finally:
            os.unlink(fresh)
    except FileExistsError:
        return
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error}", do="Check its permissions.") from error


def load_token_keys(directory: Path) -> TokenKeys:
    """The token keys of a folder; SettingsError names the file that is missing or damaged."""
    path, retired = directory / KEY_FILE, directory / RETIRED_FILE
    try:
        key = ECKey.import_key(path.read_bytes())
        if not key.is_private or key.curve_name != CURVE:
            raise ValueError(f"not a private key on {CURVE}")
    except (OSError, ValueError, TypeError, JoseError) as error:
        do = "Restore it, or remove it: a new one is made, and partners fetch new tokens by themselves."
        raise SettingsError(f"{path} cannot be read: {error}", do=do) from error
    try:
        old = _RETIRED.decode(retired.read_bytes()) if retired.exists() else ()
        for one in old:
            _import(one.jwk)
    except (OSError, msgspec.MsgspecError, ValueError, TypeError, RecursionError, JoseError) as error:
        do = "Remove it: tokens under retired keys end then, and partners fetch new ones."
        raise SettingsError(f"{retired} cannot be read: {error}", do=do) from error
    return TokenKeys(key, old)


def rotate_token_key(directory: Path, now: datetime, until: datetime) -> TokenKeys:
    """Sign with a new key from now on and believe the old one up to `until`; running gateways follow at once. The old
    private key is gone. SettingsError if the folder cannot be read or written."""
    keys = load_token_keys(directory).rotated(now, until)
    # The retired one first: after a crash in between, the present key stands in both files, which changes nothing.
    _replace(directory / RETIRED_FILE, write_canonical(keys.retired))
    _replace(directory / KEY_FILE, keys.signing.as_pem(private=True))
    return keys


def _replace(path: Path, data: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.unlink(missing_ok=True)
        write_private(fresh, data)
        os.replace(fresh, path)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error}", do="Check its permissions.") from error


def _generate() -> ECKey:
    return ECKey.generate_key(CURVE)


def _public(key: ECKey) -> PublicJwk:
    return msgspec.convert(key.as_dict(private=False), PublicJwk)


def _import(jwk: PublicJwk) -> ECKey:
    return ECKey.import_key({"kty": jwk.kty, "crv": jwk.crv, "x": jwk.x, "y": jwk.y})


def _stamp(directory: Path) -> object:
    """Changes whenever one of the two files is written, added or removed."""
    found = []
    for name in (KEY_FILE, RETIRED_FILE):
        try:
            status = (directory / name).stat()
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
        except OSError:
            found.append((0, 0, 0))
    return tuple(found)
