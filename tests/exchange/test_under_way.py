"""Several parcels on their way to one partner: none twice, each conversation in its order, and what is urgent waits for none."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta

import pytest
from tests.exchange.house import AGGREGATOR, AGREEMENT, NOW, UTILITY, Pair, Wire, make_pair

from intertie.exchange.outbound import State
from intertie.gateway.gateway import LinkAnswer, Partner
from intertie.gateway.ports import Query
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.gateway.sending.answers import Delivery
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.lanes import UnderWay
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.model.documents import example
from intertie.model.ids import ConversationId, DocumentName, InterfaceCode, MessageId
from intertie.model.message import Mode


class Held(Wire):
    """A wire whose answers wait until they are let go."""

    def __init__(self, pair: Pair) -> None:
        super().__init__(pair.aggregator, UTILITY)
        self.go = asyncio.Event()

    async def post(
        self, partner: Partner, blob: bytes, *, hybrid: bool = False, urgency: int | None = None
    ) -> LinkAnswer:
        answer = await super().post(partner, blob, hybrid=hybrid, urgency=urgency)
        await self.go.wait()
        return answer


class World:
    """A utility that delivers to an aggregator over a wire that holds its answers back."""

    def __init__(self) -> None:
        self.pair: Pair = make_pair()
        self.wire = Held(self.pair)
        self.under_way = UnderWay()

    def say(self, document: str, mode: Mode, conversation: str | None = None) -> MessageId:
        outgoing = Outgoing(
            body=example(DocumentName(document))[1],
            recipient=AGGREGATOR,
            interface=InterfaceCode("DA"),
            mode=mode,
            agreement=AGREEMENT,
            conversation=ConversationId(conversation) if conversation else None,
        )
        return send(self.pair.utility, [outgoing], NOW)[0]

    def invoice(self, conversation: str | None = None) -> MessageId:
        return self.say("invoice", Mode.SCHEDULED, conversation)

    def outage(self, conversation: str | None = None) -> MessageId:
        return self.say("outage_notice", Mode.REAL_TIME, conversation)

    def lane(self, *, urgent: bool = False) -> Coroutine[None, None, Delivery | None]:
        return deliver_once(
            self.pair.utility,
            self.wire,
            AGGREGATOR,
            lambda: NOW,
            lambda: 0.5,
            under_way=self.under_way,
            urgent=urgent,
        )

    async def start(self, *, urgent: bool = False) -> asyncio.Task[Delivery | None]:
        """A delivery that has gone as far as it can while answers are held."""
        task = asyncio.ensure_future(self.lane(urgent=urgent))
        for _ in range(5):
            await asyncio.sleep(0)
        return task

    def arrived(self) -> list[MessageId]:
        return [row.id for row in self.pair.aggregator.store.messages(Query(outgoing=False))]

    def ended(self, message: MessageId) -> bool:
        row = self.pair.utility.store.message(message, outgoing=True)
        return row is not None and row.state is State.ACCEPTED


def test_while_one_parcel_is_checked_the_next_goes_and_neither_goes_twice() -> None:
    async def run() -> None:
        world = World()
        first = world.invoice()
        one = await world.start()
        second = world.invoice()
        two = await world.start()
        assert world.arrived() == [first, second] and len(world.under_way) == 2
        assert await world.lane() is None, "both are on their way: there is nothing to send again"
        world.wire.go.set()
        done = await asyncio.gather(one, two)
        assert all(each is not None and each.receipted and each.messages == 1 for each in done)
        assert world.ended(first) and world.ended(second) and not world.under_way
        assert len(world.wire.sent) == 2
        for gateway in (world.pair.utility, world.pair.aggregator):
            verify_journal(gateway.store)

    asyncio.run(run())


def test_the_second_parcel_holds_nothing_of_a_conversation_that_is_on_its_way() -> None:
    async def run() -> None:
        world = World()
        first = world.invoice("c-1")
        one = await world.start()
        follows, other = world.invoice("c-1"), world.invoice("c-2")
        two = await world.start()
        assert world.arrived() == [first, other]
        world.wire.go.set()
        await asyncio.gather(one, two)
        await world.lane()
        assert world.arrived() == [first, other, follows]

    asyncio.run(run())


def test_an_outage_notice_does_not_wait_for_bills() -> None:
    async def run() -> None:
        world = World()
        world.invoice()
        ordinary = [await world.start()]
        world.invoice()
        ordinary.append(await world.start())
        bills = [world.invoice() for _ in range(3)]
        notice = world.outage()
        urgent = await world.start(urgent=True)
        assert world.arrived()[-1] == notice and not set(bills) & set(world.arrived())
        world.wire.go.set()
        delivery = await urgent
        assert delivery is not None and delivery.receipted and delivery.messages == 1
        assert world.ended(notice)
        await asyncio.gather(*ordinary)

    asyncio.run(run())


def test_what_follows_a_bill_in_its_conversation_waits_for_it_urgent_or_not() -> None:
    async def run() -> None:
        world = World()
        bill, notice = world.invoice("c-1"), world.outage("c-1")
        assert await world.lane(urgent=True) is None
        world.wire.go.set()
        await world.lane()
        assert world.arrived() == [bill, notice]

    asyncio.run(run())


@pytest.mark.parametrize("urgent", [False, True])
def test_what_had_no_answer_is_sent_again_by_the_ordinary_way(urgent: bool) -> None:
    async def run() -> None:
        world = World()
        world.wire.lose_next = True
        notice = world.outage()
        world.wire.go.set()
        lost = await world.lane(urgent=True)
        assert lost is not None and not lost.receipted and not world.under_way
        late = NOW + timedelta(seconds=60)
        again = await deliver_once(
            world.pair.utility, world.wire, AGGREGATOR, lambda: late, lambda: 0.5, urgent=urgent
        )
        assert (again is None) == urgent
        assert world.ended(notice) != urgent

    asyncio.run(run())
