"""Clearing at its edges: ties, nothing at all, whole blocks, caps, and powers of ten that differ."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from offer_world import START, at, kw, need, offer, option, usd

from intertie.market.clearing import Bidder, clear
from intertie.market.offer_setting import Setting, alike, amounts
from intertie.model.ids import ConnectionPointId, PartyId
from intertie.model.interval import IntervalSeries
from intertie.model.offers import Clearing, LossReason, OfferOption, OfferVerdict
from intertie.model.quantity import Unit


def bidder(name: str, *options: OfferOption, hours: float = 1, seller: str = "a.example") -> Bidder:
    return Bidder(PartyId(seller), offer(offer=name, options=options), at(hours))


def fine(*values: int, power: int = -3) -> IntervalSeries:
    return IntervalSeries(start=START, step_seconds=3600, unit=Unit.KW, power_of_ten=power, values=values)


WHOLE = option(price="0.5", series=kw(100, 80))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("A", 1, "z.example"), ("B", 2, "a.example")),  # who was first, whoever it is
        (("B", 1, "a.example"), ("A", 1, "b.example")),  # at one moment: by the seller
        (("A", 1, "a.example"), ("B", 1, "a.example")),  # and by the name of the offer
    ],
)
def test_ties_are_broken_by_arrival_then_seller_then_name(first: Any, second: Any) -> None:
    bids = [bidder(name, WHOLE, hours=hours, seller=seller) for name, hours, seller in (second, first)]
    for those in (bids, bids[::-1]):
        won, lost = clear(need(), those).taken
        assert (won.bidder.offer.offer, won.verdict) == (first[0], OfferVerdict.AWARDED)
        assert (lost.verdict, lost.reason) == (OfferVerdict.NOT_AWARDED, LossReason.NEED_MET)


def test_of_options_at_one_price_the_larger_is_taken_and_then_the_first() -> None:
    small, large = option(1, "0.5", series=kw(10, 10)), option(2, "0.5", series=kw(50, 50))
    assert clear(need(), [bidder("A", small, large)]).taken[0].option == 2
    same = option(3, "0.5", series=kw(50, 50))
    assert clear(need(), [bidder("A", same, large)]).taken[0].option == 2


def test_an_option_that_gives_only_where_nothing_is_needed_is_no_block() -> None:
    bid = bidder("A", option(series=kw(0, 40), fraction="1"))
    (taken,) = clear(need(requested_kw=kw(100, 0)), [bid]).taken
    assert taken.reason is LossReason.NEED_MET and taken.kw is None and taken.option is None


def test_nobody_offered() -> None:
    for clearing in Clearing:
        cleared = clear(need(clearing=clearing), [])
        assert cleared.taken == () and cleared.unmet_kw == (100, 80)
        assert cleared.clearing_price is None and cleared.cost == usd(0)


def test_all_are_above_the_cap_and_there_is_no_price() -> None:
    wanted = need(clearing=Clearing.UNIFORM, price_cap=usd("0.49"))
    cleared = clear(wanted, [bidder("A", WHOLE), bidder("B", WHOLE)])
    assert {one.reason for one in cleared.taken} == {LossReason.PRICE}
    assert cleared.clearing_price is None and cleared.unmet_kw == (100, 80)


def test_the_dear_option_is_no_reason_where_the_cheap_one_came_too_late() -> None:
    wanted = need(price_cap=usd("0.50"))
    late = bidder("B", WHOLE, option(2, "0.90", series=kw(100, 80)), hours=2)
    _, lost = clear(wanted, [bidder("A", WHOLE), late]).taken
    assert lost.reason is LossReason.NEED_MET


def test_the_cheapest_price_of_all_may_be_nothing() -> None:
    cleared = clear(need(clearing=Clearing.UNIFORM), [bidder("A", option(price="0", series=kw(100, 80)))])
    assert cleared.clearing_price == usd(0) and cleared.cost == usd(0)


@pytest.mark.parametrize(("fraction", "taken"), [("0.5", True), ("0.51", False), ("1", False), ("0", True)])
def test_the_least_fraction_may_be_met_exactly(fraction: str, taken: bool) -> None:
    first = bidder("A", option(price="0.1", series=kw(50, 40)))
    second = bidder("B", option(price="0.2", fraction=fraction, series=kw(100, 80)))
    _, found = clear(need(), [first, second]).taken
    assert (found.kw is not None) == taken
    assert found.reason is (LossReason.NEED_MET if taken else LossReason.BLOCK_TOO_LARGE)
    if found.kw is not None:
        assert amounts(found.kw) == [50, 40] and found.verdict is OfferVerdict.PARTIAL


def test_orders_are_to_the_watt_or_as_fine_as_what_was_offered() -> None:
    (rough,) = clear(need(), [bidder("A", option(series=kw(60, 40)))]).taken
    assert rough.kw is not None and rough.kw.power_of_ten == -3 and rough.kw.values == (60_000, 40_000)
    (finest,) = clear(need(), [bidder("A", option(series=fine(60_000_001, 40, power=-6)))]).taken
    assert finest.kw is not None and finest.kw.values == (60_000_001, 40)
    assert finest.kw.power_of_ten == -6 and finest.verdict is OfferVerdict.AWARDED


def test_other_intervals_than_those_of_the_need_are_passed_over() -> None:
    """The book takes no such offer; clearing neither guesses nor stops."""
    quarters = [kw(*values, step=900) for values in ((0,) * 4 + (10,) * 4, (10,) * 8)]
    bids = [bidder(f"O{n}", option(price="0.1", series=one)) for n, one in enumerate(quarters)]
    *passed, taken = clear(need(), [*bids, bidder("Z", WHOLE)]).taken
    assert [one.verdict for one in passed] == [OfferVerdict.NOT_AWARDED] * 2
    assert taken.verdict is OfferVerdict.AWARDED
    assert clear(need(requested_kw=kw(0, 80)), [bids[1]]).unmet_kw == (0, 80)


def test_a_gap_is_nothing_needed_and_nothing_offered() -> None:
    wanted = need(requested_kw=kw(100, None))
    (taken,) = clear(wanted, [bidder("A", option(series=kw(None, 50)))]).taken
    assert taken.kw is None
    cleared = clear(wanted, [bidder("A", option(series=kw(60, None)))])
    assert cleared.unmet_kw == (40, 0)


def test_cost_is_energy_by_price_and_is_not_rounded() -> None:
    quarter = IntervalSeries(
        start=START, step_seconds=900, unit=Unit.KW, power_of_ten=-3, values=(1, 1, 1, 1, 1, 1, 1, 1)
    )
    cleared = clear(need(requested_kw=quarter), [bidder("A", option(price="0.0001", series=quarter))])
    assert cleared.cost.amount == Decimal("0.002") * Decimal("0.0001")


PRICES = st.lists(st.integers(1, 9), min_size=1, max_size=5)


@given(PRICES)
def test_one_price_for_all_is_never_below_what_each_would_get(prices: list[int]) -> None:
    bids = [bidder(f"O{n}", option(price=f"0.{p}", series=kw(30, 30))) for n, p in enumerate(prices)]
    uniform, bid = clear(need(clearing=Clearing.UNIFORM), bids), clear(need(), bids)
    assert [one.kw for one in uniform.taken] == [one.kw for one in bid.taken]
    assert uniform.unmet_kw == bid.unmet_kw and uniform.cost.amount >= bid.cost.amount
    paid = [one.price.amount for one in bid.taken if one.price is not None]
    assert uniform.clearing_price == usd(max(paid))


@given(PRICES, st.integers(1, 9))
def test_a_cap_only_takes_away(prices: list[int], cap: int) -> None:
    bids = [bidder(f"O{n}", option(price=f"0.{p}", series=kw(30, 30))) for n, p in enumerate(prices)]
    capped = clear(need(price_cap=usd(f"0.{cap}")), bids)
    under = [one for one, price in zip(bids, prices, strict=True) if price <= cap]
    assert capped.unmet_kw == clear(need(), under).unmet_kw
    assert {one.bidder.offer.offer for one in capped.taken if one.kw} <= {one.offer.offer for one in under}


@given(st.lists(st.one_of(st.none(), st.integers(0, 10**6)), min_size=1, max_size=6), st.integers(-6, 0))
def test_amounts_are_exact_and_a_gap_is_nothing(values: list[int | None], power: int) -> None:
    series = IntervalSeries(
        start=START, step_seconds=900, unit=Unit.KW, power_of_ten=power, values=tuple(values)
    )
    assert amounts(series) == [Decimal(value or 0).scaleb(power) for value in values]
    assert alike(series, series) and not alike(series, kw(*values))


def test_below_a_point_follows_parents_and_ends_in_a_ring() -> None:
    a, b, c = (ConnectionPointId(one) for one in "ABC")
    setting = Setting(PartyId("u.example"), PartyId("s.example"), parents={c: b, b: a, a: c})
    assert setting.below(c, [a]) and setting.below(a, [a]) and setting.below(a, [c])
    assert not setting.below(a, [ConnectionPointId("X")]) and not setting.below(a, [])
    known = setting._replace(points=frozenset({ConnectionPointId("X")}))
    assert known.knows([a, b, c]) and known.knows([]) and not known.knows([ConnectionPointId("Y")])
