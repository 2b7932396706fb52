"""Two organisations in memory: real keys, real seals, a store each, and a wire that a test can disturb."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from intertie.catalogue.load import load_catalogue
from intertie.gateway.gateway import (
    Agreement,
    FixedKeys,
    FixedTrust,
    Gateway,
    Limits,
    LinkAnswer,
    Partner,
    Peer,
)
from intertie.gateway.partners.descriptors import take_descriptor
from intertie.gateway.receiving.accept_parcel import accept
from intertie.model.errors import PartnerError, Refused
from intertie.model.ids import AgreementId, PartyId
from intertie.model.party import Party, Role
from intertie.seal.algorithm_table import hybrid_groups
from intertie.seal.descriptor import Descriptor, peek_sequence
from intertie.seal.keys import PrivateKeys, generate_keys
from intertie.seal.transport import Transport
from intertie.seal.trial_ca import TrialCa
from intertie.stores.memory import MemoryStore

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
UTILITY = PartyId("utility.example")
AGGREGATOR = PartyId("aggregator.example")
STRANGER = PartyId("stranger.example")
AGREEMENT = AgreementId("DGS-2026-001")
UTILITY_ROLES = frozenset({Role.DISTRIBUTION_UTILITY, Role.SCADA_DMS, Role.BACK_OFFICE})
AGGREGATOR_ROLES = frozenset({Role.DER_AGGREGATOR})
START, END = NOW - timedelta(days=30), NOW + timedelta(days=700)


@lru_cache
def trial_ca() -> TrialCa:
    return TrialCa.create("Test", START, END)


@lru_cache
def keys_of(party: PartyId, roles: frozenset[Role], end: datetime = END) -> PrivateKeys:
    return generate_keys(party, roles, trial_ca(), NOW, not_before=START, not_after=end)


class Book:
    """A partner book that a test may change."""

    def __init__(self, partners: Sequence[Partner]) -> None:
        self.partners = {partner.party: partner for partner in partners}
        self.sequences: dict[PartyId, int] = {}

    def find(self, party: PartyId) -> Partner | None:
        return self.partners.get(party)

    def all(self) -> Sequence[Partner]:
        return list(self.partners.values())

    def renew(self, raw: bytes, descriptor: Descriptor, now: datetime) -> bool:
        known = self.partners[descriptor.party]
        if descriptor.sequence <= self.sequences.get(descriptor.party, 0):
            return False
        self.sequences[descriptor.party] = descriptor.sequence
        self.partners[descriptor.party] = known._replace(
            keys=descriptor.keys, name=descriptor.name, roles=descriptor.roles, url=descriptor.url
        )
        return True


def partner_of(keys: PrivateKeys, *, agreements: Sequence[AgreementId] = (AGREEMENT,)) -> Partner:
    return Partner(
        party=keys.party,
        name=keys.party,
        roles=keys.roles,
        keys=keys.public(),
        url=f"https://{keys.party}",
        agreements=tuple(Agreement(id=a, start=START, end=END) for a in agreements),
        suspended=False,
    )


def gateway_of(keys: PrivateKeys, others: Sequence[PrivateKeys], limits: Limits | None = None) -> Gateway:
    return Gateway(
        party=Party(id=keys.party, name=keys.party, roles=keys.roles),
        ring=FixedKeys(keys),
        trust_book=FixedTrust(trial_ca().trust()),
        partners=Book([partner_of(other) for other in others]),
        catalogue=load_catalogue(),
        store=MemoryStore(),
        limits=limits or Limits(),
    )


@dataclass
class Pair:
    """A utility and an aggregator that know each other."""

    utility: Gateway
    aggregator: Gateway


def make_pair(
    utility_roles: frozenset[Role] = UTILITY_ROLES, aggregator_roles: frozenset[Role] = AGGREGATOR_ROLES
) -> Pair:
    utility, aggregator = keys_of(UTILITY, utility_roles), keys_of(AGGREGATOR, aggregator_roles)
    return Pair(gateway_of(utility, [aggregator]), gateway_of(aggregator, [utility]))


def with_partner(gateway: Gateway, partner: Partner) -> Gateway:
    """The same gateway with one partner replaced."""
    others = [p for p in gateway.partners.all() if p.party != partner.party]
    return replace(gateway, partners=Book([*others, partner]))


@dataclass
class Wire:
    """A link straight into another gateway's `accept`. `answers` are given instead, while there are any."""

    there: Gateway
    peer: PartyId
    now: datetime = NOW
    answers: list[LinkAnswer | PartnerError] = field(default_factory=list)
    lose_next: bool = False
    sent: list[bytes] = field(default_factory=list)
    # What the other side's door gives for a descriptor; None: it is not reached for that.
    descriptor: bytes | None = None
    transport: Transport | None = None
    grants: frozenset[str] | PartnerError | None = None
    urgency: int | None = None  # of the parcel sent last

    async def granted(self, partner: Partner) -> frozenset[str] | None:
        if isinstance(self.grants, PartnerError):
            raise self.grants
        return self.grants

    async def post(
        self, partner: Partner, blob: bytes, *, hybrid: bool = False, urgency: int | None = None
    ) -> LinkAnswer:
        self.urgency = urgency
        if hybrid and (self.transport is None or self.transport.group not in hybrid_groups()):
            raise PartnerError("the connection is not hybrid")
        self.sent.append(blob)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, PartnerError):
                raise answer
            return answer
        try:
            receipt = accept(self.there, blob, peer=Peer(self.peer, self.transport), now=self.now)
        except Refused as refused:
            retry = b"true" if refused.retry else b"false"
            body = b'{"code":"%s","detail":"","retry":%s}' % (refused.code.value.encode(), retry)
            return LinkAnswer(refused.rule.http, body, None)
        if self.lose_next:
            self.lose_next = False
            raise PartnerError("the answer was lost")
        return LinkAnswer(200, receipt, None)

    async def post_descriptor(self, partner: Partner, raw: bytes) -> LinkAnswer:
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, PartnerError):
                raise answer
            return answer
        try:
            take_descriptor(self.there, raw, self.peer, self.now)
        except Refused as refused:
            return LinkAnswer(refused.rule.http, b"{}", None)
        return LinkAnswer(200, b'{"sequence":%d}' % peek_sequence(raw), None)

    async def get_descriptor(self, partner: Partner) -> bytes:
        if self.descriptor is None:
            raise PartnerError("no descriptor")
        return self.descriptor
