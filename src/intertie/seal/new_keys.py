"""Making a generation: fresh keys, certificates for them from the trial authority, or requests to an external one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.seal.algorithms import SigningPrivateKey, generate_signing_key, private_key_fits
from intertie.seal.certificates import Chain, public_key_of
from intertie.seal.csr import write_request
from intertie.seal.encoding import to_base64url, write_canonical
from intertie.seal.generations import (
    OPENING,
    TLS,
    Generation,
    OpeningLine,
    next_number,
    read_generations,
    write_generation,
)
from intertie.seal.hpke import OpeningKey, generate_opening_key
from intertie.seal.keys import key_pem
from intertie.seal.profile import PROFILES
from intertie.seal.token import CURVES, Token, TokenKey
from intertie.seal.trial_ca import TrialCa
from intertie.seal.vault import Vault

Part = Literal["signing", "sealing", "tls"]
PARTS: tuple[Part, ...] = ("signing", "sealing", "tls")


@dataclass(frozen=True)
class NewKeys:
    """Private keys without certificates."""

    signing: Mapping[str, SigningPrivateKey] = field(default_factory=dict, repr=False)
    opening: Sequence[OpeningKey] = ()
    tls: SigningPrivateKey | None = field(default=None, repr=False)

    def certified(self) -> dict[str, SigningPrivateKey]:
        """The keys that need a certificate, by part."""
        return {**self.signing, **({TLS: self.tls} if self.tls is not None else {})}


def make_keys(parts: Sequence[Part], profiles: Sequence[str] = tuple(PROFILES)) -> NewKeys:
    """Fresh keys for the profiles, in memory."""
    algorithms = sorted({alg for name in profiles for alg in PROFILES[name].signatures})
    return NewKeys(
        signing={alg: generate_signing_key(alg) for alg in algorithms} if "signing" in parts else {},
        opening=[generate_opening_key(PROFILES[name].suite) for name in profiles]
        if "sealing" in parts
        else [],
        tls=ec.generate_private_key(ec.SECP256R1()) if "tls" in parts else None,
    )


def begin(
    vault: Vault, party: PartyId, new: NewKeys, now: datetime, *, token: Token | None = None
) -> tuple[Generation, NewKeys]:
    """Keep new keys as a pending generation; with `token` its elliptic-curve signing keys are made there instead. Returns
    the keys as they are kept. The caller holds the vault's lock. SettingsError, KeyPortError."""
    generation = Generation(
        v=1,
        number=next_number(vault.folder),
        made=now,
        signing={alg: "token" if token is not None and alg in CURVES else "file" for alg in new.signing},
        opening=tuple(OpeningLine(kid=key.kid, suite=key.suite) for key in new.opening),
        tls=new.tls is not None,
    )
    signing = dict(new.signing)
    if token is not None:
        for alg in set(signing) & set(CURVES):
            signing[alg] = token.make_signing_key(alg, generation.label(party, alg))
    kept = NewKeys(signing, new.opening, new.tls)
    secrets = {
        generation.secret(part): key_pem(key)
        for part, key in kept.certified().items()
        if not isinstance(key, TokenKey)
    }
    if new.opening:
        lines = [{"suite": key.suite, "private": to_base64url(key.private)} for key in new.opening]
        secrets[generation.secret(OPENING)] = write_canonical(lines)
    vault.add(secrets)
    write_generation(vault.folder, generation)
    return generation, kept


def certify(
    new: NewKeys, ca: TrialCa, party: PartyId, hosts: Sequence[str], since: datetime, until: datetime
) -> dict[str, Chain]:
    """A chain for each key, from the trial authority."""
    chains = {alg: ca.issue_signing(party, key, since, until) for alg, key in new.signing.items()}
    if new.tls is not None:
        chains[TLS] = ca.issue_tls(party, new.tls, hosts, since, until)
    return chains


def requests(new: NewKeys, party: PartyId, hosts: Sequence[str]) -> dict[str, bytes]:
    """A PKCS#10 request (RFC 2986) as PEM for each key: the authority learns the party, its hosts, and the public key."""
    return {
        part: write_request(party, key, "tls", hosts) if part == TLS else write_request(party, key, "signing")
        for part, key in new.certified().items()
    }


def match_chains(publics: Mapping[str, bytes], chains: Sequence[Chain]) -> dict[str, Chain]:
    """Which chain is for which key of a pending generation, by public key; SettingsError for one that fits none."""
    found: dict[str, Chain] = {}
    for chain in chains:
        public = spki(public_key_of(chain[0]))
        part = next((part for part, known in publics.items() if known == public), None)
        if part is None:
            raise SettingsError(
                "a certificate is for none of the keys that wait for one",
                do="Give the authority's answers to the requests of `intertie keys rotate --csr`.",
            )
        found[part] = chain
    return found


def spki(public: object) -> bytes:
    """A public key's bytes (SubjectPublicKeyInfo), to be compared."""
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined,no-any-return]


def pending(vault: Vault) -> Generation | None:
    """The generation that waits for its certificates: the newest, if several were begun."""
    return next(
        (one for one in reversed(read_generations(vault.folder)) if one.pending and not one.destroyed), None
    )


def check_fits(part: str, key: object) -> None:
    """SettingsError if a private key is none for its algorithm."""
    if part != TLS and not private_key_fits(part, key):
        raise SettingsError(
            f"the key kept for {part} is another kind of key", do="Restore it from its backup."
        )
