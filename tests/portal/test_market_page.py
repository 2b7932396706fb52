"""The pages of the market between a utility and two aggregators: asked, offered sealed and open, awarded, told; each act once."""

from __future__ import annotations

import contextlib
import html
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_acts_market import RIVAL, SELLERS, Three
from tests.exchange.test_trade_offers import GATE, NEED, START
from tests.portal.two_portals import HOSTILE, NEW_SESSION, harmless, opened, refused, shown
from tests.portal.visitors import Browser, signed_in
from tests.portal.world import World

from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.trading.open_offers import open_sealed
from intertie.market.offer_state import CounterPhase, NeedPhase, OfferPhase
from intertie.model.ids import PartyId


class Market:
    """Three organisations, each with its traders in front of a browser."""

    def __init__(self, three: Three, worlds: dict[PartyId, World]) -> None:
        self.three = three
        self.worlds = worlds
        self._browsers: dict[tuple[PartyId, OfficeRole], tuple[datetime, Browser]] = {}

    def by(self, party: PartyId, role: OfficeRole = OfficeRole.TRADER) -> Browser:
        """Somebody of this role, who signs in again when the test's clock has gone on."""
        known = self._browsers.get((party, role))
        if known is None or self.three.now - known[0] > NEW_SESSION:
            world = self.worlds[party]
            world.now = self.three.now
            name = f"{role}-{world.now:%d-%H-%M-%S}"
            known = self._browsers[party, role] = world.now, signed_in(world, role, name=name)
        return known[1]

    def sent(self, party: PartyId, path: str, **fields: Any) -> str:
        browser = self.by(party)
        said = html.unescape(browser.done(browser.send(path, **fields)))
        self.three.carry()
        return said

    def page(
        self, party: PartyId, path: str = "/market?need=N1", role: OfficeRole = OfficeRole.AUDITOR
    ) -> str:
        return shown(self.by(party, role).get(path))

    def need(self, seller: PartyId = AGGREGATOR) -> Any:
        return self.three.of(seller).book.offers.needs["N1"]


@contextlib.contextmanager
def markets(folder: Path) -> Iterator[Market]:
    """All three in front of their portals."""
    three = Three()
    with contextlib.ExitStack() as stack:
        worlds = {}
        for party, gateway in three.gateways.items():
            world = opened(folder / party, three, gateway, three.keys.get(party))
            stack.callback(world.close)
            worlds[party] = world
        yield Market(three, worlds)


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Market]:
    with markets(tmp_path) as market:
        yield market


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """The same for what changes nothing."""
    with markets(tmp_path_factory.mktemp("idle")) as market:
        yield market


@pytest.fixture(scope="module")
def capped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """And one in which a need was published, with a price cap."""
    with markets(tmp_path_factory.mktemp("capped")) as market:
        market.sent(UTILITY, "/market/need", **asked(cap="1"))
        yield market


def asked(**changes: Any) -> dict[str, Any]:
    """The form of a need."""
    return {
        "need": "N1",
        "revision": "1",
        "service": "DIST_CAPACITY",
        "points": "F12-T7",
        "kw": "40, 30",
        "step": "60",
        "starts": written(START),
        "ends": written(START + timedelta(hours=2)),
        "gate": written(GATE),
        "partner": list(SELLERS),
        **changes,
    }


def offered(**changes: Any) -> dict[str, Any]:
    """The form of an offer."""
    return {
        "partner": UTILITY,
        "need": "N1",
        "offer": "O1",
        "kw1": "25",
        "price1": "0.43",
        "least1": "0",
        **changes,
    }


def written(at: Any) -> str:
    return at.strftime("%Y-%m-%dT%H:%M")  # type: ignore[no-any-return]


