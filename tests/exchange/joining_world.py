"""Two organisations that have nothing in common: an authority each, a folder of joinings each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from tests.exchange.house import AGGREGATOR, AGGREGATOR_ROLES, END, NOW, START, UTILITY, UTILITY_ROLES, Book

from intertie.catalogue.load import load_catalogue
from intertie.exchange.joining import Terms
from intertie.exchange.joining_messages import Answer, Done, Hello, Offer
from intertie.gateway.gateway import FixedKeys, FixedTrust, Gateway, Limits
from intertie.gateway.partners.join_partner import (
    Joining,
    Ourselves,
    Review,
    answer,
    enter_code,
    finish,
    greet,
    invite,
    offer,
    review,
    take,
)
from intertie.model.ids import AgreementId, PartyId
from intertie.model.party import Party, Role
from intertie.seal.descriptor import write_descriptor
from intertie.seal.joining import JoinCode, own_roots, read_code
from intertie.seal.keys import PrivateKeys, generate_keys
from intertie.seal.trial_ca import TrialCa
from intertie.stores.joining_files import JoiningFiles
from intertie.stores.memory import MemoryStore

CERTIFICATE = b"\x11" * 32  # what the door shows
OTHER_CERTIFICATE = b"\x22" * 32
TERMS = Terms(agreement=AgreementId("DGS-1"), start=NOW, covers=("DA",))
DAY = timedelta(days=1)


@lru_cache
def made(party: PartyId, roles: frozenset[Role]) -> tuple[TrialCa, PrivateKeys]:
    authority = TrialCa.create(f"Trial CA of {party}", START, END)
    return authority, generate_keys(party, roles, authority, NOW, not_before=START, not_after=END)


@dataclass
class Side:
    """One organisation, as the acts of joining see it."""

    gateway: Gateway
    book: JoiningFiles
    ours: Ourselves
    partners: Book

    @property
    def notes(self) -> list[str]:
        """The journal's acts."""
        entries = [raw for _, raw, _ in self.gateway.store.entries()]
        return [raw.split(b'"note":"')[1].split(b'"')[0].decode() for raw in entries if b'"note":"' in raw]


def make_side(folder: Path, party: PartyId, roles: frozenset[Role]) -> Side:
    authority, keys = made(party, roles)
    folder.mkdir(parents=True, exist_ok=True)
    who, partners = Party(id=party, name=party, roles=roles), Book([])
    gateway = Gateway(
        party=who,
        ring=FixedKeys(keys),
        trust_book=FixedTrust(authority.trust()),
        partners=partners,
        catalogue=load_catalogue(),
        store=MemoryStore(),
        limits=Limits(),
    )
    descriptor = write_descriptor(who, keys, url=f"https://{party}:8443", sequence=1, now=START, end=END)
    ours = Ourselves(descriptor, own_roots(keys, authority.trust()))
    return Side(gateway, JoiningFiles(folder / "joining"), ours, partners)


def make_sides(folder: Path) -> tuple[Side, Side]:
    """Inviter and joiner."""
    return (
        make_side(folder / "utility", UTILITY, UTILITY_ROLES),
        make_side(folder / "aggregator", AGGREGATOR, AGGREGATOR_ROLES),
    )


def invited(
    inviter: Side, terms: Terms = TERMS, *, address: str = "127.0.0.1:1", now: datetime = NOW
) -> JoinCode:
    return read_code(invite(inviter.gateway, inviter.book, terms, address, now, now + 2 * DAY, "tester")[0])


@dataclass
class Exchange:
    """Joining step by step, so that a test can change what lies between the steps."""

    inviter: Side
    joiner: Side
    code: JoinCode
    now: datetime = NOW

    def begin(self) -> Joining:
        return enter_code(self.joiner.book, self.code, self.now)

    def hello(self, certificate: bytes = CERTIFICATE) -> Hello:
        return greet(self.begin(), self.code, self.joiner.ours, certificate)

    def offer(self, hello: Hello, certificate: bytes = CERTIFICATE) -> Offer:
        return offer(self.inviter.book, self.inviter.ours, hello, certificate, self.now)

    def review(self, hello: Hello, said: Offer, certificate: bytes = CERTIFICATE) -> Review:
        return review(self.joiner.gateway, self.code, hello, said, certificate, self.now)

    def answer(self, seen: Review, covers: tuple[str, ...] = ("DA",)) -> Answer:
        return answer(self.begin(), self.code, self.joiner.ours, seen, covers)

    def take(self, hello: Hello, sent: Answer, certificate: bytes = CERTIFICATE) -> Done:
        side = self.inviter
        return take(side.gateway, side.book, side.ours, hello, sent, certificate, self.now)

    def finish(self, hello: Hello, seen: Review, sent: Answer, done: Done) -> Joining:
        side = self.joiner
        return finish(side.gateway, side.book, self.begin(), self.code, hello, seen, sent, done, self.now)

    def run(self) -> tuple[Joining, Joining]:
        """All of it; both records."""
        hello = self.hello()
        seen = self.review(hello, self.offer(hello))
        sent = self.answer(seen)
        theirs = self.finish(hello, seen, sent, self.take(hello, sent))
        ours = self.inviter.book.find(self.code.invitation)
        assert ours is not None
        return ours, theirs
