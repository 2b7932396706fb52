"""An aggregator, relays, and a customer's gateway, in memory or in SQLite files: what one posts, the next one receives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tests.exchange.house import NOW, gateway_of, keys_of

from intertie.catalogue.load import load_catalogue
from intertie.exchange.outbound import State
from intertie.gateway.configuration.relay_settings import RelayRules, Route
from intertie.gateway.gateway import Gateway, LinkAnswer, Partner, Peer
from intertie.gateway.ports import Query, Store
from intertie.gateway.receiving.receive import receive
from intertie.gateway.receiving.scopes import granted_to
from intertie.gateway.relaying.deliver_relayed import deliver_relayed
from intertie.gateway.relaying.relay_ports import Relayed
from intertie.gateway.sending.answers import Delivery
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.model.documents import example
from intertie.model.errors import PartnerError, Refused
from intertie.model.ids import DocumentName, InterfaceCode, MessageId, ParcelId, PartyId
from intertie.model.message import Mode
from intertie.model.party import Role
from intertie.stores.memory import MemoryStore

AGGREGATOR = PartyId("aggregator.example")
HUB = PartyId("hub.example")
HUB_2 = PartyId("hub-two.example")
HOME = PartyId("home.example")
ROLES = {
    AGGREGATOR: frozenset({Role.DER_AGGREGATOR}),
    HUB: frozenset({Role.THIRD_PARTY}),
    HUB_2: frozenset({Role.THIRD_PARTY}),
    HOME: frozenset({Role.GATEWAY_ESI}),
}
COMMAND = DocumentName("charging_command")
# Every flow on the way from the aggregator to the customer's gateway.
FLOWS = frozenset(flow.key for flow in load_catalogue().flows())


class Cut(Exception):
    """The process ends here."""


@dataclass
class World:
    """Gateways by party, the time, and what goes wrong on the way."""

    gateways: dict[PartyId, Gateway]
    relays: tuple[PartyId, ...]
    now: datetime = NOW
    lose: set[PartyId] = field(default_factory=set)  # whose next answer does not arrive
    down: set[PartyId] = field(default_factory=set)  # whose doors do not answer
    posted: list[tuple[PartyId, PartyId, bytes]] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    change: Callable[[bytes], bytes] = lambda blob: blob

    def clock(self) -> datetime:
        return self.now

    def say(self, sender: PartyId = AGGREGATOR, *, life: timedelta = timedelta(hours=6)) -> MessageId:
        """A message of the flow in this direction."""
        document, mode = (
            (COMMAND, Mode.REAL_TIME)
            if sender == AGGREGATOR
            else (DocumentName("charging_status"), Mode.REAL_TIME)
        )
        _, body = example(document)
        recipient = HOME if sender == AGGREGATOR else AGGREGATOR
        out = Outgoing(
            body=body,
            recipient=recipient,
            interface=InterfaceCode("ET8"),
            mode=mode,
            expires=self.now + life,
        )
        return send(self.gateways[sender], [out], self.now)[0]

    def link(self, party: PartyId) -> Link:
        return Link(self, party)

    def send(self, party: PartyId, to: PartyId | None = None) -> Delivery | None:
        """One parcel of this party's own."""
        recipient = to or (HOME if party == AGGREGATOR else AGGREGATOR)
        return asyncio.run(
            deliver_once(self.gateways[party], self.link(party), recipient, self.clock, lambda: 0.0)
        )

    def hand_on(self, party: PartyId, to: PartyId) -> Delivery | None:
        """One parcel of others, or what became of one, from a relay to a party."""
        return asyncio.run(
            deliver_relayed(self.gateways[party], self.link(party), to, self.clock, lambda: 0.0)
        )

    def run(self, rounds: int = 6) -> None:
        """Everything that is due goes, again and again."""
        for _ in range(rounds):
            for party in (AGGREGATOR, HOME):
                self.send(party)
            for relay in self.relays * 3:
                for other in self.gateways:
                    while self.hand_on(relay, other) is not None and other not in self.down:
                        pass
            self.now += timedelta(minutes=11)

    def state(self, message: MessageId, party: PartyId = AGGREGATOR) -> tuple[State, str]:
        row = self.gateways[party].store.message(message, outgoing=True)
        assert row is not None
        return row.state, row.detail

    def received(self, party: PartyId = HOME) -> list[MessageId]:
        return [row.id for row in self.gateways[party].store.messages(Query(outgoing=False))]

    def parcel(self, message: MessageId, party: PartyId = AGGREGATOR) -> ParcelId:
        row = self.gateways[party].store.message(message, outgoing=True)
        assert row is not None and row.parcel is not None
        return row.parcel

    def relayed(self, relay: PartyId, parcel: ParcelId) -> Relayed:
        row = self.gateways[relay].store.relayed(parcel)
        assert row is not None
        return row

    def partner(self, of: PartyId, party: PartyId, **what: object) -> None:
        """Change how one knows another."""
        book = self.gateways[of].partners.partners  # type: ignore[attr-defined]
        book[party] = book[party]._replace(**what)

    def rules(self, relay: PartyId, **what: object) -> None:
        """Change a relay's rules."""
        gateway = self.gateways[relay]
        changed = RelayRules(**{**_fields(gateway.relay), **what})  # type: ignore[arg-type]
        self.gateways[relay] = replace(gateway, relay=changed)

    def at(self, party: PartyId, blob: bytes, peer: PartyId) -> bytes:
        """What this party says to bytes over the other's connection."""
        gateway = self.gateways[party]
        known = gateway.partners.find(peer)
        scopes = granted_to(gateway, known) if known is not None else frozenset()
        return receive(gateway, blob, peer=Peer(peer, None, scopes), now=self.now)