def test_a_sealed_need_from_its_form_to_its_award(at: Market) -> None:
    said = at.sent(UTILITY, "/market/need", **asked(sealed="yes", clearing="uniform", cap="1", text=HOSTILE))
    assert said.startswith("N1: Queued for ") and AGGREGATOR in said and RIVAL in said
    for party in (UTILITY, AGGREGATOR, RIVAL):
        raw = at.by(party).get("/market?need=N1").text
        harmless(raw)
        assert 'data-left="' in raw
    assert at.sent(AGGREGATOR, "/market/offer", **offered()) == "O1 is offered."
    assert (
        at.sent(RIVAL, "/market/offer", **offered(offer="O2", price1="0.40", kw1="25,25")) == "O2 is offered."
    )
    seen = at.by(UTILITY).get("/market?need=N1").text
    assert "0.43" not in seen and "0.4 USD" not in seen and "sealed as" in seen and "1 sealed" in seen
    mine = at.page(AGGREGATOR)
    assert (
        "25 kW at 0.43 USD/kWh" in mine
        and "yours; the other side cannot read it" in mine
        and "O2" not in mine
    )
    assert "cannot be awarded now: the gate of N1 closes" in at.page(UTILITY, "/market/award?need=N1")
    at.three.now = GATE + timedelta(hours=1)
    for party in SELLERS:
        open_sealed(at.three.gateways[party], at.three.keys[party], at.three.now)
    at.three.carry()
    at.three.now = at.need().need.keys_by + timedelta(minutes=1)
    opened = at.page(UTILITY)
    assert "25 kW at 0.43 USD/kWh" in opened and "25 kW at 0.4 USD/kWh" in opened and "gate closed" in opened
    award = at.page(UTILITY, "/market/award?need=N1", OfficeRole.TRADER)
    assert "Award it like this" in award and "all of it is met" in award and "0.43 USD/kWh" in award
    assert "left out" in at.page(UTILITY, f"/market/award?need=N1&without={RIVAL}:O2")
    assert at.sent(UTILITY, "/market/award", need="N1") == "Awarded: 2 told, orders are on their way."
    at.three.same()
    assert at.need().phase is NeedPhase.DECIDED is at.need(RIVAL).phase
    told = at.page(AGGREGATOR)
    assert "decided" in told and "all are paid 0.43 USD/kWh" in told and "order O-N1-" in told
    assert "no need N1 is open" not in told
    again = at.by(UTILITY)
    assert again.done(again.send("/market/award", need="N1")) == "Awarded: 0 told, orders are on their way."


def test_a_need_is_revised_and_taken_back(at: Market) -> None:
    at.sent(UTILITY, "/market/need", **asked(cap="1.2", least_kw="5", decide_by=written(START)))
    form = at.by(UTILITY).get("/market/need?need=N1").text
    assert 'value="40, 30"' in form and 'name="revision" value="2"' in form and 'value="1.2"' in form
    at.sent(AGGREGATOR, "/market/offer", **offered())
    at.sent(UTILITY, "/market/need", **asked(revision="2", kw="20"))
    assert at.need().need.revision == 2
    assert at.three.of(AGGREGATOR).book.offers.offers["O1"].phase is OfferPhase.LAPSED
    stale = at.by(UTILITY).send("/market/need", **asked(revision="2"))
    assert "need.already_submitted" in refused(stale) or "need." in refused(stale)
    said = at.sent(UTILITY, "/market/withdraw", need="N1", reason="met_otherwise")
    assert said.startswith("Taken back. Queued for") and at.need(RIVAL).phase is NeedPhase.WITHDRAWN
    assert "withdrawn" in at.page(AGGREGATOR)


def test_one_of_two_cannot_be_asked_and_the_other_is(at: Market) -> None:
    at.sent(UTILITY, "/market/need", **asked(partner=AGGREGATOR))
    said = at.sent(UTILITY, "/market/need", **asked())
    assert said.startswith(f"N1: Queued for {RIVAL}. Not for {AGGREGATOR}: trade_rule: need.")
    assert at.need(RIVAL).need == at.need().need


