"""A gateway's private keys and a partner's public ones: making, keeping, reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from intertie.model.errors import SettingsError
from intertie.model.ids import KeyId, PartyId, PartyName
from intertie.model.party import Role
from intertie.model.record import Record
from intertie.seal.algorithms import (
    SIGNATURE_ALGORITHMS,
    SigningPrivateKey,
    generate_signing_key,
    private_key_fits,
)
from intertie.seal.certificates import Chain, thumbprint
from intertie.seal.encoding import from_base64url, to_base64url, write_canonical
from intertie.seal.hpke import OpeningKey, SealingKey, generate_opening_key, opening_key
from intertie.seal.profile import PROFILES, Profile
from intertie.seal.trial_ca import TrialCa, write_private

# SP 800-57 Part 1 Rev. 5, table 1: a private signature key is used for one to three years.
KEY_LIFE = timedelta(days=730)
# A certificate may be a little older than the clock of whoever reads it.
BACKDATE = timedelta(hours=1)
# A certificate of which nothing else is said counts as long as it is valid.
LAST_MOMENT = datetime.max.replace(tzinfo=UTC)
IDENTITY_FILE = "identity.json"
OPENING_FILE = "opening.json"
KEY_SUFFIX = ".key.pem"
CHAIN_SUFFIX = ".crt.pem"
TLS_KEY_FILE = f"tls{KEY_SUFFIX}"
TLS_CHAIN_FILE = f"tls{CHAIN_SUFFIX}"


@dataclass(frozen=True)
class SigningKey:
    """A private key for one algorithm, with the certificate chain that says whose it is."""

    alg: str
    key: SigningPrivateKey = field(repr=False)
    chain: Chain


class TlsKey(NamedTuple):
    """Key and chain as PEM, as TLS libraries want them."""

    key: bytes
    chain: bytes

    def __repr__(self) -> str:
        return "TlsKey(...)"


@dataclass(frozen=True)
class PublicKeys:
    """What a partner has to know of a party: who it is, its signing chains, the keys to seal for.

    Newest first, in both: while keys rotate the older ones are still accepted, until the time that `ends` names for a
    certificate's thumbprint. What is sealed is always sealed for the newest.
    """

    party: PartyId
    roles: frozenset[Role]
    signing: Mapping[str, tuple[Chain, ...]]
    sealing: Mapping[KeyId, SealingKey]
    ends: Mapping[bytes, datetime] = field(default_factory=dict)

    @cached_property
    def chains(self) -> Mapping[bytes, Chain]:
        """Every signing chain by the thumbprint of its leaf."""
        return {thumbprint(chain[0]): chain for chains in self.signing.values() for chain in chains}

    def signing_at(self, now: datetime) -> Mapping[str, tuple[Chain, ...]]:
        """The chains under which a signature is accepted at this time."""
        if not self.ends:
            return self.signing
        return {
            alg: tuple(chain for chain in chains if now < self.ends.get(thumbprint(chain[0]), LAST_MOMENT))
            for alg, chains in self.signing.items()
        }

    def sealing_key(self, suite: str) -> SealingKey | None:
        """The newest key for a suite, or None."""
        return next((key for key in self.sealing.values() if key.suite == suite), None)

    def can_do(self, profile: Profile) -> bool:
        """Whether this party can sign and open parcels of a profile."""
        return self.sealing_key(profile.suite) is not None and set(profile.signatures) <= set(self.signing)


@dataclass(frozen=True)
class OlderChain:
    """A certificate that we signed under before: partners accept it until `end`."""

    alg: str
    chain: Chain
    end: datetime


@dataclass(frozen=True)
class PrivateKeys:
    """The private keys of a gateway: what it signs with, and everything that still opens, newest first."""

    party: PartyId
    roles: frozenset[Role]
    signing: Mapping[str, SigningKey]
    opening: Mapping[KeyId, OpeningKey]
    tls: TlsKey
    older: tuple[OlderChain, ...] = ()

    def public(self) -> PublicKeys:
        """What partners may know."""
        signing = {alg: [key.chain] for alg, key in self.signing.items()}
        for old in self.older:
            signing.setdefault(old.alg, []).append(old.chain)
        return PublicKeys(
            party=self.party,
            roles=self.roles,
            signing={alg: tuple(chains) for alg, chains in signing.items()},
            sealing={kid: key.sealing() for kid, key in self.opening.items()},
            ends={thumbprint(old.chain[0]): old.end for old in self.older},
        )


def generate_keys(
    party: PartyId,
    roles: frozenset[Role],
    ca: TrialCa,
    now: datetime,
    profiles: Sequence[str] = tuple(PROFILES),
    *,
    hosts: Sequence[str] = ("localhost", "127.0.0.1"),
    not_before: datetime | None = None,
    not_after: datetime | None = None,
) -> PrivateKeys:
    """New keys for the profiles, with certificates of the trial authority; SettingsError for an unknown profile.

    Valid from `not_before` (an hour before `now`) to `not_after` (two years from `now`), by the gateway's clock.
    """
    unknown = set(profiles) - set(PROFILES)
    if unknown or not profiles:
        raise SettingsError(
            f"no profile {', '.join(sorted(unknown)) or '(none given)'}", do=f"Known: {', '.join(PROFILES)}."
        )
    since, until = not_before or now - BACKDATE, not_after or now + KEY_LIFE
    signing = {}
    for alg in sorted({alg for name in profiles for alg in PROFILES[name].signatures}):
        key = generate_signing_key(alg)
        signing[alg] = SigningKey(alg, key, ca.issue_signing(party, key, since, until))
    opening = [generate_opening_key(PROFILES[name].suite) for name in profiles]
    tls = ec.generate_private_key(ec.SECP256R1())
    chain = ca.issue_tls(party, tls, hosts, since, until)
    return PrivateKeys(
        party=party,
        roles=roles,
        signing=signing,
        opening={key.kid: key for key in opening},
        tls=TlsKey(_key_pem(tls), chain_pem(chain)),
    )


class _Identity(Record, frozen=True, kw_only=True):
    party: PartyName
    roles: tuple[Role, ...]


class _KeyLine(Record, frozen=True, kw_only=True):
    kid: str
    suite: str
    private: str


def save_keys(directory: Path, keys: PrivateKeys) -> None:
    """Write all keys into a folder, each file readable by its owner only; SettingsError if a file is there already."""
    identity = _Identity(party=keys.party, roles=tuple(sorted(keys.roles)))
    lines = [
        _KeyLine(kid=key.kid, suite=key.suite, private=to_base64url(key.private))
        for key in keys.opening.values()
    ]
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(directory / IDENTITY_FILE, write_canonical(identity))
        write_private(directory / OPENING_FILE, write_canonical(lines))
        write_private(directory / TLS_KEY_FILE, keys.tls.key)
        write_private(directory / TLS_CHAIN_FILE, keys.tls.chain)
        for alg, signing in keys.signing.items():
            write_private(directory / f"{alg}{KEY_SUFFIX}", _key_pem(signing.key))
            write_private(directory / f"{alg}{CHAIN_SUFFIX}", chain_pem(signing.chain))
    except OSError as error:
        raise SettingsError(f"{directory} cannot be written: {error}") from error


def load_keys(directory: Path) -> PrivateKeys:
    """What `save_keys` wrote; SettingsError names the file that is missing or damaged."""
    try:
        identity = msgspec.json.decode((directory / IDENTITY_FILE).read_bytes(), type=_Identity)
        lines = msgspec.json.decode((directory / OPENING_FILE).read_bytes(), type=list[_KeyLine])
        opening = [opening_key(line.suite, from_base64url(line.private)) for line in lines]
        tls = TlsKey((directory / TLS_KEY_FILE).read_bytes(), (directory / TLS_CHAIN_FILE).read_bytes())
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        do = "`intertie init` makes keys; otherwise restore them from a backup."
        raise SettingsError(f"the keys in {directory} cannot be read: {error}", do=do) from error
    signing = {
        alg: _load_signing(directory, alg)
        for alg in SIGNATURE_ALGORITHMS
        if (directory / f"{alg}{KEY_SUFFIX}").exists()
    }
    if not signing:
        raise SettingsError(f"{directory} holds no signing key")
    return PrivateKeys(
        party=identity.party,
        roles=frozenset(identity.roles),
        signing=signing,
        opening={key.kid: key for key in opening},
        tls=tls,
    )


def _load_signing(directory: Path, alg: str) -> SigningKey:
    file = directory / f"{alg}{KEY_SUFFIX}"
    try:
        key = load_pem_private_key(file.read_bytes(), None)
        certificates = x509.load_pem_x509_certificates((directory / f"{alg}{CHAIN_SUFFIX}").read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(f"{file} and its certificate cannot be read: {error}") from error
    if not private_key_fits(alg, key) or key.public_key() != certificates[0].public_key():
        raise SettingsError(f"{file} is not the key of the certificate beside it")
    chain = tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)
    return SigningKey(alg, key, chain)  # type: ignore[arg-type]  # private_key_fits has looked


def chain_pem(chain: Chain) -> bytes:
    """A chain as PEM, leaf first."""
    return b"".join(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in chain)


def _key_pem(key: SigningPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class CertificateFile(NamedTuple):
    """A certificate on disk and how long it is valid."""

    file: str
    start: datetime
    end: datetime


def certificates_in(directory: Path) -> list[CertificateFile]:
    """Every leaf certificate of a keys folder; SettingsError names the file that cannot be read."""
    found = []
    for path in sorted(directory.glob("*.crt.pem")):
        try:
            leaf = x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError) as error:
            raise SettingsError(f"{path}: {error}") from error
        found.append(CertificateFile(path.name, leaf.not_valid_before_utc, leaf.not_valid_after_utc))
    return found
