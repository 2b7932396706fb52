"""Stories of the market that keep its rules, and two books that get the same messages in other orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from market_cases import DEAL
from offer_world import (
    P1,
    P2,
    SETTING,
    WINDOW,
    at,
    changed,
    counter,
    event,
    kw,
    need,
    offer,
    option,
    order,
    play,
    result,
    sealed,
    unsolicited,
    usd,
)

from intertie.market import offers as family
from intertie.market.event import Broken, Event
from intertie.market.offer_setting import amounts
from intertie.market.offer_state import (
    COUNTER_TABLE,
    NEED_TABLE,
    OFFER_TABLE,
    CounterPhase,
    NeedPhase,
    OfferPhase,
    Offers,
    Standing,
    counter_standing,
    need_standing,
    offer_standing,
)
from intertie.market.orders import kw_between
from intertie.model.ids import ConversationId
from intertie.model.offers import (
    Clearing,
    CounterAnswer,
    CounterVerdict,
    LossReason,
    NeedWithdrawal,
    OfferResult,
    OfferRevocation,
    OfferVerdict,
    RevocationReason,
    WithdrawalReason,
)

N, A = event(need(), 0), event(offer(), 1)


def verdict(name: str, what: OfferVerdict, deal: str | None = None, **more: Any) -> OfferResult:
    reason = None if what is OfferVerdict.AWARDED else LossReason.PRICE
    return OfferResult(offer=name, revision=1, verdict=what, order=deal, **{"reason": reason, **more})


def test_whole_part_and_nothing() -> None:
    small = offer(offer="O2", options=(option(series=kw(40, 40)),))
    third = offer(offer="O3", options=(option(price="0.9"),))
    book = play([N, A, event(small, 1), event(third, 1)])
    deals = [event(order(), 3), event(order(order="D2", offer="O2", ordered_kw=kw(40, 30)), 3)]
    said = (
        verdict("O1", OfferVerdict.AWARDED, "D1"),
        verdict("O2", OfferVerdict.PARTIAL, "D2"),
        verdict("O3", OfferVerdict.NOT_AWARDED),
    )
    book = play([*deals, event(result(offers=said), 4)], book=book)
    assert {name: one.phase for name, one in book.offers.items()} == {
        "O1": OfferPhase.ORDERED,
        "O2": OfferPhase.ORDERED,
        "O3": OfferPhase.NOT_AWARDED,
    }
    assert book.needs["N1"].phase is NeedPhase.DECIDED
    assert {order.need for order in book.orders.values()} == {"N1"}
    assert kw_between(book.orders["D2"].order, at(8.5), at(9.5)) == 40
    assert kw_between(book.orders["D2"].order, at(9), at(9.5)) == 30
    assert kw_between(book.orders["D2"].order, at(10), at(12)) == 0


def test_a_sealed_offer_is_read_after_the_gate_only() -> None:
    box, key = sealed(offer(options=(option(price="0.77"),)))
    book = play([event(need(sealed=True), 0), event(box, 1)])
    state = book.offers["O1"]
    assert state.offer is None and state.need == "N1"
    assert "0.77" not in repr(book)
    assert offer_standing(state, book, at(2.5)) is Standing.SEALED
    assert offer_standing(state, book, at(3.5)) is Standing.NOT_OPENED
    book = play([event(key, 2.5)], book=book)
    opened = book.offers["O1"]
    assert opened.offer is not None and opened.offer.options[0].price == usd("0.77")
    assert opened.received == at(1) and opened.opened == at(2.5)
    assert family.opened(box, key, SETTING) == opened.offer
    assert offer_standing(opened, book, at(4)) is Standing.OPEN
    assert offer_standing(opened, book, at(5.5)) is Standing.EXPIRED


def test_who_gives_no_key_has_lost() -> None:
    box, _ = sealed()
    said = verdict("O1", OfferVerdict.NOT_AWARDED, reason=LossReason.NOT_OPENED)
    book = play([event(need(sealed=True), 0), event(box, 1), event(result(offers=(said,)), 3.1)])
    assert book.offers["O1"].phase is OfferPhase.NOT_AWARDED


def test_a_sealed_offer_is_replaced_before_the_gate() -> None:
    first, old_key = sealed()
    second, key = sealed(offer(revision=2, options=(option(price="0.33"),)), revision=2)
    book = play([event(need(sealed=True), 0), event(first, 1), event(second, 1.5), event(key, 2.5)])
    assert book.offers["O1"].offer is not None and book.offers["O1"].offer.options[0].price == usd("0.33")
    assert old_key.key != key.key


def test_a_revision_of_the_need_lets_offers_lapse_and_takes_them_again() -> None:
    book = play([N, A, event(need(revision=2, requested_kw=kw(70, 70)), 1.2)])
    assert book.offers["O1"].phase is OfferPhase.LAPSED
    book = play([event(offer(revision=2, need_revision=2), 1.5)], book=book)
    assert book.offers["O1"].phase is OfferPhase.OPEN


def test_revisions_that_cross_end_alike_whoever_was_first() -> None:
    """The utility revises its need while the aggregator offers: what arrived first decides, on both sides."""
    revised = event(need(revision=2), 1.2)
    late, early = event(offer(), 1.3), event(offer(), 1.1)
    assert play([N, early, revised]).offers["O1"].phase is OfferPhase.LAPSED
    book = play([N, revised])
    try:
        family.apply(book, late, SETTING)
    except Broken as broken:
        assert broken.rule.name == "offer.need_revised"
    else:
        raise AssertionError("an offer to what the need was no longer")


def test_a_withdrawn_need_takes_its_offers_along() -> None:
    back = NeedWithdrawal(need="N1", revision=1, reason=WithdrawalReason.MET_OTHERWISE)
    book = play([N, A, event(back, 1.5)])
    assert (book.needs["N1"].phase, book.offers["O1"].phase) == (NeedPhase.WITHDRAWN, OfferPhase.LAPSED)
    assert need_standing(book.needs["N1"], at(1.6)) is Standing.ENDED


def test_a_counter_is_accepted_and_is_the_order() -> None:
    yes = CounterAnswer(counter="C1", verdict=CounterVerdict.ACCEPTED)
    book = play([N, A, event(counter(), 3), event(counter(counter="C2", order="D8"), 3.1), event(yes, 3.5)])
    deal = book.orders["D7"].order
    assert (deal.price, amounts(deal.ordered_kw)) == (usd("0.40"), [50, 40])
    assert book.offers["O1"].phase is OfferPhase.ORDERED and book.offers["O1"].order == "D7"
    assert [one.phase for one in book.counters.values()] == [CounterPhase.ACCEPTED, CounterPhase.LAPSED]


def test_a_declined_counter_leaves_the_offer() -> None:
    no = CounterAnswer(counter="C1", verdict=CounterVerdict.DECLINED)
    book = play([N, A, event(counter(), 3), event(no, 3.2), event(order(), 3.5)])
    assert book.offers["O1"].order == "D1" and book.counters["C1"].phase is CounterPhase.DECLINED


def test_a_revoked_offer_takes_its_counters_along() -> None:
    back = OfferRevocation(offer="O1", revision=1, reason=RevocationReason.ASSET_OUTAGE)
    book = play([N, A, event(counter(), 3), event(back, 3.1)])
    assert book.counters["C1"].phase is CounterPhase.LAPSED
    assert counter_standing(book.counters["C1"], at(3.2)) is Standing.ENDED


def test_an_unsolicited_offer_is_ordered_without_a_gate() -> None:
    own = ConversationId("conv-u")
    deal = event(order(offer="U1"), 1.5)._replace(conversation=own)
    book = play([event(unsolicited(), 1)._replace(conversation=own), deal])
    assert book.orders["D1"].need is None and book.offers["U1"].phase is OfferPhase.ORDERED


def test_an_order_without_an_offer_is_a_call_under_a_confirmation() -> None:
    setting = SETTING._replace(confirmations=frozenset({"K"}))
    call = order(offer=None, offer_revision=None, option=None, confirmation="K")
    assert play([event(call, 3)], setting).orders["D1"].order == call


def test_calls_under_a_deal_share_what_it_contracts_and_reach_points_below_its_own() -> None:
    terms = {"confirmation": "K", "points": (P2,), "term": WINDOW, "contracted_kw": Decimal(120)}
    setting = SETTING._replace(
        confirmations=frozenset({"K"}), deals={"K": changed(DEAL, terms)}, parents={P1: P2}
    )
    calls = [
        order(order=name, offer=None, offer_revision=None, option=None, confirmation="K")
        for name in ("D1", "D2")
    ]
    book = play([event(call, 3 + place / 10) for place, call in enumerate(calls)], setting)
    assert set(book.orders) == {"D1", "D2"}


def test_a_uniform_price_is_above_what_was_offered() -> None:
    need_ = event(need(clearing=Clearing.UNIFORM), 0)
    said = result(offers=(verdict("O1", OfferVerdict.AWARDED, "D1"),), clearing_price=usd("0.8"))
    book = play([need_, A, event(order(price=usd("0.8")), 3), event(said, 4)])
    assert book.needs["N1"].result == said


def test_time_alone() -> None:
    book = play([N, A, event(counter(), 3)])
    state = book.needs["N1"]
    standing = [need_standing(state, at(h)) for h in (2, 2.5, 5.5)]
    assert standing == [Standing.OPEN, Standing.GATE_CLOSED, Standing.OVERDUE]
    assert counter_standing(book.counters["C1"], at(4)) is Standing.OPEN
    assert counter_standing(book.counters["C1"], at(4.5)) is Standing.EXPIRED


def test_what_is_below_a_point_of_the_need_may_be_offered() -> None:
    setting = SETTING._replace(parents={"F12-T7-A": "F12-T7", "F12-T7-A-1": "F12-T7-A"})
    assert play([N, event(offer(points=("F12-T7-A-1",)), 1)], setting).offers["O1"].phase is OfferPhase.OPEN


def test_points_in_a_ring_are_not_followed_for_ever() -> None:
    assert not SETTING._replace(parents={"A": "B", "B": "A"}).below("A", ["C"])  # type: ignore[dict-item, list-item, arg-type]


def test_tables_end_where_they_say() -> None:
    for table in (NEED_TABLE, OFFER_TABLE, COUNTER_TABLE):
        left = {phase for phase, _ in table}
        ends = {after for after in table.values() if after not in left}
        assert ends <= {
            NeedPhase.WITHDRAWN,
            NeedPhase.DECIDED,
            OfferPhase.REVOKED,
            OfferPhase.ORDERED,
            OfferPhase.NOT_AWARDED,
            CounterPhase.ACCEPTED,
            CounterPhase.DECLINED,
            CounterPhase.LAPSED,
        }


BOXES = [sealed(offer(offer=f"S{i}", need="N2"), need="N2") for i in range(2)]
STEPS: list[Any] = [
    *(need(revision=r, requested_kw=kw(90 + r, 80)) for r in (1, 2, 3)),
    need(need="N2", sealed=True),
    *(offer(offer=f"O{i}", revision=r, need_revision=r) for i in (1, 2) for r in (1, 2)),
    unsolicited(),
    *(part for box in BOXES for part in box),
    *(order(order=f"D{i}", offer=f"O{i}", offer_revision=r) for i in (1, 2) for r in (1, 2)),
    order(order="D3", offer="S0"),
    order(order="D4", offer="U1"),
    counter(),
    CounterAnswer(counter="C1", verdict=CounterVerdict.ACCEPTED),
    CounterAnswer(counter="C1", verdict=CounterVerdict.DECLINED),
    OfferRevocation(offer="O1", revision=1, reason=RevocationReason.OTHER),
    OfferRevocation(offer="S1", revision=1, reason=RevocationReason.OTHER),
    NeedWithdrawal(need="N1", revision=1, reason=WithdrawalReason.OTHER),
    result(),
    result(offers=(verdict("O1", OfferVerdict.AWARDED, "D1"),)),
]
ABOUT = {"N2": "conv-2", "S0": "conv-2", "S1": "conv-2", "U1": "conv-u"}


def fold(events: list[Event]) -> tuple[Offers, list[str]]:
    """The book in the order of events, with the rules that voids broke."""
    book, voids = Offers(), []
    for one in sorted(events, key=lambda e: e.order):
        try:
            book = family.apply(book, one, SETTING)
        except Broken as broken:
            voids.append(f"{one.message} {broken.rule.name}")
    return book, voids


class TwoBooks(RuleBasedStateMachine):
    """Whatever is said at whatever time, and in whatever order it becomes known: both sides fold it to the same book."""

    def __init__(self) -> None:
        super().__init__()
        self.ours: list[Event] = []
        self.theirs: list[Event] = []

    @rule(body=st.sampled_from(STEPS), hours=st.integers(0, 110), front=st.booleans())
    def say(self, body: Any, hours: int, front: bool) -> None:
        about = next((getattr(body, f) for f in ("offer", "need") if getattr(body, f, None)), "")
        said = event(body, hours / 20)._replace(conversation=ConversationId(ABOUT.get(about, "conv-1")))
        if said.message in {one.message for one in self.ours}:
            return
        self.ours.append(said)
        self.theirs.insert(0 if front else len(self.theirs), said)

    @invariant()
    def same_book(self) -> None:
        assert fold(self.ours) == fold(self.theirs)

    @invariant()
    def deals_keep_to_offers_and_needs(self) -> None:
        book, _ = fold(self.ours)
        for name, state in book.needs.items():
            deals = [one.order for one in book.orders.values() if one.need == name]
            for place, asked in enumerate(amounts(state.need.requested_kw)):
                assert sum((amounts(one.ordered_kw)[place] for one in deals), Decimal(0)) <= max(asked, 93)
        for name, one in book.offers.items():
            assert sum(deal.order.offer == name for deal in book.orders.values()) <= 1
            assert (one.phase is OfferPhase.ORDERED) == (one.order is not None)
            assert (one.phase is OfferPhase.SEALED) <= (one.offer is None)


TestTwoBooks = TwoBooks.TestCase
TestTwoBooks.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@given(st.permutations([0, 1, 2, 3, 4]))
def test_a_season_told_in_any_order(places: list[int]) -> None:
    box, key = sealed()
    said = result(offers=(verdict("O1", OfferVerdict.AWARDED, "D1"),))
    story = [event(need(sealed=True), 0), event(box, 1), event(key, 2.5), event(order(), 3), event(said, 4)]
    book, voids = fold([story[place] for place in places])
    assert not voids and book.needs["N1"].phase is NeedPhase.DECIDED
