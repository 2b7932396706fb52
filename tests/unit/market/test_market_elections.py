"""What the cover sheet elects for the market: a price cap, interval lengths, and whether unsolicited offers are taken."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from tests.unit.market import offer_world as market
from tests.unit.market.grid_cases import AGREEMENT, ZONE
from tests.unit.market.offer_world import at, kw, need, offer, option, unsolicited, usd
from trade_world import TEXT, World, signature

from intertie.market.book import Book, fold
from intertie.market.contract import terms_hash
from intertie.market.offer_terms import cap_of, setting_of
from intertie.model.agreement import INTERVALS_SECONDS, BaseContract, Elections
from intertie.model.contract import Confirmation, ConfirmationAnswer, ConfirmationResponse, Service
from intertie.model.ids import ConversationId
from intertie.model.quantity import Kilowatts
from intertie.model.record import Record, RuleError

from tests.unit.market.grid_cases import deal  # isort: skip

EMPTY = Book()
TALK = ConversationId("conv-1")


def contract(**elections: Any) -> BaseContract:
    calendar = replace(TEXT.calendar, zone=ZONE)
    return replace(
        TEXT, agreement=AGREEMENT, effective=at(-48), calendar=calendar, elections=Elections(**elections)
    )


def broken(text: BaseContract, *bodies: tuple[Record, float]) -> list[str]:
    """The rules that these break under a contract: by the book, from the messages alone."""
    world = World()
    world.now = at(-24)
    world.signed(text)
    events = list(world.events)
    for body, hours in bodies:
        made = market.event(body, hours, agreement=AGREEMENT, conversation=TALK)
        events.append(made)
    return [void.rule.name for void in fold(events).voids]


def test_a_contract_that_says_nothing_elects_what_was_so_before() -> None:
    setting = setting_of(contract(), at(0), EMPTY.availability, EMPTY.registry, EMPTY.grid, EMPTY.deals)
    assert setting.steps_seconds == frozenset(INTERVALS_SECONDS) == {300, 600, 900, 1800, 3600}
    assert setting.price_cap is None and setting.unsolicited and setting.currency == "USD"
    assert cap_of(contract(price_cap_per_kwh=Decimal("0.7"))) == usd("0.7")
    assert broken(contract(), (need(), 0), (offer(), 1)) == []


def test_what_elects_the_defaults_has_the_hash_of_what_says_nothing() -> None:
    """So that a contract which was signed before there were these elections is the one that was signed."""
    said = contract(price_cap_per_kwh=None, interval_seconds=INTERVALS_SECONDS, unsolicited_offers=True)
    assert terms_hash(said) == terms_hash(contract())
    for other in (
        {"unsolicited_offers": False},
        {"interval_seconds": (900,)},
        {"price_cap_per_kwh": Decimal(1)},
    ):
        assert terms_hash(contract(**other)) != terms_hash(contract())
        assert signature(contract(**other)).terms == terms_hash(contract(**other))


@pytest.mark.rule("need.step")
@pytest.mark.rule("offer.step")
def test_interval_lengths_are_elected() -> None:
    quarters = contract(interval_seconds=(900,))
    assert broken(quarters, (need(), 0)) == ["need.step"]
    assert broken(quarters, (need(requested_kw=kw(*[9] * 8, step=900)), 0)) == []
    assert broken(quarters, (unsolicited(), 1)) == ["offer.step"]
    minutes = contract(interval_seconds=(60, 3600))
    assert broken(minutes, (need(requested_kw=kw(*[1] * 120, step=60)), 0)) == []


@pytest.mark.rule("need.cap")
@pytest.mark.rule("offer.above_cap")
def test_a_price_cap_is_elected() -> None:
    capped = contract(price_cap_per_kwh=Decimal("0.49"))
    assert broken(capped, (need(), 0)) == ["need.cap"]
    assert broken(capped, (need(price_cap=usd("0.50")), 0)) == ["need.cap"]
    asked = (need(price_cap=usd("0.49")), 0)
    assert broken(capped, asked, (offer(), 1)) == ["offer.above_cap"]
    assert broken(capped, asked, (offer(options=(option(price="0.49"),)), 1)) == []
    assert broken(capped, (unsolicited(), 1)) == ["offer.above_cap"]


@pytest.mark.rule("offer.unsolicited")
def test_unsolicited_offers_are_elected() -> None:
    asked_only = contract(unsolicited_offers=False)
    assert broken(asked_only, (unsolicited(), 1)) == ["offer.unsolicited"]
    assert broken(asked_only, (need(), 0), (offer(), 1)) == []


@pytest.mark.rule("order.price")
@pytest.mark.rule("need.step")
@pytest.mark.rule("offers.service_off")
@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({}, None),
        ({"price": usd("0.50")}, None),
        ({"price": usd("0.51")}, "order.price"),
        ({"price": replace(usd("0.50"), currency="EUR")}, "order.price"),
        ({"ordered_kw": kw(*[1] * 12, step=600)}, "need.step"),
        ({"service": Service.ENERGY}, "offers.service_off"),
    ],
)
def test_an_order_without_an_offer_keeps_the_cover_sheet(changes: dict[str, Any], rule: str | None) -> None:
    text = contract(price_cap_per_kwh=Decimal("0.50"), interval_seconds=(3600,))
    body = market.order(offer=None, offer_revision=None, option=None, confirmation=CALLED.confirmation)
    said = (CALLED, -1), (YES, -0.5), (replace(body, **{"price": usd("0.1"), **changes}), 1)
    assert broken(text, *said) == ([] if rule is None else [rule])


CALLED: Confirmation = deal(
    points=(market.P1,), term=market.WINDOW, contracted_kw=Kilowatts(Decimal(60)), aggregation=None
)
YES = ConfirmationResponse(confirmation=CALLED.confirmation, answer=ConfirmationAnswer.ACCEPTED)


@pytest.mark.parametrize(
    "bad",
    [
        {"price_cap_per_kwh": Decimal("-0.1")},
        {"interval_seconds": (900, 900)},
        {"interval_seconds": (901,)},
    ],
)
def test_an_election_that_means_nothing(bad: dict[str, Any]) -> None:
    with pytest.raises(RuleError):
        Elections(**bad).check()
