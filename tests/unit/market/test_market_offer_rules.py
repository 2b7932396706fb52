"""Every rule of needs, offers and orders: a story that keeps all of them, and the one message that breaks this one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from market_cases import DEAL
from offer_world import (
    P1,
    P2,
    SELLER,
    SETTING,
    START,
    UTILITY,
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

from intertie.market import offer_rules
from intertie.market import offers as family
from intertie.market.event import Broken, Event
from intertie.market.offer_setting import Setting
from intertie.model.contract import Direction, Service
from intertie.model.ids import ConversationId, MessageId
from intertie.model.interval import Window
from intertie.model.offers import (
    Clearing,
    CounterAnswer,
    CounterVerdict,
    LossReason,
    NeedWithdrawal,
    Offer,
    OfferResult,
    OfferRevocation,
    OfferVerdict,
    Order,
    RevocationReason,
    WithdrawalReason,
)
from intertie.model.quantity import Money


def withdrawal(revision: int = 1) -> NeedWithdrawal:
    return NeedWithdrawal(need="N1", revision=revision, reason=WithdrawalReason.NO_LONGER_NEEDED)


def revocation(name: str = "O1", revision: int = 1) -> OfferRevocation:
    return OfferRevocation(offer=name, revision=revision, reason=RevocationReason.SOLD_ELSEWHERE)


def answer(verdict: CounterVerdict = CounterVerdict.ACCEPTED, name: str = "C1") -> CounterAnswer:
    return CounterAnswer(counter=name, verdict=verdict)


def lost(name: str = "O1", reason: LossReason = LossReason.PRICE) -> OfferResult:
    return OfferResult(offer=name, revision=1, verdict=OfferVerdict.NOT_AWARDED, reason=reason)


N, BID = event(need(), 0), event(offer(), 1)
SN = event(need(sealed=True), 0)
BOX, KEY = sealed()
SO = event(BOX, 1)
OTHER_BOX, OTHER_KEY = sealed(offer(offer="O2"))
NAMED_OTHERWISE, ITS_KEY = sealed(offer(offer="O9"), offer="O1")
DEAR_BOX, DEAR_KEY = sealed(offer(options=(option(price="2"),)))
UNIFORM = event(need(clearing=Clearing.UNIFORM, price_cap=usd(1)), 0)
CAPPED = event(need(price_cap=usd("0.60")), 0)
U = event(unsolicited(), 1, conversation=ConversationId("conv-u"))
EUR = Money(amount=Decimal(1), currency="EUR")
SECOND = event(offer(offer="O2", options=(option(series=kw(60, 50)),)), 1.5)


def renamed(one: Event, conversation: str | None) -> Event:
    return one._replace(conversation=None if conversation is None else ConversationId(conversation))


def declared(much: int) -> Setting:
    return SETTING._replace(declared=lambda *_: Decimal(much))


AGG: dict[str, Any] = {"aggregation": "AGG-1"}


def called(name: str = "D1", **changes: Any) -> Order:
    """A call under the deal K."""
    return order(
        **{
            "order": name,
            "offer": None,
            "offer_revision": None,
            "option": None,
            "confirmation": "K",
            **changes,
        }
    )


def under(kilowatts: int = 120, **changes: Any) -> Setting:
    """A deal K at one point, for two hours."""
    terms = {"confirmation": "K", "points": (P1,), "term": WINDOW, "contracted_kw": Decimal(kilowatts)}
    deal = changed(DEAL, {**terms, **changes})
    return SETTING._replace(confirmations=frozenset({"K"}), deals={"K": deal})


# rule, what went before, the message that breaks it, and the setting where it is not the usual one.
CASES: list[tuple[str, list[Event], Event, Setting]] = [
    ("offers.wrong_side", [], N._replace(sender=SELLER, recipient=UTILITY), SETTING),
    ("offers.wrong_side", [N], BID._replace(sender=UTILITY, recipient=SELLER), SETTING),
    ("offers.no_conversation", [], renamed(N, None), SETTING),
    ("offers.no_conversation", [], renamed(U, None), SETTING),
    ("offers.other_conversation", [N], renamed(BID, "conv-2"), SETTING),
    ("offers.other_conversation", [N, BID], event(revocation(), 1.5, conversation=None), SETTING),
    ("offers.other_conversation", [N], event(need(revision=2), 1, conversation=None), SETTING),
    ("offers.conversation_in_use", [N], event(need(need="N2"), 0.5), SETTING),
    ("offers.conversation_in_use", [N], event(unsolicited(), 0.5), SETTING),
    ("offers.other_message", [N], BID._replace(in_reply_to=MessageId("another")), SETTING),
    ("offers.service_off", [], event(need(service=Service.ENERGY), 0), SETTING),
    ("offers.service_off", [], event(unsolicited(service=Service.ENERGY), 1), SETTING),
    ("need.already_submitted", [N], event(need(), 0.5), SETTING),
    ("need.stale_revision", [event(need(revision=3), 0)], event(need(revision=2), 0.5), SETTING),
    ("need.step", [], event(need(requested_kw=kw(*[1] * 120, step=60)), 0), SETTING),
    ("need.zone", [], N, SETTING._replace(zone="America/Chicago")),
    ("need.point", [], N, SETTING._replace(points=frozenset({P1}))),
    ("need.period", [], event(need(), 8), SETTING),
    ("need.gate", [], event(need(gate_closes=at(-1)), 0), SETTING),
    ("need.gate", [], event(need(gate_closes=at(0)), 0), SETTING),
    ("need.gate", [], event(need(decide_by=at(1)), 0), SETTING),
    ("need.gate", [], event(need(sealed=True, keys_by=at(6)), 0), SETTING),
    ("need.gate", [], event(need(decide_by=at(8.5)), 0), SETTING),
    ("need.cap", [], N, SETTING._replace(price_cap=usd(1))),
    ("need.cap", [], event(need(price_cap=usd(2)), 0), SETTING._replace(price_cap=usd(1))),
    ("need.gate_closed", [N], event(need(revision=2), 2.1), SETTING),
    ("need.unknown", [N], event(withdrawal(revision=2), 1), SETTING),
    ("need.unknown", [N], event(result(revision=2), 6), SETTING),
    ("need.ended", [N, event(withdrawal(), 1)], event(withdrawal(), 1.5), SETTING),
    ("need.ended", [N, event(withdrawal(), 1)], event(need(revision=2), 1.5), SETTING),
    ("need.ended", [N, event(result(), 3)], event(result(), 4), SETTING),
    ("need.ordered", [N, BID, event(order(), 3)], event(withdrawal(), 4), SETTING),
    ("offer.already_submitted", [N, BID], event(offer(), 1.5), SETTING),
    ("offer.stale_revision", [N, event(offer(revision=2), 1)], event(offer(), 1.5), SETTING),
    ("offer.unknown_need", [N], event(offer(need="N8"), 1), SETTING),
    ("offer.need_revised", [N, event(need(revision=2), 0.5)], BID, SETTING),
    ("offer.other_need", [N, BID], event(unsolicited(offer="O1", revision=2), 1.5), SETTING),
    ("offer.need_ended", [N, event(withdrawal(), 0.5)], BID, SETTING),
    ("offer.gate_closed", [N], event(offer(), 2.001), SETTING),
    ("offer.gate_closed", [SN], event(BOX, 2.001), SETTING),
    ("offer.must_be_sealed", [SN], BID, SETTING),
    ("offer.must_be_open", [N], SO, SETTING),
    ("offer.period", [], event(unsolicited(), 8), SETTING),
    ("offer.product", [N], event(offer(direction=Direction.DOWN), 1), SETTING),
    ("offer.product", [N], event(offer(service=Service.RELIABILITY), 1), SETTING),
    ("offer.step", [N], event(offer(options=(option(series=kw(9, 9, 9, 9, step=1800)),)), 1), SETTING),
    (
        "offer.step",
        [],
        event(unsolicited(options=(option(series=kw(*[1] * 120, step=60)),)), 1),
        SETTING,
    ),
    ("offer.point", [N], event(offer(points=("F13-T1",)), 1), SETTING),
    ("offer.point", [], event(unsolicited(points=("F13-T1",)), 1), SETTING._replace(points=frozenset({P1}))),
    ("offer.intervals", [event(need(requested_kw=kw(100, None)), 0)], BID, SETTING),
    ("offer.intervals", [N], event(offer(options=(option(series=kw(0, None)),)), 1), SETTING),
    ("offer.above_cap", [CAPPED], event(offer(options=(option(price="0.61"),)), 1), SETTING),
    ("offer.above_cap", [], U, SETTING._replace(price_cap=usd("0.4"))),
    (
        "offer.above_cap",
        [event(need(sealed=True, price_cap=usd(1)), 0), event(DEAR_BOX, 1)],
        event(DEAR_KEY, 2.5),
        SETTING,
    ),
    ("offer.currency", [N], event(offer(options=(changed(option(), {"price": EUR}),)), 1), SETTING),
    ("offer.currency", [], N, SETTING._replace(currency="EUR")),
    ("offer.too_small", [event(need(min_offer_kw=Decimal(61)), 0)], BID, SETTING),
    ("offer.expiry", [N], event(offer(valid_until=at(4)), 1), SETTING),
    ("offer.expiry", [N], event(offer(valid_until=at(11)), 1), SETTING),
    ("offer.expiry", [], event(unsolicited(valid_until=at(1)), 1), SETTING),
    ("offer.unsolicited", [], U, SETTING._replace(unsolicited=False)),
    ("offer.unknown_aggregation", [N], event(offer(**AGG), 1), SETTING._replace(aggregations=frozenset())),
    (
        "offer.unknown_availability",
        [N],
        event(offer(availability=MessageId("a")), 1),
        SETTING._replace(availabilities=frozenset()),
    ),
    (
        "offer.unknown_confirmation",
        [N],
        event(offer(confirmation="K"), 1),
        SETTING._replace(confirmations=frozenset()),
    ),
    ("offer.ended", [N, BID, event(revocation(), 1.2)], event(revocation(), 1.4), SETTING),
    ("offer.ended", [N, BID, event(revocation(), 1.2)], event(offer(revision=2), 1.4), SETTING),
    ("offer.ended", [N, BID, event(order(), 3)], event(revocation(), 3.5), SETTING),
    ("offer.ended", [N, BID, event(order(), 3)], event(order(order="D2"), 3.5), SETTING),
    ("offer.ended", [N, BID, event(revocation(), 1.2)], event(order(), 3), SETTING),
    ("offer.unknown", [N, BID], event(revocation("O2"), 1.2), SETTING),
    ("offer.unknown", [N, BID, event(offer(revision=2), 1.2)], event(order(), 3), SETTING),
    ("offer.binding", [SN, SO], event(revocation(), 2.5), SETTING),
    ("offer.expired", [N, BID], event(revocation(), 5.1), SETTING),
    ("offer.expired", [N, BID], event(order(), 5.1), SETTING),
    ("key.before_gate", [SN, SO], event(KEY, 2), SETTING),
    ("key.too_late", [SN, SO], event(KEY, 3.1), SETTING),
    ("key.not_sealed", [N, BID], event(KEY, 2.5), SETTING),
    ("key.not_sealed", [SN, SO, event(KEY, 2.2)], event(KEY, 2.5), SETTING),
    ("key.wrong", [SN, SO], event(changed(OTHER_KEY, {"offer": "O1"}), 2.5), SETTING),
    ("key.wrong", [SN, SO], event(changed(KEY, {"salt": OTHER_KEY.salt}), 2.5), SETTING),
    (
        "key.wrong",
        [SN, event(changed(OTHER_BOX, {"offer": "O1"}), 1)],
        event(changed(OTHER_KEY, {"offer": "O1"}), 2.5),
        SETTING,
    ),
    ("key.other_offer", [SN, event(NAMED_OTHERWISE, 1)], event(ITS_KEY, 2.5), SETTING),
    ("counter.already_submitted", [N, BID, event(counter(), 3)], event(counter(order="D8"), 3.5), SETTING),
    ("counter.already_submitted", [N, BID, event(counter(), 3)], event(counter(counter="C2"), 3.5), SETTING),
    ("counter.sealed", [SN, SO, event(KEY, 2.5)], event(counter(), 3), SETTING),
    ("counter.uniform", [UNIFORM, BID], event(counter(), 3), SETTING),
    ("counter.period", [N, BID], event(counter(ordered_kw=kw(9, 9, 9, 9, step=1800)), 3), SETTING),
    ("counter.expiry", [N, BID], event(counter(valid_until=at(3)), 3), SETTING),
    ("counter.expiry", [N, BID], event(counter(valid_until=at(6)), 3), SETTING),
    ("counter.price", [CAPPED, BID], event(counter(price=usd("0.7")), 3), SETTING),
    ("counter.price", [N, BID], event(counter(price=EUR), 3), SETTING),
    ("counter.unknown", [N, BID], event(answer(), 3), SETTING),
    (
        "counter.unknown",
        [N, BID, event(counter(), 3), event(answer(CounterVerdict.DECLINED), 3.2)],
        event(answer(), 3.5),
        SETTING,
    ),
    (
        "counter.unknown",
        [
            U,
            renamed(event(counter(offer="U1"), 3), "conv-u"),
            renamed(event(revocation("U1"), 3.1), "conv-u"),
        ],
        renamed(event(answer(), 3.5), "conv-u"),
        SETTING,
    ),
    ("counter.expired", [N, BID, event(counter(), 3)], event(answer(), 4.1), SETTING),
    (
        "order.already_submitted",
        [N, BID, SECOND, event(order(ordered_kw=kw(9, 9)), 3)],
        event(order(offer="O2"), 3.5),
        SETTING,
    ),
    ("order.already_submitted", [N, BID, event(counter(), 3)], event(order(order="D7"), 3.5), SETTING),
    ("order.not_opened", [SN, SO], event(order(), 3.5), SETTING),
    ("order.unknown_option", [N, BID], event(order(option=2), 3), SETTING),
    ("order.before_gate", [N, BID], event(order(), 1.5), SETTING),
    ("order.before_gate", [N, BID], event(counter(), 1.5), SETTING),
    ("order.too_late", [N, event(offer(valid_until=at(7)), 1)], event(order(), 5.5), SETTING),
    ("order.terms", [N, BID], event(order(points=("F12-T9",)), 3), SETTING),
    ("order.terms", [N, BID], event(order(direction=Direction.DOWN), 3), SETTING),
    ("order.terms", [N, BID], event(order(ordered_kw=kw(9, 9, 9, 9, step=1800)), 3), SETTING),
    ("order.more_than_offered", [N, BID], event(order(ordered_kw=kw(61, 40)), 3), SETTING),
    (
        "order.less_than_minimum",
        [N, event(offer(options=(option(fraction="0.5"),)), 1)],
        event(order(ordered_kw=kw(29, 40)), 3),
        SETTING,
    ),
    ("order.price", [N, BID], event(order(price=usd("0.51")), 3), SETTING),
    ("order.price", [N, BID], event(order(price=EUR), 3), SETTING),
    ("order.price", [N, BID], event(order(price=changed(EUR, {"amount": Decimal("0.50")})), 3), SETTING),
    ("order.price", [UNIFORM, BID], event(order(price=usd("0.49")), 3), SETTING),
    ("order.price", [UNIFORM, BID], event(order(price=usd("1.01")), 3), SETTING),
    (
        "order.two_prices",
        [UNIFORM, BID, SECOND, event(order(ordered_kw=kw(9, 9)), 3)],
        event(order(order="D2", offer="O2", ordered_kw=kw(9, 9), price=usd("0.6")), 3.5),
        SETTING,
    ),
    (
        "order.more_than_needed",
        [N, BID, SECOND, event(order(), 3)],
        event(order(order="D2", offer="O2", ordered_kw=kw(41, 40)), 3.5),
        SETTING,
    ),
    ("order.without_offer", [], event(order(offer=None, offer_revision=None, option=None), 3), SETTING),
    (
        "order.without_offer",
        [],
        event(order(offer=None, offer_revision=None, option=None, confirmation="K"), 3),
        SETTING._replace(confirmations=frozenset({"L"})),
    ),
    (
        "need.point",
        [],
        event(order(offer=None, offer_revision=None, option=None, confirmation="K", points=("F13-T1",)), 3),
        SETTING._replace(confirmations=frozenset({"K"}), points=frozenset({P1})),
    ),
    ("order.deal_product", [], event(called(service=Service.RELIABILITY), 3), under()),
    ("order.deal_product", [], event(called(direction=Direction.DOWN), 3), under()),
    ("order.deal_product", [], event(called(points=(P1, P2)), 3), under()),
    (
        "order.deal_product",
        [N, event(offer(), 1)],
        event(order(confirmation="K"), 3),
        under(service=Service.RELIABILITY),
    ),
    ("order.deal_term", [], event(called(), 3), under(term=Window(start=at(0), end=at(1)))),
    ("order.deal_power", [], event(called(), 3), under(kilowatts=59)),
    ("order.deal_power", [event(called(), 3)], event(called(order="D2"), 3.5), under(kilowatts=119)),
    (
        "order.deal_power",
        [N, BID, renamed(event(called("D0"), 3), "conv-k")],
        event(order(confirmation="K"), 3.5),
        under(kilowatts=119),
    ),
    ("order.period", [U], renamed(event(order(offer="U1"), 8), "conv-u"), SETTING),
    ("order.interval_conflict", [N, event(offer(**AGG), 1)], event(order(), 3), declared(59)),
    (
        "order.interval_conflict",
        [N, event(offer(**AGG), 1), event(counter(), 3)],
        event(CounterAnswer(counter="C1", verdict=CounterVerdict.ACCEPTED), 3.5),
        declared(49),
    ),
    (
        "order.interval_conflict",
        [
            N,
            event(offer(**AGG), 1),
            event(offer(offer="O2", **AGG), 1.1),
            event(order(ordered_kw=kw(40, 40)), 3),
        ],
        event(order(order="D2", offer="O2", ordered_kw=kw(21, 0)), 3.5),
        declared(60),
    ),
    ("result.too_early", [N, BID], event(result(offers=(lost(),)), 2), SETTING),
    ("result.too_early", [SN, SO], event(result(offers=(lost(),)), 3), SETTING),
    ("result.offers", [N, BID], event(result(), 6), SETTING),
    ("result.offers", [N], event(result(offers=(lost(),)), 6), SETTING),
    ("result.verdict", [N, BID, event(order(), 3)], event(result(offers=(lost(),)), 6), SETTING),
    (
        "result.price",
        [UNIFORM, BID, event(order(price=usd("0.8")), 3)],
        event(
            result(
                offers=(OfferResult(offer="O1", revision=1, verdict=OfferVerdict.AWARDED, order="D1"),),
                clearing_price=usd("0.7"),
            ),
            6,
        ),
        SETTING,
    ),
]


CASE = ("rule", "before", "broken", "setting")


def of(family_name: str) -> list[tuple[str, list[Event], Event, Setting]]:
    return [case for case in CASES if case[0].partition(".")[0] == family_name]


def breaks(rule: str, before: list[Event], broken: Event, setting: Setting) -> None:
    """The rule is named, and the refusal changes nothing."""
    book = play(before, setting)
    with pytest.raises(Broken) as caught:
        family.apply(book, broken, setting)
    assert caught.value.rule.name == rule, caught.value
    assert play(before, setting) == book


@pytest.mark.rule("offers.wrong_side")
@pytest.mark.rule("offers.no_conversation")
@pytest.mark.rule("offers.other_conversation")
@pytest.mark.rule("offers.conversation_in_use")
@pytest.mark.rule("offers.other_message")
@pytest.mark.rule("offers.service_off")
@pytest.mark.parametrize(CASE, of("offers"), ids=lambda value: value if isinstance(value, str) else "")
def test_rules_of_sides_and_conversations(
    rule: str, before: list[Event], broken: Event, setting: Setting
) -> None:
    breaks(rule, before, broken, setting)


@pytest.mark.rule("need.already_submitted")
@pytest.mark.rule("need.stale_revision")
@pytest.mark.rule("need.step")
@pytest.mark.rule("need.zone")
@pytest.mark.rule("need.point")
@pytest.mark.rule("need.period")
@pytest.mark.rule("need.gate")
@pytest.mark.rule("need.cap")
@pytest.mark.rule("need.gate_closed")
@pytest.mark.rule("need.unknown")
@pytest.mark.rule("need.ended")
@pytest.mark.rule("need.ordered")
@pytest.mark.parametrize(CASE, of("need"), ids=lambda value: value if isinstance(value, str) else "")
def test_rules_of_needs(rule: str, before: list[Event], broken: Event, setting: Setting) -> None:
    breaks(rule, before, broken, setting)


@pytest.mark.rule("offer.already_submitted")
@pytest.mark.rule("offer.stale_revision")
@pytest.mark.rule("offer.unknown_need")
@pytest.mark.rule("offer.other_need")
@pytest.mark.rule("offer.need_revised")
@pytest.mark.rule("offer.need_ended")
@pytest.mark.rule("offer.gate_closed")
@pytest.mark.rule("offer.must_be_sealed")
@pytest.mark.rule("offer.must_be_open")
@pytest.mark.rule("offer.period")
@pytest.mark.rule("offer.product")
@pytest.mark.rule("offer.step")
@pytest.mark.rule("offer.point")
@pytest.mark.rule("offer.intervals")
@pytest.mark.rule("offer.above_cap")
@pytest.mark.rule("offer.currency")
@pytest.mark.rule("offer.too_small")
@pytest.mark.rule("offer.expiry")
@pytest.mark.rule("offer.unsolicited")
@pytest.mark.rule("offer.unknown_aggregation")
@pytest.mark.rule("offer.unknown_availability")
@pytest.mark.rule("offer.unknown_confirmation")
@pytest.mark.rule("offer.ended")
@pytest.mark.rule("offer.unknown")
@pytest.mark.rule("offer.binding")
@pytest.mark.rule("offer.expired")
@pytest.mark.parametrize(CASE, of("offer"), ids=lambda value: value if isinstance(value, str) else "")
def test_rules_of_offers(rule: str, before: list[Event], broken: Event, setting: Setting) -> None:
    breaks(rule, before, broken, setting)


@pytest.mark.rule("key.before_gate")
@pytest.mark.rule("key.too_late")
@pytest.mark.rule("key.not_sealed")
@pytest.mark.rule("key.wrong")
@pytest.mark.rule("key.other_offer")
@pytest.mark.parametrize(CASE, of("key"), ids=lambda value: value if isinstance(value, str) else "")
def test_rules_of_keys(rule: str, before: list[Event], broken: Event, setting: Setting) -> None:
    breaks(rule, before, broken, setting)


@pytest.mark.rule("counter.already_submitted")
@pytest.mark.rule("counter.sealed")
@pytest.mark.rule("counter.uniform")
@pytest.mark.rule("counter.period")
@pytest.mark.rule("counter.expiry")
@pytest.mark.rule("counter.price")
@pytest.mark.rule("counter.unknown")
@pytest.mark.rule("counter.expired")
@pytest.mark.parametrize(CASE, of("counter"), ids=lambda value: value if isinstance(value, str) else "")
def test_rules_of_counters(rule: str, before: list[Event], broken: Event, setting: Setting) -> None:
    breaks(rule, before, broken, setting)


@pytest.mark.rule("order.already_submitted")
@pytest.mark.rule("order.not_opened")
@pytest.mark.rule("order.unknown_option")
@pytest.mark.rule("order.before_gate")
@pytest.mark.rule("order.too_late")
@pytest.mark.rule("order.terms")
@pytest.mark.rule("order.more_than_offered")
@pytest.mark.rule("order.less_than_minimum")
@pytest.mark.rule("order.price")
@pytest.mark.rule("order.two_prices")
@pytest.mark.rule("order.more_than_needed")
@pytest.mark.rule("order.without_offer")
@pytest.mark.rule("order.deal_product")
@pytest.mark.rule("order.deal_term")
@pytest.mark.rule("order.deal_power")
@pytest.mark.rule("order.period")
@pytest.mark.rule("order.interval_conflict")
@pytest.mark.parametrize(CASE, of("order"), ids=lambda value: value if isinstance(value, str) else "")
def test_rules_of_orders(rule: str, before: list[Event], broken: Event, setting: Setting) -> None:
    breaks(rule, before, broken, setting)


@pytest.mark.rule("result.too_early")
@pytest.mark.rule("result.offers")
@pytest.mark.rule("result.verdict")
@pytest.mark.rule("result.price")
@pytest.mark.parametrize(CASE, of("result"), ids=lambda value: value if isinstance(value, str) else "")
def test_rules_of_results(rule: str, before: list[Event], broken: Event, setting: Setting) -> None:
    breaks(rule, before, broken, setting)


def test_every_rule_has_a_case() -> None:
    names = {rule.name for rule in offer_rules.RULES}
    assert len(names) == len(offer_rules.RULES)
    assert names == {case[0] for case in CASES}


def test_every_rejection_reason_of_uftp_about_content_is_a_rule() -> None:
    """The others are refusals of the gateway (docs/market.md says which)."""
    said = " ".join(rule.source for rule in offer_rules.RULES)
    reasons = [
        "Invalid SenderRole",
        "Invalid Message",
        "Duplicate Identifier",
        "Already Submitted",
        "ISP duration rejected",
        "TimeZone rejected",
        "Invalid CongestionPoint",
        "MessageID",
        "Reference Period mismatch",
        "Reference message expired",
        "Reference message revoked",
        "ISPs out of bounds",
        "ISP conflict",
        "Period out of bounds",
        "ExpirationDateTime out of bounds",
        "Missing Settlement Items",
    ]
    assert [reason for reason in reasons if reason not in said] == []


@pytest.mark.rule("offer.period")
def test_an_offer_for_another_period_than_the_need() -> None:
    series = changed(kw(60, 40), {"start": START.replace(hour=21)})
    other = Window(start=series.start, end=series.end)
    elsewhere = Offer(
        offer="O1",
        service=Service.DIST_CAPACITY,
        points=(P1,),
        window=other,
        options=(option(series=series),),
        valid_until=at(5),
        need="N1",
        need_revision=1,
    )
    assert other != WINDOW
    with pytest.raises(Broken) as caught:
        family.apply(play([N]), event(elsewhere, 1), SETTING)
    assert caught.value.rule is offer_rules.OFFER_PERIOD


@pytest.mark.rule("order.before_gate")
def test_a_need_that_takes_orders_early() -> None:
    """As UFTP has it: the buyer orders as soon as it likes an offer."""
    early = [event(need(early_orders=True), 0), BID]
    assert set(play([*early, event(order(), 1.5)], SETTING).orders) == {"D1"}
