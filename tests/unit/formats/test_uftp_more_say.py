"""Our documents as UFTP's messages and back, what UFTP cannot say, and the terms of both."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.formats.uftp_talk import (
    ADDRESS,
    NOW,
    OFFER,
    POINT,
    REQUEST,
    TERMS,
    ZONE,
    body_of,
    context_of,
    flex_offer,
    header,
    isp,
    kw,
    need_body,
    offer_body,
    over,
    request,
    unsayable,
    usd,
)

from intertie.formats.uftp import messages as m
from intertie.formats.uftp.read import read_message, scaled
from intertie.formats.uftp.say import say
from intertie.formats.uftp.terms import (
    UnsayableError,
    address_of,
    checked_name,
    direction_of,
    energy,
    need_of,
    offer_of,
    point_here,
    price_per_kwh,
    sign_of,
    total_price,
)
from intertie.market.offer_state import NeedPhase, NeedState, Offers
from intertie.model.agreement import ContractAction, ContractNotice
from intertie.model.availability import LoadPrognosis
from intertie.model.contract import Direction, Service
from intertie.model.ids import (
    AgreementId,
    ConnectionPointId,
    MessageId,
)
from intertie.model.offers import OfferOption, OfferRevocation, Order, RevocationReason
from intertie.model.quantity import Money
from intertie.model.record import Record

# What we say


def test_a_need_is_said_in_watts_with_the_sign_of_its_direction() -> None:
    for direction, flipped, bounds in (
        (Direction.UP, False, (-1000, 0)),
        (Direction.DOWN, False, (0, 1000)),
        (Direction.UP, True, (0, 1000)),
    ):
        said = say(header("need"), need_body(direction=direction), context_of(positive_reduces=flipped))
        assert isinstance(said, m.FlexRequest) and said.congestion_point == ADDRESS
        assert [(one.start, one.duration) for one in said.isps] == [(69, 2), (72, 1)]
        assert (said.isps[0].min_power, said.isps[0].max_power) == bounds


NEED, OFFERED = need_body(), offer_body()
ORDER = Order(
    order="D1",
    service=Service.DIST_CAPACITY,
    points=(POINT,),
    window=over(kw(600, 400, 0, 400)),
    ordered_kw=kw(600, 400, 0, 400),
    price=usd("0.37"),
    offer=OFFERED.offer,
    offer_revision=1,
    option=1,
)
LONG = kw(*[1] * 97)
FINE = kw(1000, 1, power=-4)
SECONDS = kw(1, seconds=30)
EMPTY = kw(0, None)
NOTICE = ContractNotice(agreement=AgreementId("G-1"), revision=1, action=ContractAction.DECLINE)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (NOTICE, "UFTP has no message for some_document"),
        (need_body(sealed=True, keys_by=NOW + timedelta(hours=5)), "no sealed offers"),
        (need_body(points=(POINT, ConnectionPointId("F1-T2"))), "one in a message, not 2"),
        (need_body(points=(ConnectionPointId("F1-T2"),)), "F1-T2 has no entity address"),
        (need_body(EMPTY), "nothing is requested"),
        (need_body(LONG), "Period out of bounds"),
        (need_body(FINE), "interval 2: UFTP has whole watts"),
        (need_body(SECONDS), "UFTP has whole minutes"),
        (need_body(zone="America/Nowhere"), "TimeZone rejected"),
        (replace(OFFERED, revision=2), "no revisions"),
        (
            offer_body(replace(OFFERED.options[0], minimum_fraction=Decimal("0.125"))),
            "MinActivationFactor has two decimal places",
        ),
        (
            offer_body(
                OfferOption(option=1, offered_kw=kw(2**46, power=6), price=usd("1000000000000")),
            ),
            "Invalid Message",
        ),
        (OfferRevocation(offer="O9", revision=1, reason=RevocationReason.OTHER), "offer O9 is not known"),
        (ORDER, "is not known"),
    ],
)
def test_what_uftp_cannot_say(body: Record, why: str) -> None:
    assert why in unsayable(say, header("some_document"), body, context_of())


def test_a_conversation_is_a_uuid_and_else_the_messages_own() -> None:
    assert "is no UUID" in unsayable(say, header("need", "talk-1"), NEED, context_of())
    own = say(header("need", None), NEED, context_of())
    assert own.conversation_id == own.message_id == header("need").id


def test_an_offer_names_the_request_it_answers_and_is_unsolicited_without() -> None:
    asked_for = say(header("offer"), OFFERED, context_of(NEED, originals=(request(),)))
    alone = say(header("offer"), OFFERED, context_of())
    assert isinstance(asked_for, m.FlexOffer) and isinstance(alone, m.FlexOffer)
    assert (asked_for.flex_request_message_id, asked_for.unsolicited) == (REQUEST, False)
    assert (alone.flex_request_message_id, alone.unsolicited) == (None, True)


def test_a_share_below_a_hundredth_is_said_as_one() -> None:
    offer = offer_body(replace(OFFERED.options[0], minimum_fraction=Decimal(0)))
    said = say(header("offer"), offer, context_of())
    assert isinstance(said, m.FlexOffer) and said.options[0].min_activation_factor == Decimal("0.01")


THEIRS = flex_offer(isp(-600), isp(-400, 70), isp(-400, 72), price="0.1295")
HELD = context_of(NEED, OFFERED, (THEIRS,))


def test_an_order_repeats_what_the_offer_said() -> None:
    said = say(header("order"), ORDER, HELD)
    assert isinstance(said, m.FlexOrder) and said.flex_offer_message_id == OFFER
    assert said.isps == THEIRS.options[0].isps and said.activation_factor == 1
    assert said.price == THEIRS.options[0].price
    dearer = say(header("order"), replace(ORDER, price=usd("0.74")), HELD)
    assert isinstance(dearer, m.FlexOrder) and dearer.price == Decimal("0.2590")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (replace(ORDER, ordered_kw=kw(300, 200, 0, 201)), "one share"),
        (replace(ORDER, ordered_kw=kw(600, 400, 0, None)), "one share"),
        (replace(ORDER, ordered_kw=kw(201, 134, 0, 134)), "one share"),
        (replace(ORDER, option=2), "Unknown OptionReference: 2"),
    ],
)
def test_an_order_that_is_no_share_of_the_offer(body: Order, why: str) -> None:
    assert why in unsayable(say, header("order"), body, HELD)


def test_an_order_of_one_share_of_all() -> None:
    said = say(header("order"), replace(ORDER, ordered_kw=kw(150, 100, 0, 100)), HELD)
    assert isinstance(said, m.FlexOrder) and said.activation_factor == Decimal("0.25")


# There and back


days = st.sampled_from([date(2026, 1, 16), date(2026, 3, 8), date(2026, 11, 1), date(2026, 6, 1)])
watts = st.lists(st.integers(0, 10**6), min_size=1, max_size=20)
directions = st.sampled_from(Direction)


def first_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 5, tzinfo=UTC)


@settings(max_examples=60, deadline=None)
@given(days, watts, directions, st.booleans(), st.integers(1, 1_000_000))
def test_a_need_that_is_said_is_read_again(
    day: date, values: list[int], direction: Direction, flipped: bool, revision: int
) -> None:
    values = [1, *values, 1]  # zeros at the ends are not said
    series = kw(*values, start=first_of(day))
    need = need_body(series, direction=direction, revision=revision)
    context = context_of(positive_reduces=flipped)
    assert read_message(say(header("need"), need, context), context).body == need


@settings(max_examples=60, deadline=None)
@given(days, st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=20))
def test_a_prognosis_that_is_said_is_read_again(day: date, values: list[int]) -> None:
    series = kw(*values, start=first_of(day))
    body = LoadPrognosis(point=POINT, window=over(series), zone=ZONE, revision=1, load_kw=series)
    assert read_message(say(header("load_prognosis"), body, context_of()), context_of()).body == body


@settings(max_examples=60, deadline=None)
@given(watts, directions, st.decimals(0, 1000, places=4))
def test_a_call_that_is_said_is_read_again(values: list[int], direction: Direction, price: Decimal) -> None:
    # A megawatt at least: a total of four places then tells prices of four places apart.
    series = kw(4_000_000, *values, 4_000_000)
    order = replace(
        ORDER,
        window=over(series),
        ordered_kw=series,
        price=Money(amount=price, currency="USD"),
        direction=direction,
        offer=None,
        offer_revision=None,
        option=None,
        confirmation="C-1",
    )
    read = body_of(say(header("order"), order, context_of()), context_of())
    assert read.ordered_kw == order.ordered_kw and read.direction is direction
    assert total_price(series, read.price.amount) == total_price(series, price)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 100), st.lists(st.integers(1, 10**6), min_size=1, max_size=8))
def test_every_hundredth_of_an_offer_can_be_ordered(hundredths: int, values: list[int]) -> None:
    factor = Decimal(hundredths) / 100
    series = kw(*values)
    offer = offer_body(OfferOption(option=1, offered_kw=series, price=usd("0.37")))
    isps = tuple(isp(-value, 69 + place) for place, value in enumerate(values))
    context = context_of(offer=offer, originals=(flex_offer(*isps, price="1"),))
    order = replace(ORDER, window=over(series), ordered_kw=scaled(series, factor))
    said = say(header("order"), order, context)
    assert isinstance(said, m.FlexOrder) and said.activation_factor == factor


# Terms


@given(st.sampled_from(Direction), st.booleans())
def test_signs_and_directions_are_each_others_inverse(direction: Direction, flipped: bool) -> None:
    terms = replace(TERMS, positive_reduces=flipped)
    sign = sign_of(direction, terms)
    assert direction_of(sign, terms) is direction and direction_of(-sign, terms) is not direction
    assert sign_of(direction, replace(TERMS, positive_reduces=not flipped)) == -sign


@given(st.integers(1, 10**12), st.decimals(-1000, 1000, places=4))
def test_a_price_that_is_found_makes_the_total(power: int, total: Decimal) -> None:
    series = kw(power)
    try:
        price = price_per_kwh(total, series)
    except UnsayableError:
        step = Decimal("1e-9")
        near = (total / energy(series)).quantize(step)
        assert all(total_price(series, near + n * step) != total for n in (-1, 0, 1))
    else:
        assert total_price(series, price) == total


def test_energy_and_prices_of_nothing() -> None:
    assert energy(kw(4000, None, 2000)) == Decimal("1.5") and energy(kw(0)) == 0
    assert energy(kw(6000, seconds=300)) == Decimal("0.5")
    assert price_per_kwh(Decimal(7), kw(0)) == 7
    assert total_price(kw(2000), Decimal("0.0001")) == Decimal("0.0001")  # half of a place is rounded up


def test_points_have_two_names() -> None:
    context = context_of()
    assert point_here(context, ADDRESS) == POINT and address_of(context, (POINT,)) == ADDRESS
    other = "ean.000000000001"
    assert point_here(context, other) == other == address_of(context, (ConnectionPointId(other),))


@pytest.mark.parametrize("text", ["", "a b", "a..b", ".a", "a\n", "x" * 129, "é"])
def test_names_that_are_none(text: str) -> None:
    assert "is no name here" in unsayable(checked_name, text, "Unknown ContractID")
    assert checked_name("x" * 128, "Unknown ContractID") == "x" * 128


def test_what_a_message_brought_is_found_under_either_id() -> None:
    ours = context_of(NEED, OFFERED)
    need, offer = need_of(ours, REQUEST), offer_of(ours, OFFER)
    assert need is not None and need.need is NEED and offer is not None and offer.offer is OFFERED
    assert need_of(ours, OFFER) is None and offer_of(ours, REQUEST) is None
    sent = NeedState(NEED, NeedPhase.OPEN, MessageId(REQUEST), NOW, None)
    assert need_of(ours._replace(offers=Offers({NEED.need: sent})), REQUEST) is sent
