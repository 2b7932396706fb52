"""UFTP with `shapeshifter-uftp` from PyPI, unchanged: as aggregator against our utility, and as DSO against our aggregator."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace
from tests.exchange.uftp_world import POINT
from tests.interop.uftp_house import OURS, PYTHON, THEIRS, House, house

from intertie.exchange.outbound import State
from intertie.gateway.ports import Query
from intertie.market.offer_state import OfferPhase
from intertie.model.availability import LoadPrognosis
from intertie.model.contract import Service
from intertie.model.documents import read_message
from intertie.model.interval import IntervalSeries, Window
from intertie.model.offers import Need, Offer, OfferOption, OfferRevocation, Order, RevocationReason
from intertie.model.quantity import Money, Unit

pytestmark = pytest.mark.skipif(
    PYTHON is None, reason="shapeshifter-uftp is not here: `make peers` installs it"
)
ZONE = "America/New_York"
NOW = datetime.now(UTC)
# Tomorrow at five in the afternoon: ISP 69 of a day of quarter hours that has no change of clocks before it.
DAY = (NOW.astimezone(ZoneInfo(ZONE)) + timedelta(days=2)).date()
START = datetime(DAY.year, DAY.month, DAY.day, 17, tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
FIRST = 69
SERIES = IntervalSeries(start=START, step_seconds=900, unit=Unit.KW, power_of_ten=0, values=(100, 100, 80))
WINDOW = Window(start=START, end=SERIES.end)
NEED = Need(
    need="N1",
    service=Service.DIST_CAPACITY,
    points=(POINT,),
    window=WINDOW,
    zone=ZONE,
    requested_kw=SERIES,
    gate_closes=NOW + timedelta(hours=6),
    decide_by=START,
    currency="USD",
    early_orders=True,
)
FLEX = (
    f"isp_duration=XmlDuration('PT15M'), time_zone='{ZONE}', "
    f"period=XmlDate({DAY.year}, {DAY.month}, {DAY.day}), congestion_point='{POINT}'"
)


def usd(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="USD")


def ids(message: str, conversation: str) -> str:
    return f"message_id='{message}', conversation_id='{conversation}'"


def stamp(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def offer(
    message: str,
    conversation: str,
    request: str,
    powers: str,
    expires: datetime = START,
    price: str = "12.30",
) -> str:
    return (
        f"FlexOffer({FLEX}, {ids(message, conversation)}, expiration_date_time='{stamp(expires)}', currency='USD', "
        f"flex_request_message_id='{request}', offer_options=[FlexOfferOption(option_reference='morning', "
        f"price=Decimal('{price}'), min_activation_factor=Decimal('0.25'), isps=[{powers}])])"
    )


def isps(*powers: int) -> str:
    return ", ".join(
        f"FlexOfferOptionISP(power={p}, start={FIRST + i}, duration=1)" for i, p in enumerate(powers)
    )


@pytest.fixture(scope="module")
def utility(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("dso"), "DSO") as it:
        yield it


@pytest.fixture(scope="module")
def aggregator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("agr"), "AGR") as it:
        yield it


def ask(utility: House, name: str) -> tuple[str, str]:
    """A need of ours, at the library: its message and its conversation."""
    conversation = str(uuid.uuid4())
    message = utility.say(replace(NEED, need=name), conversation)
    request = utility.peer.message("FlexRequest")
    assert (request["message_id"], request["conversation_id"]) == (message, conversation)
    assert [
        (one["start"], one["duration"], one["min_power"], one["max_power"]) for one in request["isps"]
    ] == [
        (FIRST, 2, -100_000, 0),
        (FIRST + 2, 1, -80_000, 0),
    ]
    assert utility.state(message) == (State.ACCEPTED, "")
    return message, conversation


def test_we_ask_it_offers_and_we_order_half(utility: House) -> None:
    request, conversation = ask(utility, "N1")
    message = str(uuid.uuid4())
    said = offer(message, conversation, request, isps(-60_000, -40_000, -20_000))
    assert utility.peer.send(said) == 200
    answer = utility.peer.message("FlexOfferResponse")
    assert (answer["result"], answer["flex_offer_message_id"]) == ("Accepted", message)
    ((name, state),) = utility.book().offers.offers.items()
    assert state.offer is not None and state.need == "N1"
    option = state.offer.options[0]
    assert option.price.amount == Decimal("0.41")  # 12.30 for 30 kWh
    half = replace(option.offered_kw, power_of_ten=-3, values=(30_000, 20_000, 10_000))
    order = Order(
        order="ORDER-1",
        service=NEED.service,
        points=NEED.points,
        window=WINDOW,
        ordered_kw=half,
        price=option.price,
        offer=name,
        offer_revision=1,
        option=1,
    )
    ordered = utility.say(order, conversation)
    theirs = utility.peer.message("FlexOrder")
    assert utility.state(ordered) == (State.ACCEPTED, "")
    assert (theirs["flex_offer_message_id"], theirs["option_reference"]) == (message, "morning")
    assert (Decimal(theirs["price"]), Decimal(theirs["activation_factor"])) == (
        Decimal("12.3"),
        Decimal("0.5"),
    )
    assert [one["power"] for one in theirs["isps"]] == [-60_000, -40_000, -20_000]
    assert utility.book().offers.offers[name].phase is OfferPhase.ORDERED


def test_the_same_offer_twice_counts_once_and_another_one_under_its_id_is_refused(utility: House) -> None:
    request, conversation = ask(utility, "N2")
    message, at = str(uuid.uuid4()), stamp(datetime.now(UTC))
    said = offer(message, conversation, request, isps(-10_000))
    said = f"{said[:-1]}, time_stamp='{at}')"
    answers = []
    for _ in range(2):
        assert utility.peer.send(said) == 200
        answers.append(utility.peer.message("FlexOfferResponse"))
    assert answers[0] == answers[1] and answers[0]["result"] == "Accepted"
    assert utility.peer.send(offer(message, conversation, request, isps(-11_000))) == 200
    refused = utility.peer.message("FlexOfferResponse")
    assert refused["result"] == "Rejected" and refused["rejection_reason"].startswith("Duplicate Identifier")
    kept = [one for one in utility.book().offers.offers.values() if one.need == "N2"]
    assert len(kept) == 1


REFUSED = {
    "Unknown FlexRequestMessageID": {"request": "00000000-0000-4000-8000-000000000000"},
    "ISPs out of bounds": {"powers": "FlexOfferOptionISP(power=-1000, start=10, duration=1)"},
    "ISP conflict": {
        "powers": isps(-1000, -1000) + f", FlexOfferOptionISP(power=-1000, start={FIRST}, duration=1)"
    },
    "ExpirationDateTime out of bounds": {"expires": NOW - timedelta(hours=1)},
    "Unknown ConversationID": {"conversation": "00000000-0000-4000-8000-000000000001"},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_an_offer_is_rejected_with_the_reason_of_the_specification(utility: House, reason: str) -> None:
    name = f"R{list(REFUSED).index(reason)}"
    request, conversation = ask(utility, name)
    said = {
        "conversation": conversation,
        "request": request,
        "powers": isps(-1000),
        "price": "1.00",
    } | REFUSED[reason]
    assert utility.peer.send(offer(str(uuid.uuid4()), **said)) == 200  # type: ignore[arg-type]
    answer = utility.peer.message("FlexOfferResponse")
    assert answer["result"] == "Rejected" and answer["rejection_reason"].startswith(reason), answer
    assert not [one for one in utility.book().offers.offers.values() if one.need == name]


def test_it_revokes_an_offer(utility: House) -> None:
    request, conversation = ask(utility, "N3")
    message = str(uuid.uuid4())
    assert utility.peer.send(offer(message, conversation, request, isps(-10_000))) == 200
    assert utility.peer.message("FlexOfferResponse")["result"] == "Accepted"
    revocation = (
        f"FlexOfferRevocation({ids(str(uuid.uuid4()), conversation)}, flex_offer_message_id='{message}')"
    )
    assert utility.peer.send(revocation) == 200
    assert utility.peer.message("FlexOfferRevocationResponse")["result"] == "Accepted"
    (state,) = (one for one in utility.book().offers.offers.values() if one.need == "N3")
    assert state.phase is OfferPhase.REVOKED


def test_its_prognosis_is_here(utility: House) -> None:
    message = str(uuid.uuid4())
    isps = f"DPrognosisISP(power=30000, start={FIRST}, duration=2), DPrognosisISP(power=-500, start={FIRST + 2}, duration=1)"
    said = f"DPrognosis({FLEX}, {ids(message, str(uuid.uuid4()))}, revision=4, isps=[{isps}])"
    assert utility.peer.send(said) == 200
    answer = utility.peer.message("DPrognosisResponse")
    assert (answer["result"], answer["d_prognosis_message_id"]) == ("Accepted", message)
    row = utility.it.store.messages(Query(outgoing=False))[-1]
    _, body = read_message(row.body)
    assert isinstance(body, LoadPrognosis) and body.revision == 4
    assert [body.load_kw.quantity(i) for i in range(3)] == [30, 30, Decimal("-0.5")]


def test_its_test_message_is_answered(utility: House) -> None:
    assert utility.peer.send("TestMessage()") == 200
    assert utility.peer.message("TestMessageResponse")["result"] == "Accepted"


def test_a_wrong_signature_and_an_unknown_sender_are_turned_away_at_the_door(utility: House) -> None:
    head = utility.it.store.head()
    said = offer(str(uuid.uuid4()), str(uuid.uuid4()), str(uuid.uuid4()), isps(-1000))
    assert utility.peer.send(said, key="x" * 32) == 401
    assert utility.peer.send(said, domain="stranger.example") == 419
    assert utility.it.store.head() == head


def test_what_it_rejects_is_refused_here_with_its_reason(utility: House) -> None:
    utility.peer.ask(result="Rejected", reason="Invalid CongestionPoint")
    try:
        message = utility.say(replace(NEED, need="N4"), str(uuid.uuid4()))
        assert utility.state(message) == (State.REFUSED, "trade_rule: Invalid CongestionPoint")
        assert "N4" not in utility.book().offers.needs
    finally:
        utility.peer.ask(result="Accepted", reason=None)


def requested(aggregator: House, conversation: str, **changes: str) -> str:
    message = str(uuid.uuid4())
    said = (
        f"FlexRequest({FLEX}, {ids(message, conversation)}, revision=1, "
        f"expiration_date_time='{changes.get('expires', stamp(NOW + timedelta(hours=6)))}', isps=["
        f"FlexRequestISP(disposition=AvailableRequested.AVAILABLE, min_power=0, max_power=500, start=1, duration={FIRST - 1}), "
        f"FlexRequestISP(disposition=AvailableRequested.REQUESTED, min_power=-100000, max_power=0, start={FIRST}, duration=3)])"
    )
    said = said.replace("PT15M", changes.get("length", "PT15M")).replace(ZONE, changes.get("zone", ZONE))
    assert aggregator.peer.send(said) == 200
    return message


def test_it_asks_we_offer_and_it_orders(aggregator: House) -> None:
    conversation = str(uuid.uuid4())
    request = requested(aggregator, conversation)
    assert aggregator.peer.message("FlexRequestResponse")["result"] == "Accepted"
    (need,) = (one.need for one in aggregator.book().offers.needs.values())
    assert (need.window, need.direction, need.early_orders) == (WINDOW, "up", True)
    assert [need.requested_kw.quantity(i) for i in range(3)] == [100, 100, 100]
    body = Offer(
        offer="O1",
        service=need.service,
        points=need.points,
        window=need.window,
        options=(
            OfferOption(
                option=1,
                offered_kw=replace(SERIES, values=(60, 0, 50)),
                price=usd("0.333"),
            ),
        ),
        valid_until=need.window.start,
        need=need.need,
        need_revision=1,
    )
    message = aggregator.say(body, conversation)
    offered = aggregator.peer.message("FlexOffer")
    assert aggregator.state(message) == (State.ACCEPTED, "")
    assert offered["flex_request_message_id"] == request
    option = offered["offer_options"][0]
    assert (Decimal(option["price"]), option["option_reference"]) == (Decimal("9.1575"), "1")
    order = (
        f"FlexOrder({FLEX}, {ids(str(uuid.uuid4()), conversation)}, flex_offer_message_id='{message}', "
        f"price=Decimal('{option['price']}'), currency='USD', order_reference='THEIR-1', option_reference='1', "
        f"isps=[FlexOrderISP(power=-60000, start={FIRST}, duration=1), FlexOrderISP(power=PLACE, start={FIRST + 2}, duration=1)])"
    )
    assert aggregator.peer.send(order.replace("PLACE", "-49000")) == 200
    refused = aggregator.peer.message("FlexOrderResponse")
    assert refused["result"] == "Rejected" and refused["rejection_reason"].startswith(
        "Reference Period mismatch"
    )
    again = order.replace("PLACE", "-50000").replace(
        order[order.index("message_id='") :][12:48], str(uuid.uuid4())
    )
    assert aggregator.peer.send(again) == 200
    assert aggregator.peer.message("FlexOrderResponse")["result"] == "Accepted"
    deal = aggregator.book().offers.orders["THEIR-1"].order
    assert deal.price.amount == Decimal("0.333") and deal.offer == "O1"


WRONG_REQUESTS = {
    "TimeZone rejected": {"zone": "Europe/Amsterdam"},
    "ISP duration rejected": {"length": "PT7M"},
    "ExpirationDateTime out of bounds": {"expires": stamp(NOW - timedelta(hours=1))},
}


@pytest.mark.parametrize("reason", WRONG_REQUESTS)
def test_a_request_is_rejected_with_the_reason_of_the_specification(aggregator: House, reason: str) -> None:
    requested(aggregator, str(uuid.uuid4()), **WRONG_REQUESTS[reason])
    answer = aggregator.peer.message("FlexRequestResponse")
    assert answer["result"] == "Rejected" and answer["rejection_reason"].startswith(reason), answer


def test_we_revoke_an_offer(aggregator: House) -> None:
    conversation = str(uuid.uuid4())
    requested(aggregator, conversation)
    aggregator.peer.message("FlexRequestResponse")
    (need,) = (
        one.need for one in aggregator.book().offers.needs.values() if one.conversation == conversation
    )
    body = Offer(
        offer="O2",
        service=need.service,
        points=need.points,
        window=need.window,
        options=(
            OfferOption(
                option=1,
                offered_kw=replace(SERIES, values=(6, 6, 6)),
                price=usd("0.5"),
            ),
        ),
        valid_until=need.window.start,
        need=need.need,
        need_revision=1,
    )
    offered = aggregator.say(body, conversation)
    assert aggregator.state(offered) == (State.ACCEPTED, "")
    revocation = OfferRevocation(offer="O2", revision=1, reason=RevocationReason.SOLD_ELSEWHERE)
    assert aggregator.state(aggregator.say(revocation, conversation)) == (State.ACCEPTED, "")
    assert aggregator.peer.message("FlexOfferRevocation")["flex_offer_message_id"] == offered


def test_our_prognosis_is_there(aggregator: House) -> None:
    body = LoadPrognosis(
        point=POINT, window=WINDOW, zone=ZONE, revision=2, load_kw=replace(SERIES, values=(120, -3, 0))
    )
    message = aggregator.say(body, str(uuid.uuid4()))
    theirs = aggregator.peer.message("DPrognosis")
    assert aggregator.state(message) == (State.ACCEPTED, "")
    assert [(one["start"], one["power"]) for one in theirs["isps"]] == [
        (FIRST, 120_000),
        (FIRST + 1, -3_000),
        (FIRST + 2, 0),
    ]


def test_all_of_it_is_in_the_inbox_like_any_message(aggregator: House) -> None:
    rows = aggregator.it.store.messages(Query(outgoing=False, bodies=False))
    assert {row.document for row in rows} >= {"need", "order"}
    assert {row.sender for row in rows} == {THEIRS} and {row.recipient for row in rows} == {OURS}
    assert Path(aggregator.directory).is_dir()