def _fields(rules: RelayRules) -> dict[str, object]:
    return {name: getattr(rules, name) for name in rules.__struct_fields__}


@dataclass
class Link:
    """gateway.gateway.Link of one party into the others' `receive`."""

    world: World
    party: PartyId

    async def granted(self, partner: Partner) -> frozenset[str] | None:
        return None

    async def post(
        self, partner: Partner, blob: bytes, *, hybrid: bool = False, urgency: int | None = None
    ) -> LinkAnswer:
        world = self.world
        blob = world.change(blob)
        world.posted.append((self.party, partner.party, blob))
        if partner.party in world.down:
            raise PartnerError("its door does not answer")
        try:
            answer = world.at(partner.party, blob, self.party)
        except Refused as refused:
            body = b'{"code":"%s","detail":"","retry":%s}' % (
                refused.code.value.encode(),
                str(refused.retry).lower().encode(),
            )
            return LinkAnswer(refused.rule.http, body, None)
        if partner.party in world.lose:
            world.lose.discard(partner.party)
            raise PartnerError("the answer was lost")
        world.answers.append(answer)
        return LinkAnswer(200, answer, None)

    async def post_descriptor(self, partner: Partner, raw: bytes) -> LinkAnswer:
        raise PartnerError("not in this world")

    async def get_descriptor(self, partner: Partner) -> bytes:
        raise PartnerError("not in this world")


def make_world(relays: Sequence[PartyId] = (HUB,), store: Callable[[PartyId], Store] | None = None) -> World:
    """The aggregator and the customer's gateway, with one relay between them, or two."""
    parties = [AGGREGATOR, *relays, HOME]
    keys = {party: keys_of(party, ROLES[party]) for party in parties}
    make = store or (lambda party: MemoryStore())
    gateways = {
        party: replace(
            gateway_of(keys[party], [keys[other] for other in parties if other != party]), store=make(party)
        )
        for party in parties
    }
    world = World(gateways, tuple(relays))
    world.partner(AGGREGATOR, HOME, via=relays[0])
    world.partner(HOME, AGGREGATOR, via=relays[-1])
    for place, relay in enumerate(relays):
        after = relays[place + 1] if place + 1 < len(relays) else ""
        before = relays[place - 1] if place else ""
        there = Route(senders=(AGGREGATOR,), recipients=(HOME,), next=after, by=before)
        back = Route(senders=(HOME,), recipients=(AGGREGATOR,), next=before, by=after)
        world.gateways[relay] = replace(gateways[relay], relay=RelayRules(routes=(there, back)))
    return world
