"""Both sides of a trade, each with its office served and a client for each role: what one says arrives when the test says so."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.trade_stage import Stage
from tests.portal.world import World, calling

from intertie.client import Client
from intertie.gateway.office.api_keys import OfficeRole
from intertie.model.ids import MessageId, PartyId
from intertie.model.office import Book, Item, Queued


class Side:
    """One organisation's office."""

    def __init__(self, party: PartyId, world: World, url: str, stage: Stage) -> None:
        self.party = party
        self.them = AGGREGATOR if party == UTILITY else UTILITY
        self.world = world
        self.stage = stage
        self.clients = {role: Client(url, made.text, attempts=1) for role, made in world.made.items()}

    @property
    def trader(self) -> Client:
        return self.clients[OfficeRole.TRADER]

    @property
    def operator(self) -> Client:
        return self.clients[OfficeRole.OPERATOR]

    @property
    def auditor(self) -> Client:
        return self.clients[OfficeRole.AUDITOR]

    def accepted(self, queued: Queued) -> MessageId:
        """What was queued arrives, and the partner accepts it."""
        self.stage.done(*map(MessageId, queued.messages))
        for id in queued.messages:
            assert self.trader.message(id).line.state == "accepted"
        return MessageId(queued.messages[0])

    def book(self) -> Book:
        return self.trader.book(self.them)


class Offices:
    """The utility's and the aggregator's."""

    def __init__(self, stage: Stage, utility: Side, aggregator: Side) -> None:
        self.stage = stage
        self.utility = utility
        self.aggregator = aggregator

    def book(self) -> Book:
        """As both offices show it: the same, but for whose partner it is."""
        ours, theirs = self.utility.book(), self.aggregator.book()
        assert ours.digest == theirs.digest == self.utility.trader.digest(AGGREGATOR).digest
        assert (ours.partner, theirs.partner) == (AGGREGATOR, UTILITY)
        for section in (
            "contracts",
            "confirmations",
            "registrations",
            "availability",
            "dispatches",
            "orders",
        ):
            assert getattr(ours, section) == getattr(theirs, section), section
        return ours


def one(items: list[Item], name: str) -> Item:
    """The thing of this name."""
    (found,) = [item for item in items if item.name == name]
    return found


@contextlib.contextmanager
def offices(folder: Path, stage: Stage) -> Iterator[Offices]:
    """Both, served."""
    with contextlib.ExitStack() as stack:
        sides: dict[PartyId, Side] = {}
        for party in (UTILITY, AGGREGATOR):
            world = World(folder / party, gateway=stage.gateways[party])
            follow(world, stage)
            stack.callback(world.close)
            sides[party] = Side(party, world, stack.enter_context(calling(world)), stage)
        yield Offices(stage, sides[UTILITY], sides[AGGREGATOR])
        for side in sides.values():
            for client in side.clients.values():
                client.close()


def follow(world: World, stage: Stage) -> None:
    """The office's clock is the stage's."""

    def now() -> Any:
        return stage.now

    world.clock = now  # type: ignore[method-assign]
    world.office = world.office._replace(clock=now)
