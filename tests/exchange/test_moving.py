"""A partner moves from a protocol of its own to parcels, mid-conversation: what began in the old one ends there, once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace
from tests.exchange.as2_world import NOTICE
from tests.exchange.file_world import Two
from tests.exchange.house import AGGREGATOR, UTILITY, Wire
from tests.exchange.uftp_world import NEED, OPTION, TALK

from intertie.exchange.outbound import State
from intertie.formats.file_terms import JsonTerms
from intertie.gateway.ports import MessageRow
from intertie.gateway.sending.answers import Delivery
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.moving import is_translated, unfinished
from intertie.gateway.translating.files import Purpose
from intertie.gateway.translating.foreign import Level
from intertie.model.ids import MessageId
from intertie.model.offers import Offer, Order

FORMATS = ["csv", "x12", "json"]
OFFER = Offer(
    offer="OFFER-1",
    service=NEED.service,
    points=NEED.points,
    window=NEED.window,
    options=(OPTION,),
    valid_until=NEED.decide_by,
    need=NEED.need,
    need_revision=NEED.revision,
)
ORDER = Order(
    order="ORDER-1",
    service=NEED.service,
    points=NEED.points,
    window=NEED.window,
    ordered_kw=OPTION.offered_kw,
    price=OPTION.price,
    offer=OFFER.offer,
    offer_revision=OFFER.revision,
    option=OPTION.option,
)


class Moving(Two):
    """Both have a gateway from some moment on; their legacy files stay."""

    count = 0

    def tell(self) -> MessageId:
        """Of one outage more."""
        self.count += 1
        return self.say(UTILITY, replace(NOTICE, outage=f"OUT-2026-{self.count:04}"))

    def move(self, **changed: object) -> None:
        for party, there in ((UTILITY, AGGREGATOR), (AGGREGATOR, UTILITY)):
            keys = self.gateways[there].keys.public()
            self.regard(party, keys=keys, url="https://there.example", **changed)
        self.wire = Wire(self.gateways[AGGREGATOR], UTILITY, self.now)

    def parcel(self) -> Delivery | None:
        """One delivery by the utility, as parcels go."""
        self.wire.now = self.now
        return asyncio.run(
            deliver_once(self.gateways[UTILITY], self.wire, AGGREGATOR, lambda: self.now, lambda: 0.0)
        )

    def row(self, message: MessageId) -> MessageRow:
        row = self.gateways[UTILITY].store.message(message, outgoing=True)
        assert row is not None
        return row

    def everything(self) -> None:
        """All that is due, in both ways, as the delivery loop has it."""
        for _ in range(20):
            self.carry(UTILITY)
            self.carry(AGGREGATOR)
            if self.parcel() is None:
                return
        raise AssertionError("it does not end")

    def fetched(self, *messages: MessageId) -> list[State]:
        return [self.state(UTILITY, one)[0] for one in messages]


@pytest.mark.parametrize("format", FORMATS)
def test_what_was_queued_for_the_old_one_goes_there_and_the_new_as_parcels(format: str) -> None:
    two = Moving(format)
    posted = two.tell()
    two.post(UTILITY)  # it is there, and nothing was said of it
    (file,) = two.trays[UTILITY].put
    queued = two.tell()
    two.move()
    new = two.tell()
    rows = {row.id: row for row in map(two.row, (posted, queued, new))}
    assert [is_translated(rows[one]) for one in (posted, queued, new)] == [True, True, False]
    two.take(AGGREGATOR, file.content)
    two.everything()
    assert two.state(UTILITY, new)[0] is State.ACCEPTED and len(two.wire.sent) == 1, two.state(UTILITY, new)
    messages = [one for one in two.trays[UTILITY].put if one.purpose is Purpose.MESSAGE]
    assert {one.about for one in messages} == {posted, queued}
    assert len(two.inbox(AGGREGATOR)) == 3, "each once"
    if format == "x12":  # whose answers close
        assert two.fetched(posted, queued) == [State.ACCEPTED] * 2


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("answered", [False, True])
def test_a_talk_goes_on_in_parcels_and_both_sides_have_one_book(format: str, answered: bool) -> None:
    """Asked and offered in files, ordered in a parcel: under the ids and times of both, whatever was answered before the move."""
    two = Moving(format, json=JsonTerms(), received=Level.BUSINESS)
    need = two.say(UTILITY, NEED, TALK)
    two.carry(UTILITY)
    two.carry(AGGREGATOR)
    offer = two.say(AGGREGATOR, OFFER, TALK)
    two.post(AGGREGATOR)
    file = next(one for one in two.trays[AGGREGATOR].put if one.about == offer)
    two.take(UTILITY, file.content)
    if answered:
        two.carry(UTILITY)
    two.move()
    order = two.say(UTILITY, ORDER, TALK)
    assert not is_translated(two.row(order))
    two.everything()
    two.take(UTILITY, file.content)  # its program is not told of the move, and brings it again
    two.everything()
    assert [two.state(UTILITY, one)[0] for one in (need, order)] == [State.ACCEPTED] * 2
    assert two.state(AGGREGATOR, offer)[0] is State.ACCEPTED
    assert [row.id for row in two.inbox(AGGREGATOR)] == [need, order], "each once"
    assert [row.id for row in two.inbox(UTILITY)] == [offer], "each once"
    ours, theirs = (
        gateway.books.of(gateway.store, there).ledger
        for gateway, there in ((two.gateways[UTILITY], AGGREGATOR), (two.gateways[AGGREGATOR], UTILITY))
    )
    assert not ours.voids and ours.digest() == theirs.digest()
    assert ORDER.order in ours.book.offers.orders


def test_a_parcel_does_not_wait_behind_the_old_one() -> None:
    two = Moving("csv")
    old = [two.tell() for _ in range(3)]
    two.move()
    new = two.tell()
    done = two.parcel()
    assert done is not None and done.receipted and two.state(UTILITY, new)[0] is State.ACCEPTED
    assert [two.state(UTILITY, one)[0] for one in old] == [State.QUEUED] * 3
    assert two.parcel() is None and len(two.inbox(AGGREGATOR)) == 1


def test_a_parcel_that_is_unanswered_does_not_hide_a_post_nor_the_other_way_round() -> None:
    two = Moving("csv")
    old = two.tell()
    two.move()
    new = two.tell()
    two.wire.lose_next = True
    two.parcel()  # its answer is lost
    assert two.state(UTILITY, new)[0] is State.SENDING
    two.post(UTILITY)
    assert two.state(UTILITY, old)[0] is State.SENDING
    two.now += timedelta(hours=1)
    gateway = two.gateways[UTILITY]
    kinds = [unfinished(gateway, AGGREGATOR, two.now, translated=kind) for kind in (True, False)]
    post, sealed = kinds
    assert post is not None and post.blob is None and sealed is not None and sealed.blob
    assert unfinished(gateway, AGGREGATOR, two.now, translated=False, without=[sealed.id]) is None
    done = two.parcel()
    assert done is not None and done.receipted and two.state(UTILITY, new)[0] is State.ACCEPTED
    assert len(two.inbox(AGGREGATOR)) == 1 and two.wire.sent[0] == two.wire.sent[1], "the same bytes, once"


def test_after_its_end_date_what_still_waits_for_the_old_one_is_a_dead_letter() -> None:
    two = Moving("csv")
    old = two.tell()
    two.move()
    two.change(UTILITY, legacy_until=two.now.date().replace(year=2000))
    two.post(UTILITY)
    state, detail = two.state(UTILITY, old)
    assert state is State.FAILED and "ended on" in detail
    assert two.parcel() is None
