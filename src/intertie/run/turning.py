"""Turning the keys of a gateway that is open: what the commands and the portal both do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from intertie.gateway.operating.turning_ports import KeyLine, Turned
from intertie.run.opening import Opened
from intertie.seal.ca_register import Register
from intertie.seal.certificates import Chain, read_certificate, thumbprint
from intertie.seal.generations import (
    OPENING,
    TLS,
    Generation,
    end_of,
    in_use,
    read_chain,
    read_generations,
)
from intertie.seal.key_ring import open_key
from intertie.seal.keys import BACKDATE
from intertie.seal.new_keys import PARTS, NewKeys, Part, certify, make_keys, pending
from intertie.seal.new_keys import requests as requests_for
from intertie.seal.pem import read_chain as chain_of_pem
from intertie.seal.trial_ca import TrialCa
from intertie.seal.vault import Vault
from intertie.stores import rotation


class FolderKeys:
    """`gateway.operating.turning_ports.TurningKeys` of a gateway that is open."""

    def __init__(self, it: Opened) -> None:
        self._it = it

    def lines(self, now: datetime) -> Sequence[KeyLine]:
        """Every key."""
        return list(key_lines(self._it, now))

    def sequence(self) -> int:
        """Of the newest descriptor."""
        return self._it.ring.sequence()

    def protection(self) -> str:
        """What protects them."""
        return self._it.own.vault.kind()

    def can_issue(self) -> bool:
        """Whether the folder has an authority."""
        return Vault(self._it.places.ca, self._it.opener).exists

    def made_at(self, at: datetime) -> Turned | None:
        """The one of this moment."""
        for one in read_generations(self._it.places.keys):
            if one.made == at:
                return Turned(one.number, one.ends)
        return None

    def rotate(self, only: Part | None, overlap: timedelta, now: datetime, *, in_token: bool) -> Turned:
        """The next generation."""
        new = make_keys((only,) if only else PARTS)
        return _turned(issue(self._it, new, None, overlap, now, in_token=in_token))

    def request(self, only: Part | None, now: datetime, *, in_token: bool) -> int:
        """The next generation, which waits."""
        new = make_keys((only,) if only else PARTS)
        generation, _ = rotation.request(self._it.own, new, now, in_token=in_token)
        return generation.number

    def requests(self) -> Mapping[str, bytes]:
        """Those of the generation that waits: made anew from its keys, which is the same request."""
        own = self._it.own
        waiting = pending(own.vault)
        if waiting is None:
            return {}
        signing = {alg: open_key(own.vault, own.party, waiting, alg) for alg in waiting.signing}
        tls = open_key(own.vault, own.party, waiting, TLS) if waiting.tls else None
        return requests_for(NewKeys(signing, (), tls), own.party.id, own.hosts)

    def install(self, chains: Mapping[str, bytes], overlap: timedelta, now: datetime) -> Turned:
        """With the authority's answers."""
        found = [chain_of_pem(raw, part) for part, raw in chains.items()]
        return _turned(rotation.install(self._it.own, found, self._it.gateway.trust, now, overlap))

    def retire(self, generation: int, now: datetime) -> Sequence[str]:
        """Those of one generation."""
        done = rotation.retire(self._it.own, now, number=generation)
        return [part for one, parts in done if one.number == generation for part in parts]


def _turned(generation: Generation) -> Turned:
    return Turned(generation.number, generation.ends)


def issue(
    it: Opened, new: NewKeys, folder: Path | None, overlap: timedelta, now: datetime, *, in_token: bool
) -> Generation:
    """The next generation in use, with certificates of a trial authority: that of a folder, or our own."""
    authority = TrialCa.load(folder or it.places.ca, opener=it.opener)
    until = min(now + timedelta(days=it.settings.policy.key_days.signature), authority.until)
    register = Register(folder or it.places.ca)

    def issued(kept: NewKeys) -> dict[str, Chain]:
        chains = certify(kept, authority, it.own.party.id, it.own.hosts, now - BACKDATE, until)
        register.record([chain[0] for chain in chains.values()], now)
        return chains

    return rotation.rotate(it.own, new, issued, now, overlap, in_token=in_token)


def key_lines(it: Opened, now: datetime) -> Iterator[KeyLine]:
    """Every key of every generation, newest generation first."""
    generations = read_generations(it.places.keys)
    for generation in reversed(generations):
        for part in generation.parts:
            yield from _lines(it, generations, generation, part, now)


def _lines(
    it: Opened, generations: Sequence[Generation], generation: Generation, part: str, now: datetime
) -> Iterator[KeyLine]:
    end = end_of(generations, generation, part)
    age = None if generation.since is None else max((now - generation.since).days, 0)
    days = it.settings.policy.key_days
    common = KeyLine(
        generation=generation.number,
        use={OPENING: "open", TLS: "tls"}.get(part, "sign"),
        algorithm=part,
        id="",
        private_key=_place(it, generation, part),
        state=_state(generations, generation, part, now),
        since=generation.since,
        until=end,
        age_days=age,
        period_days={OPENING: days.sealing, TLS: days.tls}.get(part, days.signature),
    )
    if part == OPENING:
        for key in generation.opening:
            yield msgspec.structs.replace(common, algorithm=key.suite, id=key.kid)
        return
    if generation.pending:
        yield common
        return
    leaf = read_chain(it.places.keys, generation, part)[0]
    certificate_end = read_certificate(leaf).not_valid_after_utc
    yield msgspec.structs.replace(common, id=thumbprint(leaf).hex(), certificate_end=certificate_end)


def _place(it: Opened, generation: Generation, part: str) -> str:
    if part in generation.destroyed:
        return f"destroyed {generation.destroyed[part].astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
    if generation.signing.get(part) == "token":
        return f"token {it.settings.keys.pkcs11_token}"
    return "file"


def _state(generations: Sequence[Generation], generation: Generation, part: str, now: datetime) -> str:
    if part in generation.destroyed:
        return "retired"
    if generation.pending:
        return "waits for its certificate"
    if end_of(generations, generation, part) is None:
        return "in use"
    return "accepted still" if in_use(generations, generation, part, now) else "retired"
