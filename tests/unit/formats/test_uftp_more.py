"""UFTP's messages in our words: signs, prices, shares; and what is refused, with the reason that says why."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.unit.formats.uftp_talk import (
    OFFER,
    POINT,
    REQUEST,
    TALK,
    UNKNOWN,
    asked,
    body_of,
    broken,
    context_of,
    flex,
    flex_offer,
    flex_order,
    isp,
    kw,
    need_body,
    offer_body,
    request,
    unsayable,
    usd,
)

from intertie.formats.uftp import messages as m
from intertie.formats.uftp.forms import Disposition
from intertie.formats.uftp.read import PREFIX, read_message
from intertie.formats.uftp.terms import (
    ids_of,
)
from intertie.market import offer_rules as rules
from intertie.market.event import Rule
from intertie.model.availability import LoadPrognosis
from intertie.model.contract import Direction, Service
from intertie.model.offers import Need, Offer, OfferOption, OfferRevocation, Order, RevocationReason

# Requests


def test_a_request_becomes_a_need_in_kilowatts_without_a_sign() -> None:
    room = asked(0, 5, 73, 20, disposition=Disposition.AVAILABLE)
    said = read_message(request(asked(-1000, 0, 69, 2), asked(-800, 0, 72), room), context_of())
    need = said.body
    assert isinstance(need, Need) and said.conversation == TALK and said.in_reply_to is None
    assert need == need_body(kw(1000, 1000, 0, 800))
    assert need.direction is Direction.UP


@pytest.mark.parametrize(
    ("positive_reduces", "low", "high", "direction"),
    [
        (False, -5, 0, Direction.UP),
        (False, 0, 5, Direction.DOWN),
        (True, -5, 0, Direction.DOWN),
        (True, 0, 5, Direction.UP),
    ],
)
def test_the_sign_of_a_request(positive_reduces: bool, low: int, high: int, direction: Direction) -> None:
    need = body_of(request(asked(low, high)), context_of(positive_reduces=positive_reduces))
    assert (need.direction, need.requested_kw.values) == (direction, (5,))


@pytest.mark.parametrize(
    ("isps", "why"),
    [
        ((asked(-5, 5),), "ISP 69 asks for power between -5 and 5 W"),
        ((asked(5, 3),), "ISP 69 asks for power between 5 and 3 W"),
        ((asked(-5, 0), asked(0, 5, 70)), "power in one direction"),
        ((asked(0, 0),), "power in one direction"),
        ((asked(disposition=Disposition.AVAILABLE),), "power in one direction"),
        ((asked(), asked()), "ISP conflict: 69"),
        ((asked(), asked(0, 5, disposition=Disposition.AVAILABLE)), "ISP conflict: 69"),
        ((asked(start=97),), "ISPs out of bounds"),
        ((asked(start=96, duration=2),), "ISPs out of bounds"),
    ],
)
def test_a_request_that_asks_for_nothing_or_for_both(isps: tuple[m.RequestIsp, ...], why: str) -> None:
    assert why in unsayable(read_message, request(*isps), context_of())


@pytest.mark.parametrize("revision", [0, -1, 1_000_001, 2**63 - 1])
def test_a_revision_that_we_could_not_read_again_is_refused(revision: int) -> None:
    why = unsayable(read_message, request(revision=revision), context_of())
    assert why.startswith("Invalid Message") and "revision" in why


def test_the_last_revision_that_counts() -> None:
    assert body_of(request(revision=1_000_000), context_of()).revision == 1_000_000


@pytest.mark.parametrize(
    ("day", "last"), [(date(2026, 3, 8), 92), (date(2026, 11, 1), 100), (date(2026, 6, 1), 96)]
)
def test_a_request_over_a_whole_day(day: date, last: int) -> None:
    need = body_of(request(asked(start=1, duration=last), period=day), context_of())
    assert len(need.requested_kw.values) == last
    assert need.window.start.astimezone(UTC).hour in (4, 5)
    assert need.window.end - need.window.start == timedelta(minutes=15 * last)
    why = unsayable(read_message, request(asked(start=1, duration=last + 1), period=day), context_of())
    assert f"{day} has {last}" in why


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"service_type": "HEAT"}, "ServiceType 'HEAT' is none of"),
        ({"contract_id": "two words"}, "Unknown ContractID"),
        ({"contract_id": "../etc"}, "Unknown ContractID"),
        ({"time_zone": "America/Nowhere"}, "TimeZone rejected"),
        ({"isp_duration": timedelta(minutes=7)}, "ISP duration rejected"),
        ({"period": date(9999, 12, 31)}, "TimeZone rejected"),
        ({"congestion_point": "ea1.2026-01.a b:c"}, "Invalid CongestionPoint"),
    ],
)
def test_terms_of_a_request_that_we_have_no_words_for(changes: dict[str, Any], why: str) -> None:
    assert why in unsayable(read_message, request(**changes), context_of())


def test_a_message_that_is_no_business() -> None:
    said = {name: value for name, value in flex().items() if name in m.TestMessage.__struct_fields__}
    assert "TestMessage has no counterpart" in unsayable(read_message, m.TestMessage(**said), context_of())


# Offers


def test_an_offer_to_a_need_fills_its_window_with_zeros() -> None:
    context = context_of(need_body())
    said = read_message(flex_offer(isp(-400, 70), flex_request_message_id=REQUEST), context)
    offer = said.body
    assert isinstance(offer, Offer) and said.in_reply_to == ids_of(REQUEST)[1]
    (option,) = offer.options
    assert option.offered_kw == kw(0, 400, 0, 0) and option.minimum_fraction == Decimal("0.25")
    assert option.price == usd("10") and (offer.need, offer.need_revision) == (PREFIX + TALK, 1)


def test_an_offer_that_nobody_asked_for_spans_its_options() -> None:
    options = tuple(m.OfferOption(price=Decimal(n), isps=(isp(-400, 67 + 2 * n),)) for n in (1, 2))
    offer = body_of(flex_offer(options=options), context_of())
    assert [one.offered_kw for one in offer.options] == [kw(400, 0, 0), kw(0, 0, 400)]
    assert offer.need is None and [one.option for one in offer.options] == [1, 2]


@pytest.mark.parametrize(
    ("isps", "changes", "rule"),
    [
        ((isp(-1),), {"flex_request_message_id": UNKNOWN}, rules.OFFER_NEED_UNKNOWN),
        ((isp(-1),), {"flex_request_message_id": REQUEST, "time_zone": "America/Chicago"}, rules.NEED_ZONE),
        (
            (isp(-1, 35),),
            {"flex_request_message_id": REQUEST, "isp_duration": timedelta(minutes=30)},
            rules.OFFER_STEP,
        ),
        (
            (isp(-1),),
            {"flex_request_message_id": REQUEST, "period": date(2026, 1, 17)},
            rules.OFFER_PERIOD,
        ),
        ((isp(-1, 68),), {"flex_request_message_id": REQUEST}, rules.OFFER_BOUNDS),
        ((isp(-1, 73),), {"flex_request_message_id": REQUEST}, rules.OFFER_BOUNDS),
        ((isp(0),), {}, rules.OFFER_BOUNDS),
        ((isp(-1),), {"d_prognosis_message_id": UNKNOWN}, rules.OFFER_AVAILABILITY),
    ],
)
def test_an_offer_that_breaks_a_rule(isps: tuple[m.Isp, ...], changes: dict[str, Any], rule: Rule) -> None:
    assert broken(flex_offer(*isps, **changes), context_of(need_body())) is rule


def test_an_offer_to_a_request_that_was_replaced_is_told_so() -> None:
    message = flex_offer(isp(-1), flex_request_message_id=UNKNOWN)
    assert broken(message, context_of(need_body(), known=(UNKNOWN,))) is rules.OFFER_NEED_REVISED


def test_an_offer_that_rests_on_a_prognosis_that_is_here() -> None:
    message = flex_offer(isp(-1), price="0.0000", d_prognosis_message_id=UNKNOWN)
    assert body_of(message, context_of(known=(UNKNOWN,))).options[0].offered_kw == kw(1)


def test_an_offer_in_both_directions_or_of_too_many_options() -> None:
    assert "one direction" in unsayable(read_message, flex_offer(isp(-1), isp(1, 70)), context_of())
    option = m.OfferOption(price=Decimal(0), isps=(isp(-1000),))
    assert len(body_of(flex_offer(options=(option,) * 50), context_of()).options) == 50
    assert "<= 50" in unsayable(read_message, flex_offer(options=(option,) * 51), context_of())


def test_a_revocation_names_the_offer_that_its_message_brought() -> None:
    said = {name: value for name, value in flex().items() if name in m.FlexOfferRevocation.__struct_fields__}
    message = m.FlexOfferRevocation(**{**said, "message_id": UNKNOWN}, flex_offer_message_id=OFFER)
    found = read_message(message, context_of(offer=offer_body()))
    assert found.body == OfferRevocation(offer=PREFIX + OFFER, revision=1, reason=RevocationReason.OTHER)
    assert found.in_reply_to == ids_of(OFFER)[1]
    assert broken(message, context_of()) is rules.OFFER_UNKNOWN


# Orders


def test_an_order_of_a_share_is_the_offer_scaled() -> None:
    message = flex_order(flex_offer_message_id=OFFER, activation_factor=Decimal("0.33"))
    order = body_of(message, context_of(offer=offer_body()))
    assert isinstance(order, Order) and (order.option, order.offer_revision) == (1, 1)
    shares = [order.ordered_kw.quantity(place) for place in range(4)]
    assert shares == [Decimal("0.198"), Decimal("0.132"), 0, Decimal("0.132")]
    assert order.price == usd("0.37") and order.direction is Direction.UP


@pytest.mark.parametrize("price", ["0.1295", "0.0648"])  # the whole, and the rounded half of it
def test_the_price_of_an_order_is_the_offers_whichever_total_it_says(price: str) -> None:
    message = flex_order(flex_offer_message_id=OFFER, activation_factor=Decimal("0.50"), price=Decimal(price))
    assert body_of(message, context_of(offer=offer_body())).price == usd("0.37")


def test_another_total_is_another_price() -> None:
    order = body_of(
        flex_order(flex_offer_message_id=OFFER, price=Decimal("0.70")), context_of(offer=offer_body())
    )
    assert order.price == usd("2")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"flex_offer_message_id": UNKNOWN}, rules.OFFER_UNKNOWN),
        ({"option_reference": "2"}, rules.ORDER_OPTION),
        ({"option_reference": "01"}, rules.ORDER_OPTION),
        ({"period": date(2026, 1, 17)}, rules.ORDER_TERMS),
        ({"isp_duration": timedelta(minutes=30), "isps": (isp(-1, 1),)}, rules.ORDER_TERMS),
        ({"isps": (isp(-600), isp(-400, 70))}, rules.ORDER_TERMS),
        ({"isps": (isp(600), isp(400, 70), isp(400, 72))}, rules.ORDER_TERMS),
        ({"isps": (isp(-601), isp(-400, 70), isp(-400, 72))}, rules.ORDER_TERMS),
    ],
)
def test_an_order_that_is_not_of_the_offer(changes: dict[str, Any], rule: Rule) -> None:
    message = flex_order(**{"flex_offer_message_id": OFFER, **changes})
    assert broken(message, context_of(offer=offer_body())) is rule


def test_of_two_options_one_must_be_named() -> None:
    options = [OfferOption(option=n, offered_kw=kw(600, 400, 0, 400), price=usd(f"0.3{n}")) for n in (1, 2)]
    context = context_of(offer=offer_body(*options))
    assert broken(flex_order(flex_offer_message_id=OFFER), context) is rules.ORDER_OPTION
    named = flex_order(flex_offer_message_id=OFFER, option_reference="2", price=Decimal("0.112"))
    assert (body_of(named, context).option, body_of(named, context).price) == (2, usd("0.32"))


def test_an_order_without_an_offer_is_a_call_under_its_contract() -> None:
    call = body_of(flex_order(contract_id="C-1", service_type="RELIABILITY"), context_of())
    assert (call.offer, call.confirmation, call.service) == (None, "C-1", Service.RELIABILITY)
    assert call.ordered_kw == kw(600, 400, 0, 400) and call.price == usd("0.37")
    down = body_of(flex_order(isp(600)), context_of())
    assert down.direction is Direction.DOWN and down.ordered_kw == kw(600)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"isps": (isp(0),)}, "one direction"),
        ({"isps": (isp(-1), isp(1, 70))}, "one direction"),
        ({"order_reference": "a b"}, "OrderReference: 'a b' is no name here"),
        ({"order_reference": ""}, "OrderReference"),
        ({"order_reference": "x" * 129}, "OrderReference"),
        ({"price": Decimal("0.0001"), "isps": (isp(-(10**12)),)}, "no price per kWh"),
        ({"price": Decimal(10) ** 12, "isps": (isp(-1),)}, "Invalid Message"),
    ],
)
def test_a_call_that_we_have_no_words_for(changes: dict[str, Any], why: str) -> None:
    assert why in unsayable(read_message, flex_order(**changes), context_of())


# Prognoses


def test_a_prognosis_keeps_its_sign_and_has_no_gaps() -> None:
    message = m.DPrognosis(**flex(), revision=3, isps=(isp(-5), isp(0, 70), isp(7, 71, 2)))
    found = body_of(message, context_of())
    assert isinstance(found, LoadPrognosis) and found.load_kw == kw(-5, 0, 7, 7)
    assert (found.point, found.revision) == (POINT, 3)
    torn = m.DPrognosis(**flex(), revision=3, isps=(isp(-5), isp(7, 71)))
    assert "no gaps" in unsayable(read_message, torn, context_of())
    stale = m.DPrognosis(**flex(), revision=0, isps=(isp(-5),))
    assert "revision" in unsayable(read_message, stale, context_of())
