"""Counters at their limits: the last second, the price cap itself, names that are used, and what two of them do together."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from offer_world import (
    DECIDE,
    GATE,
    P1,
    P2,
    SELLER,
    SETTING,
    START,
    UTILITY,
    at,
    counter,
    event,
    kw,
    need,
    offer,
    option,
    order,
    play,
    unsolicited,
    usd,
)

from intertie.market import offers as family
from intertie.market.counters import book_order, lapse_counters
from intertie.market.event import Broken, Event
from intertie.market.offer_setting import Setting
from intertie.market.offer_state import CounterPhase, OfferPhase, Offers, Standing, counter_standing
from intertie.model.ids import ConversationId, MessageId
from intertie.model.interval import Window
from intertie.model.offers import CounterAnswer, CounterVerdict, OfferRevocation, RevocationReason

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
# An offer of U1 that asks no need: countered, answered and ordered without a gate.
FREE = [event(unsolicited(), 0)]
ON_FREE = {"offer": "U1"}


def answer(name: str = "C1", verdict: CounterVerdict = CounterVerdict.ACCEPTED) -> CounterAnswer:
    return CounterAnswer(counter=name, verdict=verdict)


def needed(**changes: object) -> list[Event]:
    """A need that takes orders early, and an offer to it."""
    return [event(need(early_orders=True, **changes), 0), event(offer(), 1)]


def broken(book: Offers, what: Event, setting: Setting = SETTING) -> str:
    """The rule that an event breaks."""
    with pytest.raises(Broken) as caught:
        family.apply(book, what, setting)
    return caught.value.rule.name


def test_accepted_it_is_an_order_at_its_own_terms() -> None:
    book = play([*FREE, event(counter(**ON_FREE), 1), event(answer(), 2)])
    deal = book.orders["D7"]
    assert deal.order.ordered_kw == kw(50, 40) and deal.order.price == usd("0.40")
    assert (deal.order.offer, deal.order.offer_revision, deal.order.option) == ("U1", 1, 1)
    assert deal.order.points == (P1,) and deal.need is None and deal.received == at(2)
    assert book.counters["C1"].phase is CounterPhase.ACCEPTED
    assert book.offers["U1"].phase is OfferPhase.ORDERED and book.offers["U1"].order == "D7"


def test_the_order_names_the_need_and_the_aggregation_of_its_offer() -> None:
    said = [event(need(early_orders=True), 0), event(offer(aggregation="AGG"), 1)]
    book = play([*said, event(counter(), 1.5), event(answer(), 1.6)])
    assert (book.orders["D7"].need, book.orders["D7"].aggregation) == ("N1", "AGG")


def test_declined_it_leaves_no_order_and_the_offer_can_be_countered_again() -> None:
    declined = event(answer(verdict=CounterVerdict.DECLINED), 2)
    book = play([*FREE, event(counter(**ON_FREE), 1), declined])
    assert not book.orders and book.offers["U1"].phase is OfferPhase.OPEN
    again = counter(**ON_FREE, counter="C2", order="D8", price=usd("0.45"))
    book = play([event(again, 2.5), event(answer("C2"), 3)], book=book)
    assert set(book.orders) == {"D8"} and book.counters["C1"].phase is CounterPhase.DECLINED


@pytest.mark.parametrize(
    ("changes", "hours"),
    [
        ({}, 2),  # the same name
        ({"counter": "C2"}, 2),  # the order that the other counter would be
        ({"order": "D8"}, 2),  # the name of the counter alone
    ],
)
def test_names_of_counters_and_their_orders_are_used_once(changes: dict[str, str], hours: float) -> None:
    book = play([*FREE, event(counter(**ON_FREE), 1)])
    assert broken(book, event(counter(**ON_FREE, **changes), hours)) == "counter.already_submitted"


def test_the_name_of_an_order_that_was_placed_is_used_too() -> None:
    placed = order(offer="U1", order="D7")
    book = play([event(unsolicited(), 0), event(placed, 0.5)])
    second = event(unsolicited(offer="U2"), 0.6, conversation=ConversationId("conv-2"))
    book = play([second], book=book)
    said = event(counter(offer="U2"), 1, conversation=ConversationId("conv-2"))
    assert broken(book, said) == "counter.already_submitted"


def test_names_of_declined_counters_stay_used() -> None:
    declined = event(answer(verdict=CounterVerdict.DECLINED), 2)
    book = play([*FREE, event(counter(**ON_FREE), 1), declined])
    assert broken(book, event(counter(**ON_FREE), 3)) == "counter.already_submitted"


@pytest.mark.parametrize(
    ("until", "holds"),
    [
        (at(1), False),  # it is over as it arrives
        (at(1) + SECOND, True),
        (DECIDE, True),  # as long as the offer
        (DECIDE + SECOND, False),
    ],
)
def test_it_holds_some_time_and_no_longer_than_the_offer(until: object, holds: bool) -> None:
    said = event(counter(**ON_FREE, valid_until=until), 1)
    if holds:
        assert play([*FREE, said]).counters["C1"].phase is CounterPhase.OPEN
    else:
        assert broken(play(FREE), said) == "counter.expiry"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"ordered_kw": kw(*[50] * 8, step=900)}, "counter.period"),
        (
            {"window": Window(start=START, end=START + HOUR), "ordered_kw": kw(50)},
            "counter.period",
        ),
        ({"offer": "U9"}, "offer.unknown"),
        ({"offer_revision": 2}, "offer.unknown"),
    ],
)
def test_it_is_about_the_offer_as_it_is(changes: dict[str, Any], rule: str) -> None:
    assert broken(play(FREE), event(counter(**{**ON_FREE, **changes}), 1)) == rule


@pytest.mark.parametrize(
    ("price", "cap", "allowed"),
    [("0.50", "0.50", True), ("0.51", "0.50", False), ("0", "0.50", True), ("99", None, True)],
)
def test_the_cap_of_the_agreement_is_a_limit_that_may_be_reached(
    price: str, cap: str | None, allowed: bool
) -> None:
    setting = SETTING._replace(price_cap=None if cap is None else usd(cap))
    said = event(counter(**ON_FREE, price=usd(price)), 1)
    book = play(FREE, setting)
    if allowed:
        assert play([said], setting, book).counters["C1"].counter.price == usd(price)
    else:
        assert broken(book, said, setting) == "counter.price"


def test_the_cap_of_the_need_holds_beside_that_of_the_agreement() -> None:
    setting = SETTING._replace(price_cap=usd("0.90"))
    book = play(needed(price_cap=usd("0.60")), setting)
    assert broken(book, event(counter(price=usd("0.61")), 1.5), setting) == "counter.price"
    assert play([event(counter(price=usd("0.60")), 1.5)], setting, book).counters


@pytest.mark.parametrize(
    ("body", "sides"),
    [(counter(**ON_FREE), (SELLER, UTILITY)), (answer(), (UTILITY, SELLER))],
)
def test_the_utility_counters_and_the_aggregator_answers(body: object, sides: tuple[str, str]) -> None:
    book = play([*FREE, event(counter(**ON_FREE), 1)])
    said = event(body, 2, sender=sides[0], recipient=sides[1])  # type: ignore[arg-type]
    assert broken(book, said) == "offers.wrong_side"


def test_an_answer_is_in_its_conversation_and_to_its_message() -> None:
    asked = event(counter(**ON_FREE), 1)
    book = play([*FREE, asked])
    elsewhere = event(answer(), 2, conversation=ConversationId("conv-9"))
    assert broken(book, elsewhere) == "offers.other_conversation"
    other = event(answer(), 2, in_reply_to=MessageId("another"))
    assert broken(book, other) == "offers.other_message"
    assert play([event(answer(), 2, in_reply_to=asked.message)], book=book).orders


@pytest.mark.parametrize("first", list(CounterVerdict))
@pytest.mark.parametrize("then", list(CounterVerdict))
def test_a_counter_is_answered_once(first: CounterVerdict, then: CounterVerdict) -> None:
    book = play([*FREE, event(counter(**ON_FREE), 1), event(answer(verdict=first), 2)])
    assert broken(book, event(answer(verdict=then), 3)) == "counter.unknown"


@pytest.mark.parametrize("verdict", list(CounterVerdict))
def test_after_its_last_moment_it_is_answered_no_more(verdict: CounterVerdict) -> None:
    book = play([*FREE, event(counter(**ON_FREE), 1)])
    late = event(answer(verdict=verdict), 4, received=at(4) + SECOND)
    assert broken(book, late) == "counter.expired"
    assert counter_standing(book.counters["C1"], at(4)) is Standing.OPEN
    assert counter_standing(book.counters["C1"], at(4) + SECOND) is Standing.EXPIRED
    said = play([event(answer(verdict=verdict), 4)], book=book)
    assert counter_standing(said.counters["C1"], at(4)) is Standing.ENDED


def test_of_two_counters_one_is_taken_and_the_other_lapses() -> None:
    second = counter(**ON_FREE, counter="C2", order="D8", price=usd("0.45"))
    book = play([*FREE, event(counter(**ON_FREE), 1), event(second, 1.5), event(answer("C2"), 2)])
    assert [book.counters[name].phase for name in ("C1", "C2")] == [
        CounterPhase.LAPSED,
        CounterPhase.ACCEPTED,
    ]
    assert broken(book, event(answer("C1"), 2.5)) == "counter.unknown"


def test_an_offer_that_is_revised_or_revoked_takes_its_counters_along_and_no_others() -> None:
    talk = ConversationId("conv-2")
    both = [
        *FREE,
        event(unsolicited(offer="U2"), 0, conversation=talk),
        event(counter(**ON_FREE), 1),
        event(counter(offer="U2", counter="C2", order="D8"), 1, conversation=talk),
    ]
    gone = OfferRevocation(offer="U1", revision=1, reason=RevocationReason.SOLD_ELSEWHERE)
    for said in (event(unsolicited(revision=2), 2), event(gone, 2)):
        book = play([*both, said])
        assert book.counters["C1"].phase is CounterPhase.LAPSED
        assert book.counters["C2"].phase is CounterPhase.OPEN
        assert broken(book, event(answer("C1"), 3)) == "counter.unknown"


def test_an_offer_that_is_over_is_not_countered() -> None:
    gone = OfferRevocation(offer="U1", revision=1, reason=RevocationReason.SOLD_ELSEWHERE)
    assert broken(play([*FREE, event(gone, 1)]), event(counter(**ON_FREE), 2)) == "offer.ended"
    short = [event(unsolicited(valid_until=at(2)), 0)]
    late = event(counter(**ON_FREE, valid_until=at(4)), 2, received=at(2) + SECOND)
    assert broken(play(short), late) == "offer.expired"


def test_what_was_ordered_meanwhile_is_counted_when_the_answer_comes() -> None:
    """The counter fitted when it was made; an order to another offer took the need before the answer."""
    other = offer(offer="O2", points=(P2,), options=(option(series=kw(60, 60)),))
    said = [*needed(), event(other, 1), event(counter(), 1.2)]
    taken = order(offer="O2", order="D9", points=(P2,), ordered_kw=kw(60, 60))
    book = play([*said, event(taken, 1.5)])
    assert broken(book, event(answer(), 1.8)) == "order.more_than_needed"
    assert play([*said, event(answer(), 1.8)]).orders.keys() == {"D7"}


@pytest.mark.parametrize(("early", "rule"), [(False, "order.before_gate"), (True, None)])
def test_before_the_gate_only_where_the_need_says_so(early: bool, rule: str | None) -> None:
    book = play([event(need(early_orders=early), 0), event(offer(), 1)])
    at_gate = event(counter(), 2, received=GATE)
    if rule is None:
        assert play([at_gate], book=book).counters
    else:
        assert broken(book, at_gate) == rule
        assert play([event(counter(), 2, received=GATE + SECOND)], book=book).counters


def test_an_order_that_is_no_offer_lapses_nothing() -> None:
    book = play([*FREE, event(counter(**ON_FREE), 1)])
    call = order(order="D5", offer=None, offer_revision=None, option=None, confirmation="NWS")
    after = book_order(book, event(call, 2), call, None)
    assert after.orders["D5"].need is None and after.counters == book.counters
    assert after.offers == book.offers and lapse_counters(after, "no such offer") == after


@given(st.lists(st.sampled_from(list(CounterVerdict)), min_size=1, max_size=5))
def test_the_first_yes_ends_it(verdicts: list[CounterVerdict]) -> None:
    """Any answers to as many counters: up to one order, from the first that was accepted; later ones find nothing open."""
    names = [f"C{n}" for n in range(len(verdicts))]
    asked = [event(counter(**ON_FREE, counter=n, order=f"O-{n}"), 1 + i / 10) for i, n in enumerate(names)]
    book, taken = play([*FREE, *asked]), None
    for n, (name, verdict) in enumerate(zip(names, verdicts, strict=True)):
        said = event(answer(name, verdict), 2 + n / 10)
        if taken is not None:
            assert broken(book, said) == "counter.unknown"
            continue
        book = play([said], book=book)
        taken = name if verdict is CounterVerdict.ACCEPTED else None
    assert set(book.orders) == ({f"O-{taken}"} if taken else set())
    assert (book.offers["U1"].phase is OfferPhase.ORDERED) == (taken is not None)
    assert at(3) < START
