"""A gateway's keys in generations, as files. A generation is what was made at one time: signing keys by algorithm, keys
that open parcels, a TLS key, or some of these; what it lacks, an older one still serves.

    keys/wrapped.json            how the private keys are protected (`vault`)
    keys/0001/generation.json    number, since when, the descriptor that announced it, until when the ones before it count
    keys/0001/ES256.key          a private key, encrypted (none if it is in a token, or destroyed)
    keys/0001/ES256.crt.pem      its certificate chain: stays for good, as evidence
    keys/0001/opening.key        the seeds that open parcels, encrypted
    keys/0001/tls.key, tls.crt.pem
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cryptography import x509
from msgspec import Meta

from intertie.model.errors import SettingsError
from intertie.model.record import Record
from intertie.seal.certificates import Chain
from intertie.seal.encoding import read_canonical, write_canonical
from intertie.seal.keys import chain_pem, read_chain_pem
from intertie.seal.private_files import replace_private
from intertie.seal.vault import Vault

GENERATION_FILE = "generation.json"
KEY_SUFFIX, CHAIN_SUFFIX = ".key", ".crt.pem"
OPENING, TLS = "opening", "tls"


class OpeningLine(Record, frozen=True, kw_only=True):
    """The public side of a key that opens parcels."""

    kid: str
    suite: str


class Generation(Record, frozen=True, kw_only=True):
    """One generation: what it has, and its times. A pending one (`sequence` 0) waits for its certificates."""

    v: Literal[1]
    number: Annotated[int, Meta(ge=1, le=9999)]
    made: datetime
    since: datetime | None = None
    sequence: Annotated[int, Meta(ge=0)] = 0
    # Until when older generations are accepted and open; None for the first.
    ends: datetime | None = None
    signing: dict[str, Literal["file", "token"]] = msgspec.field(default_factory=dict)
    opening: tuple[OpeningLine, ...] = ()
    tls: bool = False
    destroyed: dict[str, datetime] = msgspec.field(default_factory=dict)

    @property
    def pending(self) -> bool:
        """Whether it is not in use yet."""
        return self.sequence == 0

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return f"{self.number:04d}"

    @property
    def parts(self) -> tuple[str, ...]:
        """Algorithms it signs with, "opening", "tls": those it has."""
        return (*sorted(self.signing), *[OPENING] * bool(self.opening), *[TLS] * self.tls)

    def secret(self, part: str) -> str:
        """The name of a part's private key in the vault."""
        return f"{self.folder}/{part}{KEY_SUFFIX}"

    def label(self, party: str, alg: str) -> str:
        """The name of a signing key in a token."""
        return f"{party}-{self.folder}-{alg}"


_GENERATION = msgspec.json.Decoder(Generation)


def read_generations(folder: Path) -> tuple[Generation, ...]:
    """All generations, oldest first, pending ones too; SettingsError names a file that is damaged."""
    found = []
    for path in sorted(folder.glob(f"[0-9][0-9][0-9][0-9]/{GENERATION_FILE}")):
        try:
            generation = read_canonical(path.read_bytes(), _GENERATION)
            if path.parent.name != generation.folder:
                raise ValueError(f"it is generation {generation.number}")
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"{path} cannot be read: {error}", do="Restore it from its backup."
            ) from error
        found.append(generation)
    return tuple(found)


def write_generation(folder: Path, generation: Generation) -> None:
    """Keep it, whole or not at all; SettingsError."""
    place = folder / generation.folder
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        replace_private(place / GENERATION_FILE, write_canonical(generation))
    except OSError as error:
        raise SettingsError(
            f"{place} cannot be written: {error}", do="Check space and permissions."
        ) from error


def next_number(folder: Path) -> int:
    """For a new generation: one that no folder has, whatever it holds."""
    taken = [int(path.name) for path in folder.glob("[0-9][0-9][0-9][0-9]")]
    return max(taken, default=0) + 1


def end_of(generations: Sequence[Generation], generation: Generation, part: str) -> datetime | None:
    """From when on a part is not used any more: a newer generation has it, and its overlap is over. None: it is the newest."""
    ends = [
        newer.ends
        for newer in generations
        if newer.number > generation.number
        and not newer.pending
        and part in newer.parts
        and newer.ends is not None
    ]
    return min(ends, default=None)


def in_use(generations: Sequence[Generation], generation: Generation, part: str, now: datetime) -> bool:
    """Whether the private key of a part is still needed."""
    if generation.pending or part in generation.destroyed:
        return False
    end = end_of(generations, generation, part)
    return end is None or now < end


def read_chain(folder: Path, generation: Generation, part: str) -> Chain:
    """The certificate chain of a part, leaf first; SettingsError."""
    path = folder / generation.folder / f"{part}{CHAIN_SUFFIX}"
    try:
        return read_chain_pem(path.read_bytes(), str(path))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error}", do="Restore it from its backup.") from error


def activate(
    vault: Vault,
    generation: Generation,
    chains: Mapping[str, Chain],
    *,
    since: datetime,
    sequence: int,
    ends: datetime | None,
) -> Generation:
    """Put a pending generation to use, with its certificates. The caller holds the vault's lock. SettingsError unless there
    is a chain for each of its keys."""
    wanted = {*generation.signing, *[TLS] * generation.tls}
    if set(chains) != wanted:
        odd = ", ".join(sorted(wanted ^ set(chains)))
        raise SettingsError(
            f"generation {generation.number} needs a certificate for each key, and no other: {odd}"
        )
    try:
        for part, chain in chains.items():
            path = vault.folder / generation.folder / f"{part}{CHAIN_SUFFIX}"
            replace_private(path, chain_pem(chain))
    except OSError as error:
        raise SettingsError(f"{vault.folder} cannot be written: {error}") from error
    active = msgspec.structs.replace(generation, since=since, sequence=sequence, ends=ends)
    write_generation(vault.folder, active)
    return active


def destroy_parts(
    vault: Vault, party: str, generation: Generation, parts: Iterable[str], now: datetime
) -> Generation:
    """Destroy private keys; certificates stay. The caller holds the vault's lock. SettingsError, KeyPortError.

    Done twice it does no harm: a crash in between is mended by the next time.
    """
    parts = tuple(parts)
    for part in parts:
        if generation.signing.get(part) == "token":
            vault.opener.token().destroy(generation.label(party, part))
    vault.destroy(generation.secret(part) for part in parts if generation.signing.get(part) != "token")
    after = msgspec.structs.replace(
        generation, destroyed={**generation.destroyed, **dict.fromkeys(parts, now)}
    )
    write_generation(vault.folder, after)
    return after


class CertificateFile(Record, frozen=True, kw_only=True):
    """A certificate on disk and how long it is valid."""

    file: str
    start: datetime
    end: datetime


def certificates_in(folder: Path, now: datetime) -> list[CertificateFile]:
    """The leaf certificates of the keys in use; SettingsError names the file that cannot be read."""
    found = []
    generations = read_generations(folder)
    for generation in generations:
        for part in generation.parts:
            if part != OPENING and in_use(generations, generation, part, now):
                leaf = x509.load_der_x509_certificate(read_chain(folder, generation, part)[0])
                found.append(
                    CertificateFile(
                        file=f"{generation.folder}/{part}{CHAIN_SUFFIX}",
                        start=leaf.not_valid_before_utc,
                        end=leaf.not_valid_after_utc,
                    )
                )
    return found
