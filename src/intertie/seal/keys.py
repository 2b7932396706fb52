"""A gateway's private keys and a partner's public ones. How private keys are kept: `generations` and `vault`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from intertie.model.errors import SettingsError
from intertie.model.ids import KeyId, PartyId
from intertie.model.party import Role
from intertie.seal.algorithms import SigningPrivateKey, generate_signing_key
from intertie.seal.certificates import Chain, thumbprint
from intertie.seal.hpke import OpeningKey, SealingKey, generate_opening_key
from intertie.seal.profile import PROFILES, Profile
from intertie.seal.trial_ca import TrialCa

# SP 800-57 Part 1 Rev. 5, table 1: a private signature key is used for one to three years.
KEY_LIFE = timedelta(days=730)
# A certificate may be a little older than the clock of whoever reads it.
BACKDATE = timedelta(hours=1)
# A certificate of which nothing else is said counts as long as it is valid.
LAST_MOMENT = datetime.max.replace(tzinfo=UTC)


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
        tls=TlsKey(key_pem(tls), chain_pem(chain)),
    )


def chain_pem(chain: Chain) -> bytes:
    """A chain as PEM, leaf first."""
    return b"".join(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in chain)


def read_chain_pem(pem: bytes, name: str) -> Chain:
    """A chain from a PEM text, leaf first; SettingsError names the file."""
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise SettingsError(
            f"{name} holds no certificates: {error}", do="Give PEM, the leaf first."
        ) from error
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)


def key_pem(key: SigningPrivateKey) -> bytes:
    """A private key as PEM, in the clear: for memory, never for a disk."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
