"""Clearing: by price, whole or in part, at each one's price or at one for all; and what holds for any offers."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st
from offer_world import T0, at, kw, need, offer, option, usd

from intertie.market.clearing import Bidder, Cleared, clear
from intertie.market.offer_setting import amounts
from intertie.model.offers import Clearing, LossReason, Need, OfferOption, OfferVerdict

UNIFORM = need(clearing=Clearing.UNIFORM)


def bidder(name: str, *options: OfferOption, hours: float = 1, seller: str = "a.example") -> Bidder:
    return Bidder(seller, offer(offer=name, options=options), at(hours))


def outcome(cleared: Cleared) -> dict[str, tuple[list[Decimal], str] | str]:
    return {
        one.bidder.offer.offer: (amounts(one.kw), str(one.price.amount))
        if one.kw and one.price
        else str(one.reason)
        for one in cleared.taken
    }


def test_cheapest_first_and_the_last_in_part() -> None:
    cheap = bidder("A", option(price="0.3", series=kw(60, 60)))
    middle = bidder("B", option(price="0.5", series=kw(60, 10)))
    dear = bidder("C", option(price="0.9", series=kw(0, 5)))
    cleared = clear(need(), [dear, middle, cheap])
    assert outcome(cleared) == {"A": ([60, 60], "0.3"), "B": ([40, 10], "0.5"), "C": ([0, 5], "0.9")}
    assert [one.verdict for one in cleared.taken] == ["awarded", "partial", "awarded"]
    assert cleared.unmet_kw == (0, 5) and cleared.clearing_price is None
    assert cleared.cost.amount == Decimal("36.0") + Decimal("25.0") + Decimal("4.5")


def test_one_price_for_all_is_that_of_the_dearest_taken() -> None:
    bidders = [bidder("A", option(price="0.3")), bidder("B", option(price="0.5", series=kw(40, 40)))]
    cleared = clear(UNIFORM, bidders)
    assert cleared.clearing_price == usd("0.5") and {one.price for one in cleared.taken} == {usd("0.5")}


def test_a_block_that_does_not_fit_is_passed_over_and_said_so() -> None:
    bidders = [
        bidder("A", option(price="0.3", series=kw(80, 60))),
        bidder("B", option(price="0.4", fraction="1", series=kw(30, 10))),
        bidder("C", option(price="0.5", series=kw(20, 20))),
    ]
    cleared = clear(need(), bidders)
    assert outcome(cleared) == {
        "A": ([80, 60], "0.3"),
        "B": "block_too_large",
        "C": ([20, 20], "0.5"),
    }


def test_one_option_of_an_offer() -> None:
    either = bidder("A", option(1, "0.4", "1", kw(120, 10)), option(2, "0.6", "1", kw(50, 10)))
    cleared = clear(need(), [either])
    assert cleared.taken[0].option == 2 and outcome(cleared) == {"A": ([50, 10], "0.6")}


def test_above_the_cap_and_after_the_need_is_met() -> None:
    capped = need(price_cap=usd("0.5"))
    full = option(price="0.5", series=kw(100, 80))
    bidders = [bidder("A", full, hours=1.5), bidder("B", full, hours=1), bidder("C", option(price="0.6"))]
    cleared = clear(capped, bidders)
    assert outcome(cleared) == {"B": ([100, 80], "0.5"), "A": "need_met", "C": "price"}
    assert clear(capped, []).cost == usd(0)


POWER = st.integers(0, 60)
OPTION = st.tuples(st.integers(1, 8), st.sampled_from(["0", "0.5", "1"]), POWER, POWER)
BIDS = st.lists(st.tuples(st.lists(OPTION, min_size=1, max_size=3), st.integers(1, 3)), max_size=6)


def drawn(bids: list[tuple[list[tuple[int, str, int, int]], int]]) -> list[Bidder]:
    return [
        bidder(
            f"O{place}",
            *(
                option(n, f"0.{price}", fraction, kw(a, b))
                for n, (price, fraction, a, b) in enumerate(options, 1)
            ),
            hours=hours,
        )
        for place, (options, hours) in enumerate(bids)
    ]


@given(BIDS, st.sampled_from([need(), UNIFORM, need(price_cap=usd("0.4"))]), st.randoms())
def test_what_always_holds(
    bids: list[tuple[list[tuple[int, str, int, int]], int]], wanted: Need, random: object
) -> None:
    bidders = drawn(bids)
    cleared = clear(wanted, bidders)
    shuffled = list(bidders)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert clear(wanted, shuffled) == cleared
    left = amounts(wanted.requested_kw)
    for one in cleared.taken:
        if one.kw is None:
            assert one.verdict is OfferVerdict.NOT_AWARDED and one.reason is not None and one.price is None
            continue
        chosen = next(o for o in one.bidder.offer.options if o.option == one.option)
        assert one.price is not None and one.price.amount >= chosen.price.amount
        if wanted.clearing is Clearing.PAY_AS_BID:
            assert one.price == chosen.price
        else:
            assert one.price == cleared.clearing_price
        if wanted.price_cap is not None:
            assert one.price.amount <= wanted.price_cap.amount
        for got, offered in zip(amounts(one.kw), amounts(chosen.offered_kw), strict=True):
            assert offered * chosen.minimum_fraction <= got <= offered
        left = [rest - got for rest, got in zip(left, amounts(one.kw), strict=True)]
    assert tuple(left) == cleared.unmet_kw and min(left) >= 0


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 9), POWER, POWER), max_size=4))
def test_no_order_of_divisible_offers_is_cheaper(bids: list[tuple[int, int, int]]) -> None:
    bidders = [bidder(f"O{n}", option(1, f"0.{p}", "0", kw(a, b))) for n, (p, a, b) in enumerate(bids)]
    cleared = clear(need(), bidders)

    def cost(order: tuple[tuple[int, int, int], ...]) -> Decimal:
        left, sum_ = [100, 80], Decimal(0)
        for price, *powers in order:
            for place, power in enumerate(powers):
                got = min(left[place], power)
                left[place] -= got
                sum_ += Decimal(got) * price / 10
        return sum_

    assert cleared.cost.amount == min(cost(one) for one in permutations(bids))


def test_reasons_are_words_of_the_result() -> None:
    assert {"price", "need_met", "block_too_large"} <= set(LossReason)
    assert at(1) > T0
