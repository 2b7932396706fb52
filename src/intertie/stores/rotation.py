"""Turning the keys of a gateway: a new generation with its certificates, the descriptor that announces it, and the end of
the old ones. Each step is whole or not there at all; what a crash leaves undone, the next start does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from intertie.model.errors import SettingsError
from intertie.model.party import Party
from intertie.seal.certificates import Chain, TrustStore, read_certificate
from intertie.seal.descriptor import peek_sequence, write_descriptor
from intertie.seal.generations import (
    Generation,
    activate,
    destroy_parts,
    end_of,
    read_generations,
    write_generation,
)
from intertie.seal.issued import check_issued
from intertie.seal.key_ring import open_key, open_ring
from intertie.seal.new_keys import NewKeys, begin, match_chains, pending, spki
from intertie.seal.token import Token
from intertie.seal.vault import Vault
from intertie.stores.partner_files import write_whole

# Reachable by these names from the machine itself, whatever the url says: for rehearsals and for `doctor`.
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

Issue = Callable[[NewKeys], Mapping[str, Chain]]


class Own(NamedTuple):
    """What a gateway is to its keys and its descriptor."""

    vault: Vault
    party: Party
    url: str
    descriptor: Path

    @property
    def hosts(self) -> list[str]:
        """The names that its TLS certificate is for."""
        return sorted(LOOPBACK | {urlsplit(self.url).hostname or "localhost"})


def rotate(
    own: Own, new: NewKeys, issue: Issue, now: datetime, overlap: timedelta, *, in_token: bool = False
) -> Generation:
    """A new generation in use, with certificates from `issue`, and a new descriptor; the first one has no overlap.
    SettingsError, KeyPortError; then the old keys are in use as before."""
    with own.vault.lock():
        generation, kept = begin(own.vault, own.party.id, new, now, token=_token(own, in_token))
        return _turn(own, generation, issue(kept), now, overlap)


def request(own: Own, new: NewKeys, now: datetime, *, in_token: bool = False) -> tuple[Generation, NewKeys]:
    """A new generation that waits for certificates of an external authority; the one in use stays."""
    with own.vault.lock():
        return begin(own.vault, own.party.id, new, now, token=_token(own, in_token))


def install(
    own: Own, chains: Sequence[Chain], trust: TrustStore, now: datetime, overlap: timedelta
) -> Generation:
    """Put the waiting generation to use with these certificates; SettingsError unless there is one for each of its keys, and
    partners who trust the same roots will accept each."""
    with own.vault.lock():
        waiting = pending(own.vault)
        if waiting is None:
            raise SettingsError(
                "no keys wait for certificates", do="`intertie keys rotate --csr FOLDER` makes some."
            )
        parts = [part for part in waiting.parts if part in (*waiting.signing, "tls")]
        publics = {part: open_key(own.vault, own.party, waiting, part).public_key() for part in parts}
        matched = match_chains({part: spki(public) for part, public in publics.items()}, chains)
        for part, chain in matched.items():
            check_issued(part, publics[part], chain, trust, own.party.id, now)
        return _turn(own, waiting, matched, now, overlap)


def retire(own: Own, now: datetime, *, number: int | None = None) -> list[tuple[Generation, tuple[str, ...]]]:
    """Destroy the private keys whose time is over; with `number` those of one old generation at once, or of one that waits
    for certificates. Which parts of which were destroyed. SettingsError if that generation is still in use for something,
    KeyPortError."""
    if number is None and not _any_over(read_generations(own.vault.folder), now):
        return []
    with own.vault.lock():
        if number is not None:
            _end_now(own, number, now)
        generations = read_generations(own.vault.folder)
        done = []
        for generation in generations:
            over = tuple(part for part in generation.parts if _is_over(generations, generation, part, now))
            if generation.pending and generation.number == number:
                over = tuple(part for part in generation.parts if part not in generation.destroyed)
            if over:
                done.append((destroy_parts(own.vault, own.party.id, generation, over, now), over))
        return done


def renew_descriptor(own: Own, now: datetime) -> bool:
    """Write the descriptor that a crash left unwritten; False if there was none to write."""
    if _kept_sequence(own) >= _newest_sequence(own):
        return False
    with own.vault.lock():
        if _kept_sequence(own) >= _newest_sequence(own):
            return False  # it was being written
        _announce(own, now, _newest_sequence(own))
    return True


def _turn(
    own: Own, generation: Generation, chains: Mapping[str, Chain], now: datetime, overlap: timedelta
) -> Generation:
    first = all(one.pending for one in read_generations(own.vault.folder))
    sequence = _last_sequence(own) + 1
    ends = None if first else _whole_second(now + overlap)
    active = activate(own.vault, generation, chains, since=now, sequence=sequence, ends=ends)
    _announce(own, now, sequence)
    return active


def _announce(own: Own, now: datetime, sequence: int) -> None:
    keys = open_ring(own.vault, own.party, now).present(now)
    end = min(read_certificate(key.chain[0]).not_valid_after_utc for key in keys.signing.values())
    raw = write_descriptor(own.party, keys, url=own.url, sequence=sequence, now=now, end=end)
    write_whole(own.descriptor, raw)


def _last_sequence(own: Own) -> int:
    return max(_kept_sequence(own), _newest_sequence(own))


def _newest_sequence(own: Own) -> int:
    return max((one.sequence for one in read_generations(own.vault.folder)), default=0)


def _kept_sequence(own: Own) -> int:
    """Of the descriptor on disk; 0 if there is none that can be read."""
    try:
        return peek_sequence(own.descriptor.read_bytes())
    except (OSError, ValueError):
        return 0


def _end_now(own: Own, number: int, now: datetime) -> None:
    """Cut the overlaps short that still keep a generation, and tell so with a new descriptor."""
    generations = read_generations(own.vault.folder)
    old = next((one for one in generations if one.number == number), None)
    if old is None:
        raise SettingsError(f"there is no generation {number}", do="`intertie keys list` shows them.")
    if old.pending:
        return
    open_ring(own.vault, own.party, now)  # before anything is changed: the new descriptor can be signed
    kept = [p for p in old.parts if p not in old.destroyed and end_of(generations, old, p) is None]
    if kept:
        raise SettingsError(
            f"generation {number} is the newest with {', '.join(kept)}", do="`intertie keys rotate` first."
        )
    for one in generations:
        if (
            one.number > number
            and one.ends is not None
            and one.ends > now
            and set(one.parts) & set(old.parts)
        ):
            write_generation(own.vault.folder, msgspec.structs.replace(one, ends=_whole_second(now)))
    _announce(own, now, _last_sequence(own) + 1)


def _is_over(generations: Sequence[Generation], generation: Generation, part: str, now: datetime) -> bool:
    end = end_of(generations, generation, part)
    return not generation.pending and part not in generation.destroyed and end is not None and end <= now


def _any_over(generations: Sequence[Generation], now: datetime) -> bool:
    return any(_is_over(generations, one, part, now) for one in generations for part in one.parts)


def _token(own: Own, in_token: bool) -> Token | None:
    return own.vault.opener.token() if in_token else None


def _whole_second(at: datetime) -> datetime:
    """`exp` of a JSON Web Key has no fractions: the end means the same on both sides."""
    return at.replace(microsecond=0)