def test_an_offer_that_nobody_asked_for(at: Market) -> None:
    body = {
        "partner": UTILITY, "offer": "U-1", "service": "DIST_CAPACITY", "points": "F12-T7, F12-T9", "step": "60",
        "starts": written(START), "ends": written(START + timedelta(hours=1)), "kw1": "6", "price1": "0.5",
        "kw2": "4", "price2": "0.3", "least2": "50",
    }  # fmt: skip
    at.sent(AGGREGATOR, "/market/offer", **body)
    seen = at.page(UTILITY, "/market")
    assert "1: 6 kW at 0.5 USD/kWh" in seen and "2: 4 kW at 0.3 USD/kWh down to 50 %" in seen
    counter = {"partner": AGGREGATOR, "offer": "U-1", "price": "0.4", "kw": "5"}
    assert at.sent(UTILITY, "/market/counter", **counter) == "Asked for U-1 at other terms."
    (known,) = at.three.of(AGGREGATOR).book.offers.counters.values()
    assert "5 kW 0.4 USD/kWh" in at.page(AGGREGATOR, "/market")
    assert "Accept C-U-1-1" in at.page(AGGREGATOR, "/market", OfficeRole.TRADER)
    at.sent(
        AGGREGATOR,
        "/market/counter/answer",
        partner=UTILITY,
        counter=known.counter.counter,
        verdict="declined",
    )
    (known,) = at.three.of(AGGREGATOR).book.offers.counters.values()
    assert known.phase is CounterPhase.DECLINED
    at.sent(UTILITY, "/market/order", partner=AGGREGATOR, offer="U-1", option="2", kw="3")
    (order,) = at.three.of(AGGREGATOR).book.offers.orders.values()
    assert order.order.option == 2 and order.order.ordered_kw.total() == 3
    assert "O-U-1-2" in at.page(UTILITY, "/market") and "ordered" in at.page(AGGREGATOR, "/market")


def test_an_offer_is_taken_back(at: Market) -> None:
    at.sent(UTILITY, "/market/need", **asked())
    at.sent(AGGREGATOR, "/market/offer", **offered())
    assert at.sent(
        AGGREGATOR, "/market/revoke", partner=UTILITY, offer="O1", reason="sold_elsewhere", need="N1"
    )
    assert at.three.of(AGGREGATOR).book.offers.offers["O1"].phase is OfferPhase.REVOKED
    assert "Act on O1" not in at.page(AGGREGATOR, role=OfficeRole.TRADER)


def test_the_same_forms_twice_have_one_effect(at: Market) -> None:
    browser = at.by(UTILITY)
    for path, form in (("/market/need", asked()), ("/market/withdraw", {"need": "N1", "reason": "other"})):
        body = {"csrf": browser.token(), "once": f"twice-{path[8:]}-1", **form}
        first, second = browser.post(path, body), browser.post(path, body)
        assert (first.status_code, first.headers["location"]) == (303, second.headers["location"])
        at.three.carry()
    for seller in SELLERS:
        ledger = at.three.gateways[seller].books.of(at.three.gateways[seller].store, UTILITY).ledger
        kinds = [type(event.body).__name__ for event in ledger.events]
        assert (kinds.count("Need"), kinds.count("NeedWithdrawal")) == (1, 1) and not ledger.voids


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"service": ""}, "the service or the gate is missing"),
        ({"gate": ""}, "the service or the gate is missing"),
        ({"gate": "2020-01-01T00:00"}, "need."),
        ({"points": "F12-T7, F12-T7"}, "points"),
        ({"points": "<script>"}, "does not fit together"),
        ({"kw": "1,2,3"}, "3 values for 2 intervals"),
        ({"partner": ()}, "nobody is named"),
        ({"partner": UTILITY}, "no such partner"),
        ({"revision": "0"}, "from 1 to"),
        ({"cap": "dear"}, "is no number"),
        ({"need": "a b"}, "has not the right form"),
    ],
)
def test_a_need_that_cannot_be_published(idle: Market, changes: dict[str, Any], why: str) -> None:
    answer = idle.by(UTILITY).send("/market/need", **asked(**changes))
    said = refused(answer, 404 if changes.get("partner") == UTILITY else 422)
    assert why in said, said
    idle.three.carry()
    assert not idle.three.of(AGGREGATOR).book.offers.needs


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"kw1": "", "price1": ""}, "nothing is offered"),
        ({"price1": ""}, "price of option 1 is missing"),
        ({"kw1": ""}, "kW of option 1 is missing"),
        ({"kw2": "3", "price2": "cheap"}, "is no number"),
        ({"least1": "200"}, "minimum_fraction"),
        ({"need": "N9"}, "no need N9"),
        ({"need": ""}, "what is offered"),
        ({"aggregation": "NONE"}, "aggregation"),
        ({"price1": "2"}, "offer.above_cap"),
    ],
)
def test_an_offer_that_cannot_be_made(capped: Market, changes: dict[str, Any], why: str) -> None:
    fields = offered(**changes)
    if changes.get("need") == "":
        fields |= {"starts": written(START), "ends": written(START + timedelta(hours=1)), "step": "60"}
    said = refused(capped.by(AGGREGATOR).send("/market/offer", **fields))
    assert why in said, said
    capped.three.carry()
    assert not capped.three.of(AGGREGATOR).book.offers.offers


