"""What is said to several partners by one request: a message for each, the same ones when a process died on the way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_acts_market import OPEN, RIVAL, SELLERS, Three

from intertie.exchange.outbound import State
from intertie.gateway.office.office_acts import at_desk
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_several import stamp_for
from intertie.gateway.ports import Query
from intertie.gateway.trading import trade_market
from intertie.gateway.trading.trade_desk import Desk
from intertie.model.ids import MessageId, PartyId, new_message_id, uuid7


def said(three: Three) -> list[tuple[PartyId, MessageId]]:
    rows = three.gateways[UTILITY].store.messages(
        Query(outgoing=True, states=(State.QUEUED, State.SENDING, State.ACCEPTED), limit=500)
    )
    return [(row.recipient, row.id) for row in rows if row.document == "need"]


def publish(desk: Desk) -> MessageId:
    return trade_market.publish(desk, OPEN)


def test_a_request_that_died_between_two_partners_goes_on_where_it_was() -> None:
    three = Three()
    utility = three.gateways[UTILITY]
    stamp = Stamp(three.now, new_message_id(three.now), again=False)
    first = at_desk(utility, AGGREGATOR, stamp_for(stamp, AGGREGATOR), publish)
    again = stamp._replace(again=True)
    for seller in SELLERS:
        at_desk(utility, seller, stamp_for(again, seller), publish)
    found = said(three)
    assert sorted(party for party, _ in found) == sorted(SELLERS) and (AGGREGATOR, first[0]) in found
    three.done(*(id for _, id in found))
    at_desk(utility, RIVAL, stamp_for(again, RIVAL), publish)
    assert said(three) == found
    three.same()


MILLIS = st.integers(0, 2**47)
NUMBERS = st.integers(0, 2**74 - 1)
PARTIES = st.from_regex(r"[a-z]{1,12}\.example", fullmatch=True)


@given(MILLIS, NUMBERS, PARTIES, PARTIES)
def test_ids_follow_from_the_request_and_are_told_apart(
    millis: int, number: int, one: str, other: str
) -> None:
    stamp = Stamp(OPEN.gate_closes, MessageId(uuid7(millis, number)), again=False)
    mine, theirs = stamp_for(stamp, PartyId(one)), stamp_for(stamp, PartyId(other))
    assert mine == stamp_for(stamp._replace(again=True), PartyId(one))._replace(again=False)
    assert (mine.message == theirs.message) == (one == other) and mine.message != stamp.message
    assert mine.message[:13] == stamp.message[:13]  # of the same millisecond
    assert mine.message[14] == "7" and mine.message[19] in "89ab" and mine.at == stamp.at
