"""The generations of a gateway's keys, opened: what to sign with now, and towards a partner that knows only older ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from intertie.model.errors import SettingsError
from intertie.model.ids import KeyId
from intertie.model.party import Party
from intertie.seal.algorithms import SigningPrivateKey
from intertie.seal.certificates import public_key_of
from intertie.seal.encoding import from_base64url
from intertie.seal.generations import OPENING, TLS, Generation, end_of, in_use, read_chain, read_generations
from intertie.seal.hpke import OpeningKey, opening_key
from intertie.seal.keys import OlderChain, PrivateKeys, SigningKey, TlsKey, chain_pem
from intertie.seal.new_keys import check_fits, spki
from intertie.seal.vault import Vault


class _SeedLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    suite: str
    private: str


_SEEDS = msgspec.json.Decoder(list[_SeedLine])


@dataclass(frozen=True)
class OpenRing:
    """All generations in use, with their private keys in memory. By (generation's number, part)."""

    party: Party
    generations: tuple[Generation, ...]
    signing: Mapping[tuple[int, str], SigningKey] = field(repr=False)
    opening: Mapping[int, tuple[OpeningKey, ...]] = field(repr=False)
    tls: Mapping[int, TlsKey] = field(repr=False)
    # Of every generation whose overlap was not over when this was read, newest first.
    older: tuple[tuple[OlderChain, int], ...]

    @property
    def sequence(self) -> int:
        """Of the descriptor that announces the newest."""
        return max(generation.sequence for generation in self.generations)

    def present(self, now: datetime) -> PrivateKeys:
        """The newest keys of each kind; SettingsError if there is no generation with them."""
        newest = max((generation.number for generation in self.generations), default=0)
        return self._compose(newest, now)

    def known_at(self, sequence: int, now: datetime) -> PrivateKeys:
        """The same, but signing with the newest keys that were announced by this sequence of our descriptor, or whose
        overlap is over (whoever has not taken note by then is told with each parcel). If none were: the oldest."""
        known = [
            one.number
            for one in self.generations
            if one.sequence <= sequence or one.ends is None or one.ends <= now
        ]
        return self._compose(max(known, default=1), now)

    def next_change(self, now: datetime) -> datetime | None:
        """When time alone changes the answer: the end of an overlap. None: never."""
        return min(
            (one.ends for one in self.generations if one.ends is not None and one.ends > now), default=None
        )

    def _compose(self, top: int, now: datetime) -> PrivateKeys:
        signing = self._signing(top, now)
        tls = self.tls[max(self.tls)] if self.tls else None
        opening: dict[KeyId, OpeningKey] = {}
        for generation in reversed(self.generations):
            if in_use(self.generations, generation, OPENING, now):
                opening.update({key.kid: key for key in self.opening.get(generation.number, ())})
        if not signing or not opening or tls is None:
            missing = "signing" if not signing else "opening" if not opening else "TLS"
            raise SettingsError(f"there is no {missing} key", do="Restore keys/ from its backup.")
        older = tuple(old for old, number in self.older if now < old.end and number != self._newest(old.alg))
        return PrivateKeys(
            party=self.party.id,
            roles=self.party.roles,
            signing=signing,
            opening=opening,
            tls=tls,
            older=older,
        )

    def _signing(self, top: int, now: datetime) -> dict[str, SigningKey]:
        """For each algorithm the newest key up to a generation; one that is younger if that one is not in use any more."""
        found: dict[str, SigningKey] = {}
        for alg in sorted({part for _, part in self.signing}):
            usable = [
                one.number
                for one in self.generations
                if (one.number, alg) in self.signing and in_use(self.generations, one, alg, now)
            ]
            older = [number for number in usable if number <= top]
            number = max(older) if older else min(usable)
            found[alg] = self.signing[number, alg]
        return found

    def _newest(self, alg: str) -> int:
        return max(one.number for one in self.generations if alg in one.signing)


def open_ring(vault: Vault, party: Party, now: datetime) -> OpenRing:
    """Read and decrypt everything in use. SettingsError names what is missing or damaged; KeyPortError if the keys do not
    open."""
    generations = tuple(one for one in read_generations(vault.folder) if not one.pending)
    if not generations:
        raise SettingsError(
            f"{vault.folder} holds no keys",
            do="`intertie init` makes keys; otherwise restore them from a backup.",
        )
    signing: dict[tuple[int, str], SigningKey] = {}
    opening: dict[int, tuple[OpeningKey, ...]] = {}
    tls: dict[int, TlsKey] = {}
    older: list[tuple[OlderChain, int]] = []
    for generation in generations:
        for part in generation.parts:
            if not in_use(generations, generation, part, now):
                continue
            if part == OPENING:
                opening[generation.number] = _open_seeds(vault, generation)
                continue
            chain = read_chain(vault.folder, generation, part)
            key = open_key(vault, party, generation, part)
            if spki(key.public_key()) != spki(public_key_of(chain[0])):
                raise SettingsError(
                    f"the key {generation.secret(part)} is not the key of the certificate beside it",
                    do="Restore both from their backup.",
                )
            if part == TLS:
                tls[generation.number] = TlsKey(vault.read(generation.secret(TLS)), chain_pem(chain))
                continue
            signing[generation.number, part] = SigningKey(part, key, chain)
            end = end_of(generations, generation, part)
            if end is not None:
                older.insert(0, (OlderChain(part, chain, end), generation.number))
    return OpenRing(party, generations, signing, opening, tls, tuple(older))


def open_key(vault: Vault, party: Party, generation: Generation, part: str) -> SigningPrivateKey:
    """One private key: from the vault, or as it is in its token."""
    if generation.signing.get(part) == "token":
        return vault.opener.token().signing_key(part, generation.label(party.id, part))
    try:
        key = load_pem_private_key(vault.read(generation.secret(part)), None)
    except (ValueError, TypeError) as error:
        raise SettingsError(f"{generation.secret(part)} is no private key", do="Restore it.") from error
    check_fits(part, key)
    return key  # type: ignore[return-value]  # check_fits has looked


def _open_seeds(vault: Vault, generation: Generation) -> tuple[OpeningKey, ...]:
    try:
        lines = _SEEDS.decode(vault.read(generation.secret(OPENING)))
        return tuple(opening_key(line.suite, from_base64url(line.private)) for line in lines)
    except (msgspec.MsgspecError, ValueError) as error:
        # The text of such an error could quote a key.
        raise SettingsError(f"{generation.secret(OPENING)} holds no keys", do="Restore it.") from error