def test_who_may_not_changes_nothing(at: Market) -> None:
    at.sent(UTILITY, "/market/need", **asked())
    at.sent(AGGREGATOR, "/market/offer", **offered())
    buyer = {
        "/market/need": asked(need="N2"),
        "/market/award": {"need": "N1"},
        "/market/withdraw": {"need": "N1", "reason": "other"},
        "/market/order": {"partner": AGGREGATOR, "offer": "O1"},
        "/market/counter": {"partner": AGGREGATOR, "offer": "O1"},
    }
    seller = {
        "/market/offer": offered(offer="O9"),
        "/market/revoke": {"partner": UTILITY, "offer": "O1", "reason": "other"},
        "/market/counter/answer": {"partner": UTILITY, "counter": "C", "verdict": "accepted"},
    }
    books = [at.three.of(one).book for one in SELLERS]
    for party, acts, other in ((UTILITY, buyer, AGGREGATOR), (AGGREGATOR, seller, UTILITY)):
        for path, fields in acts.items():
            for role in set(OfficeRole) - {OfficeRole.TRADER}:
                refused(at.by(party, role).send(path, **fields), 403)
            turned = {**fields, "partner": party} if "partner" in fields else fields
            refused(at.by(other).send(path, **turned), 403)
    at.three.carry()
    assert [at.three.of(one).book for one in SELLERS] == books
    for role in (OfficeRole.OPERATOR, OfficeRole.AUDITOR):
        page = at.page(UTILITY, role=role)
        assert "Ask for power" not in page and "Act on" not in page and "Take it back" not in page


def test_what_is_not_there(idle: Market) -> None:
    trader = idle.by(UTILITY)
    for path in ("/market?need=NONE", "/market/need?need=NONE", "/market?need=<b>", "/market/award"):
        refused(trader.get(path))
    assert "no need NONE is open" in shown(trader.get("/market/award?need=NONE"))
    for path, fields in (
        ("/market/award", {"need": "NONE"}),
        ("/market/withdraw", {"need": "NONE", "reason": "other"}),
        ("/market/withdraw", {"need": "NONE"}),
        ("/market/order", {"partner": AGGREGATOR, "offer": "NONE"}),
        ("/market/counter", {"partner": AGGREGATOR, "offer": "NONE"}),
    ):
        refused(trader.send(path, **fields))
    seller = idle.by(AGGREGATOR)
    for path, fields in (
        ("/market/revoke", {"offer": "NONE"}),
        ("/market/revoke", {"offer": "NONE", "reason": "other"}),
        ("/market/counter/answer", {"counter": "NONE"}),
        ("/market/counter/answer", {"counter": "NONE", "verdict": "accepted"}),
    ):
        refused(seller.send(path, partner=UTILITY, **fields))


def test_an_empty_market_says_what_to_do(idle: Market) -> None:
    assert "No need was published yet. Ask for power." in idle.page(UTILITY, "/market", OfficeRole.TRADER)
    assert "A utility publishes one" in idle.page(RIVAL, "/market")
    assert "for a trader of the utility" in idle.page(UTILITY, "/market/need")
    assert "for a trader of the aggregator" in idle.page(AGGREGATOR, "/market/offer")
    assert "A new need" in idle.page(UTILITY, "/market/need", OfficeRole.TRADER)
    assert NEED.points[0] == "F12-T7"
