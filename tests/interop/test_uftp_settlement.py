"""FlexSettlement with `shapeshifter-uftp` from PyPI, unchanged: we settle with it, and it settles with us."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.exchange.house import trial_ca
from tests.exchange.test_translated_settlement import DAY, EVENT, STATEMENT
from tests.exchange.uftp_world import DEAL, NEED, OPTION, POINT, offer_to
from tests.interop.uftp_clocked import AGGREGATOR, UTILITY, Clocked, clocked
from tests.interop.uftp_house import PYTHON, SEED

from intertie.exchange.outbound import State
from intertie.gateway.ports import Query
from intertie.gateway.proving.export_evidence import export
from intertie.model.documents import read_message
from intertie.model.offers import Order
from intertie.model.settlement import PerformanceStatement
from intertie.run.verifiers import VERIFIERS
from intertie.seal.evidence_file import verify_file
from intertie.seal.sodium_sign import SodiumKey, write_public
from intertie.seal.translated_report import TranslatedReport

pytestmark = pytest.mark.skipif(
    PYTHON is None, reason="shapeshifter-uftp is not here: `make peers` installs it"
)
FLEX = (
    "isp_duration=XmlDuration('PT15M'), time_zone='America/New_York', period=XmlDate(2026, 1, 16), "
    f"congestion_point='{POINT}'"
)


@pytest.fixture(scope="module")
def utility() -> Iterator[Clocked]:
    with clocked(UTILITY) as it:
        yield it


@pytest.fixture(scope="module")
def aggregator() -> Iterator[Clocked]:
    with clocked(AGGREGATOR) as it:
        yield it


def ids(message: str, conversation: str) -> str:
    return f"message_id='{message}', conversation_id='{conversation}'"


def settled(order: str, price: str = "12.9500", penalty: str = "2.0000", net: str = "10.9500") -> str:
    """Of the order of 60, 40, 0 and 40 kW."""
    isps = ", ".join(
        f"FlexOrderSettlementISP(start={69 + n}, duration=1, baseline_power=100000, ordered_flex_power={-1000 * kw}, "
        f"actual_power=50000, delivered_flex_power={-500 * kw}, power_deficiency={500 * kw})"
        for n, kw in enumerate((60, 40, 0, 40))
    )
    return (
        f"FlexOrderSettlement(order_reference='{order}', period=XmlDate(2026, 1, 16), contract_id='{DEAL.confirmation}', "
        f"baseline_reference='high_5_of_10', congestion_point='{POINT}', price=Decimal('{price}'), "
        f"penalty=Decimal('{penalty}'), net_settlement=Decimal('{net}'), isps=[{isps}])"
    )


def settlement(message: str, *orders: str, day: str = "XmlDate(2026, 1, 16)") -> str:
    contract = (
        f"ContractSettlement(contract_id='{DEAL.confirmation}', periods=[ContractSettlementPeriod(period="
        "XmlDate(2026, 1, 16), isps=[ContractSettlementISP(start=69, duration=1, reserved_power=50000)])])"
    )
    return (
        f"FlexSettlement({ids(message, str(uuid.uuid4()))}, period_start={day}, period_end={day}, currency='USD', "
        f"flex_order_settlements=[{', '.join(orders)}], contract_settlements=[{contract}])"
    )


def test_we_settle_an_order_of_its_offer_and_it_accepts_disputes_and_rejects(utility: Clocked) -> None:
    conversation = str(uuid.uuid4())
    request, state = utility.say(NEED, conversation)
    assert state == (State.ACCEPTED, "")
    isps = ", ".join(
        f"FlexOfferOptionISP(power={-1000 * kw}, start={69 + n}, duration=1)"
        for n, kw in enumerate((60, 40, 0, 40))
        if kw
    )
    offer = (
        f"FlexOffer({FLEX}, {ids(str(uuid.uuid4()), conversation)}, expiration_date_time='2026-01-16T22:00:00Z', "
        f"currency='USD', flex_request_message_id='{request}', offer_options=[FlexOfferOption(option_reference='1', "
        f"price=Decimal('12.95'), min_activation_factor=Decimal('1.00'), isps=[{isps}])])"
    )
    assert utility.hear(offer, "FlexOfferResponse")["result"] == "Accepted"
    (offered,) = utility.two.book(UTILITY).offers.offers.values()
    assert offered.offer is not None
    order = Order(
        order="D1",
        service=NEED.service,
        points=NEED.points,
        window=NEED.window,
        ordered_kw=offered.offer.options[0].offered_kw,
        price=offered.offer.options[0].price,
        offer=offered.name,
        offer_revision=1,
        option=1,
        confirmation=DEAL.confirmation,
    )
    assert utility.say(order, conversation)[1] == (State.ACCEPTED, "")
    utility.two.now = DAY.end + timedelta(hours=9)
    assert utility.say(STATEMENT, str(uuid.uuid4()))[1] == (State.ACCEPTED, "")
    theirs = utility.peer.message("FlexSettlement")
    (one,) = theirs["flex_order_settlements"]
    assert (one["order_reference"], Decimal(one["price"]), Decimal(one["net_settlement"])) == (
        "D1",
        Decimal("12.95"),
        Decimal("10.10"),
    )
    assert [isp["delivered_flex_power"] for isp in one["isps"]] == [-60_000, -40_000, 0, -20_000]
    assert theirs["contract_settlements"][0]["contract_id"] == DEAL.confirmation
    utility.peer.ask(disposition="Disputed", dispute="our meter says more")
    again = replace(STATEMENT, statement="PS-2", corrects="PS-1")
    assert utility.say(again, str(uuid.uuid4()))[1] == (
        State.ACCEPTED,
        "disputed: D1 (our meter says more)",
    )
    utility.peer.ask(result="Rejected", reason="PeriodEnd rejected")
    last = replace(STATEMENT, statement="PS-3", corrects="PS-2")
    assert utility.say(last, str(uuid.uuid4()))[1] == (State.REFUSED, "trade_rule: PeriodEnd rejected")


def test_it_settles_what_it_ordered_of_us_twice_and_wrongly(aggregator: Clocked) -> None:
    conversation, us = str(uuid.uuid4()), aggregator
    request = (
        f"FlexRequest({FLEX}, {ids(str(uuid.uuid4()), conversation)}, revision=1, "
        "expiration_date_time='2026-01-15T18:00:00Z', isps=[FlexRequestISP(disposition=AvailableRequested.REQUESTED, "
        "min_power=-100000, max_power=0, start=69, duration=4)])"
    )
    assert us.hear(request, "FlexRequestResponse")["result"] == "Accepted"
    message, state = us.say(offer_to(us.two), conversation)
    assert state == (State.ACCEPTED, "")
    isps = ", ".join(
        f"FlexOrderISP(power={-1000 * kw}, start={69 + n}, duration=1)"
        for n, kw in enumerate((60, 40, 0, 40))
        if kw
    )
    order = (
        f"FlexOrder({FLEX}, {ids(str(uuid.uuid4()), conversation)}, flex_offer_message_id='{message}', "
        f"contract_id='{DEAL.confirmation}', price=Decimal('12.95'), currency='USD', order_reference='T-1', "
        f"option_reference='{OPTION.option}', isps=[{isps}])"
    )
    assert us.hear(order, "FlexOrderResponse")["result"] == "Accepted"
    us.two.now = DAY.end + timedelta(hours=9)
    name, answers = str(uuid.uuid4()), []
    said = settlement(name, settled("T-1"))
    at = (us.now + timedelta(seconds=1)).isoformat().replace("+00:00", "Z")
    for _ in range(2):
        assert us.peer.send(f"{said[:-1]}, time_stamp='{at}')") == 200
        us.deliver()
        answers.append(us.peer.message("FlexSettlementResponse"))
    assert answers[0] == answers[1]
    assert (answers[0]["result"], answers[0]["flex_settlement_message_id"]) == ("Accepted", name)
    (status,) = answers[0]["flex_order_settlement_statuses"]
    assert (status["order_reference"], status["disposition"]) == ("T-1", "Accepted")
    rows = us.gateway.store.messages(Query(outgoing=False))
    _, body = read_message(rows[-1].body)
    assert isinstance(body, PerformanceStatement)
    assert body.events[0].performance_factor == Decimal("0.5")
    assert body.events[0].asked_kw.total() == EVENT.asked_kw.total()
    assert sum(line.amount for line in body.lines) == Decimal("10.95")
    assert sum(row.document == "performance_statement" for row in rows) == 1
    disputed = us.hear(
        settlement(str(uuid.uuid4()), settled("T-1", price="9.0000", net="7.0000")), "FlexSettlementResponse"
    )
    (status,) = disputed["flex_order_settlement_statuses"]  # type: ignore[misc]
    assert (status["disposition"], status["dispute_reason"]) == (
        "Disputed",
        "Price is not the order's 12.9500",
    )
    missing = us.hear(settlement(str(uuid.uuid4()), settled("T-9")), "FlexSettlementResponse")
    assert missing["result"] == "Rejected"
    assert str(missing["rejection_reason"]).startswith("Missing Settlement Items")
    assert us.two.book(AGGREGATOR).counted.keys() == {"T-1"}
    # What the library signed, and what we answered, stands for a third person.
    proved = verify_file(
        export(us.gateway, rows[-1].id, us.now), trial_ca().trust(), us.now, verifiers=VERIFIERS
    )
    assert isinstance(proved, TranslatedReport)
    assert (proved.document, proved.answered) == ("performance_statement", "Accepted")
    sent = verify_file(export(us.gateway, message, us.now), trial_ca().trust(), us.now, verifiers=VERIFIERS)
    assert isinstance(sent, TranslatedReport)
    assert sent.answer_key == write_public(SodiumKey.of_seed(SEED.encode()).public)
