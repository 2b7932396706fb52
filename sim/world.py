"""The parties of a simulation: a utility and two aggregators, with keys made once, and a store and a clock for each run."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from intertie.catalogue.load import Catalogue, load_catalogue
from intertie.gateway.gateway import Agreement, FixedKeys, FixedTrust, Gateway, Limits, Partner
from intertie.gateway.ports import Store
from intertie.model.documents import example
from intertie.model.ids import AgreementId, DocumentName, PartyId
from intertie.model.message import Mode
from intertie.model.party import Party, Role
from intertie.model.record import Record
from intertie.seal.descriptor import Descriptor
from intertie.seal.keys import PrivateKeys, generate_keys
from intertie.seal.trial_ca import TrialCa
from intertie.stores.memory import MemoryStore
from sim.disk import Disk

START = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
UTILITY = PartyId("utility.example")
AGGREGATORS = (PartyId("north.example"), PartyId("south.example"))
PARTIES = (UTILITY, *AGGREGATORS)
# Both sides know the first; the second is in force for its sender only, so that a message under it is refused.
AGREED, DISAGREED = AgreementId("BASE-1"), AgreementId("BASE-2")
# Small parcels and quick retries: more happens in less time.
LIMITS = Limits(messages_per_parcel=4, retry_first_seconds=0.5, retry_ceiling_seconds=15.0)
SMALL = Limits(messages_per_parcel=1, retry_first_seconds=0.5, retry_ceiling_seconds=15.0)
# What is sent: urgent and not, both ways.
Said = tuple[tuple[str, Mode], ...]
FROM_UTILITY: Said = (
    ("outage_notice", Mode.REAL_TIME),
    ("outage_notice", Mode.SCHEDULED),
    ("dispatch_instruction", Mode.REAL_TIME),
    ("invoice", Mode.SCHEDULED),
)
FROM_AGGREGATOR: Said = (
    ("availability_declaration", Mode.SCHEDULED),
    ("dispatch_response", Mode.REAL_TIME),
    ("invoice", Mode.SCHEDULED),
)
SAID = {party: FROM_UTILITY if party == UTILITY else FROM_AGGREGATOR for party in PARTIES}


def role_of(party: PartyId) -> Role:
    """What a party is."""
    return Role.DISTRIBUTION_UTILITY if party == UTILITY else Role.DER_AGGREGATOR


@lru_cache
def trial_ca() -> TrialCa:
    """The one authority."""
    return TrialCa.create("Simulation", START - timedelta(days=30), START + timedelta(days=700))


@lru_cache
def keys_of(party: PartyId) -> PrivateKeys:
    """A party's keys, made once."""
    start, end = START - timedelta(days=30), START + timedelta(days=700)
    return generate_keys(
        party, frozenset({role_of(party)}), trial_ca(), START, not_before=start, not_after=end
    )


@lru_cache
def catalogue() -> Catalogue:
    """Read once."""
    return load_catalogue()


@lru_cache
def body_of(document: str) -> Record:
    """The example of a document."""
    return example(DocumentName(document))[1]


class Book:
    """Partners that a run may suspend or remove."""

    def __init__(self, partners: Sequence[Partner]) -> None:
        self.partners = {partner.party: partner for partner in partners}

    def find(self, party: PartyId) -> Partner | None:
        """One, or None."""
        return self.partners.get(party)

    def all(self) -> Sequence[Partner]:
        """All."""
        return list(self.partners.values())

    def renew(self, raw: bytes, descriptor: Descriptor, now: datetime) -> bool:
        """Nothing changes."""
        return False

    def suspend(self, party: PartyId, suspended: bool) -> None:
        """From now on."""
        if party in self.partners:
            self.partners[party] = self.partners[party]._replace(suspended=suspended)


@dataclass
class Site:
    """One organisation: its gateway, what outlives a crash of it, and what does not."""

    party: PartyId
    gateway: Gateway
    store: Store  # behind the disk
    disk: Disk
    book: Book
    skew: timedelta
    up: bool = True
    life: int = 0  # grows with each crash: what an earlier life began is gone
    sending: dict[PartyId, int] = field(default_factory=dict)  # deliveries under way
    mails: list[str] = field(default_factory=list)

    def send(self, subject: str, text: str) -> None:
        """Take a mail: a site is its own postbox."""
        self.mails.append(text)


def make_site(
    party: PartyId,
    chance: random.Random,
    say: Callable[[str], None],
    make_store: Callable[[PartyId], Store] = lambda party: MemoryStore(),
) -> Site:
    """A site that knows the others it does business with."""
    others = AGGREGATORS if party == UTILITY else (UTILITY,)
    store = make_store(party)
    disk = Disk(store, chance, say)
    book = Book([_partner(other, (AGREED, DISAGREED)) for other in others])
    roles = frozenset({role_of(party)})
    gateway = Gateway(
        party=Party(id=party, name=party, roles=roles),
        ring=FixedKeys(keys_of(party)),
        trust_book=FixedTrust(trial_ca().trust()),
        partners=book,
        catalogue=catalogue(),
        store=disk,  # type: ignore[arg-type]
        limits=LIMITS,
    )
    return Site(party, gateway, store, disk, book, timedelta())


def _partner(party: PartyId, agreements: Sequence[AgreementId]) -> Partner:
    start = START - timedelta(days=10)
    return Partner(
        party=party,
        name=party,
        roles=frozenset({role_of(party)}),
        keys=public_of(party),
        url=f"https://{party}",
        agreements=tuple(Agreement(id=a, start=start) for a in agreements),
        suspended=False,
    )


@lru_cache
def public_of(party: PartyId):  # type: ignore[no-untyped-def]
    """A party's public keys."""
    return keys_of(party).public()
