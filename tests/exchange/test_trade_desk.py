"""Where acts of the trade begin: the agreement one speaks under, what counts that is on its way, and keys of sealed offers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, AGREEMENT, UTILITY
from tests.exchange.test_simulate import Keys
from tests.exchange.test_trade import GSA, TEXT
from tests.exchange.test_trade_offers import NEED, OFFER, kw
from tests.exchange.trade_stage import Soon

from intertie.gateway.trading import trade_contract, trade_market, trade_registration
from intertie.gateway.trading.open_offers import due, open_sealed
from intertie.gateway.trading.sealed_ports import KeptKey
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.trading.trade_outage import points_of
from intertie.model.aggregation import AggregationRegistration, DerChange, DerState
from intertie.model.documents import example
from intertie.model.errors import Refused, SettingsError
from intertie.model.ids import AggregationId, AgreementId, DocumentName, PartyId
from intertie.model.message import Mode
from intertie.model.offers import Offer, RevocationReason
from intertie.model.system import OutageNotice

_, _REGISTERED = example(DocumentName("aggregation_registration"))
_, _NOTICE = example(DocumentName("outage_notice"))
assert isinstance(_REGISTERED, AggregationRegistration) and isinstance(_NOTICE, OutageNotice)
AGG = AggregationId("AGG")
SEALED = replace(NEED, need="N1")


def desk(two: Soon, party: PartyId, agreement: AgreementId | None = None) -> Desk:
    return Desk(two.gateways[party], AGGREGATOR if party == UTILITY else UTILITY, two.now, agreement)


def test_a_contract_made_here_goes_before_one_on_paper() -> None:
    two = Soon()
    assert desk(two, UTILITY).agreement == AGREEMENT
    with pytest.raises(SettingsError, match="was not signed through the gateway"):
        _ = desk(two, UTILITY).text
    two.agree()
    assert desk(two, UTILITY).agreement == GSA and desk(two, UTILITY).text == TEXT
    assert desk(two, UTILITY, AGREEMENT).agreement == AGREEMENT
    two.agree(replace(TEXT, agreement=AgreementId("GSA-2")))
    with pytest.raises(SettingsError, match="several agreements"):
        _ = desk(two, UTILITY).agreement
    assert desk(two, UTILITY).under(GSA).agreement == GSA


def test_each_side_says_what_is_its_to_say() -> None:
    two = Soon()
    two.agree()
    with pytest.raises(SettingsError, match=r"does not go from aggregator\.example to"):
        desk(two, AGGREGATOR).say(_NOTICE)
    with pytest.raises(Refused, match="not a partner"):
        Desk(two.gateways[UTILITY], PartyId("nobody.example"), two.now)


def test_revisions_count_what_is_on_its_way() -> None:
    two = Soon()
    two.agree()
    offered = trade_registration.Offered(_REGISTERED.services, two.now)
    trade_registration.register(desk(two, AGGREGATOR), AGG, offered, _REGISTERED.ders)
    two.carry(AGGREGATOR)
    for kw_now in ("4", "3"):
        limited = DerChange(der=_REGISTERED.ders[0].id, state=DerState.LIMITED, available_kw=Decimal(kw_now))  # type: ignore[arg-type]
        trade_registration.change(desk(two, AGGREGATOR), AGG, two.now, changed=[limited])
    waiting = desk(two, AGGREGATOR)
    assert (waiting.book.registry[AGG].revision, waiting.drafted.registry[AGG].revision) == (1, 3)
    two.settle()
    assert desk(two, UTILITY).book.registry[AGG].revision == 3
    assert two.digest(UTILITY) == two.digest(AGGREGATOR)


def test_what_is_said_together_is_folded_in_its_order() -> None:
    """As a result that follows its order in one parcel: ids of one millisecond would be in any order."""
    two = Soon()
    two.agree()
    ids = desk(two, UTILITY).say(
        *(replace(_NOTICE, outage=f"OUT-{n}") for n in range(20)), mode=Mode.SCHEDULED
    )
    assert ids == sorted(ids) and len(set(ids)) == 20


def test_points_behind_sections_need_a_model() -> None:
    two = Soon()
    two.agree()
    with pytest.raises(SettingsError, match="no point is named"):
        points_of(desk(two, UTILITY), (), ("S9",))


def sealed_offer(two: Soon, keys: Keys, offer: Offer = OFFER) -> None:
    trade_market.make_offer(desk(two, AGGREGATOR), offer, keys)
    two.settle_soon()


def test_a_key_goes_by_itself_after_the_gate_and_not_before() -> None:
    two, keys = Soon(), Keys()
    two.agree()
    gateway = two.gateways[AGGREGATOR]
    trade_market.publish(desk(two, UTILITY), SEALED)
    two.settle_soon()
    sealed_offer(two, keys)
    need = desk(two, AGGREGATOR).book.offers.needs["N1"]
    assert need.need.keys_by is not None
    assert SEALED.gate_closes < due(gateway, need) <= SEALED.gate_closes + timedelta(seconds=30)
    assert (
        open_sealed(gateway, keys, SEALED.gate_closes) == [] == open_sealed(gateway, keys, due(gateway, need))
    )
    two.now = due(gateway, need) + timedelta(seconds=1)
    assert len(open_sealed(gateway, keys, two.now)) == 1
    assert (
        open_sealed(gateway, keys, two.now) == [] and keys.kept
    )  # it is on its way: neither again, nor let go of
    two.settle_soon()
    open_sealed(gateway, keys, two.now)
    assert keys.kept == [] and desk(two, UTILITY).book.offers.offers["O1"].offer is not None


def test_keys_of_no_use_are_let_go_of() -> None:
    two, keys = Soon(), Keys()
    two.agree()
    gateway = two.gateways[AGGREGATOR]
    trade_market.publish(desk(two, UTILITY), SEALED)
    two.settle_soon()
    sealed_offer(two, keys)
    sealed_offer(two, keys, replace(OFFER, options=(replace(OFFER.options[0], offered_kw=kw(50, 40)),)))
    assert [key.revision for key in keys.kept] == [1, 2]
    open_sealed(gateway, keys, two.now)
    assert [key.revision for key in keys.kept] == [2]
    trade_market.revoke_offer(desk(two, AGGREGATOR), "O1", RevocationReason.SOLD_ELSEWHERE)
    two.settle_soon()
    open_sealed(gateway, keys, two.now)
    assert keys.kept == []
    sealed_offer(two, keys, replace(OFFER, offer="O2"))
    assert SEALED.keys_by is not None
    open_sealed(gateway, keys, SEALED.keys_by + timedelta(seconds=1))
    assert keys.kept == []


class Broken(Keys):
    """With one that cannot be read."""

    def all(self) -> Sequence[KeptKey | SettingsError]:
        return [SettingsError("unreadable", do="Mend it."), *self.kept]


def test_a_key_that_cannot_be_read_keeps_back_no_other() -> None:
    two, keys = Soon(), Broken()
    two.agree()
    trade_market.publish(desk(two, UTILITY), SEALED)
    two.settle_soon()
    sealed_offer(two, keys)
    need = desk(two, AGGREGATOR).book.offers.needs["N1"]
    two.now = due(two.gateways[AGGREGATOR], need) + timedelta(seconds=1)
    with pytest.raises(SettingsError, match="unreadable"):
        open_sealed(two.gateways[AGGREGATOR], keys, two.now)
    two.settle_soon()
    assert desk(two, UTILITY).book.offers.offers["O1"].offer is not None


def test_a_sealed_offer_that_is_refused_leaves_no_key() -> None:
    two, keys = Soon(), Keys()
    two.agree()
    trade_market.publish(desk(two, UTILITY), SEALED)
    two.settle_soon()
    two.now = SEALED.gate_closes + timedelta(seconds=1)
    with pytest.raises(Refused, match=r"offer.gate_closed"):
        trade_market.make_offer(desk(two, AGGREGATOR), OFFER, keys)
    assert keys.kept == []
    with pytest.raises(SettingsError, match="are sealed"):
        trade_market.make_offer(desk(two, AGGREGATOR), OFFER)


def test_signing_what_nobody_proposed() -> None:
    two = Soon()
    with pytest.raises(SettingsError, match="no contract"):
        trade_contract.sign(desk(two, UTILITY), GSA)
    two.agree()
    with pytest.raises(SettingsError, match="waits to be signed"):
        trade_contract.sign(desk(two, UTILITY), GSA)
