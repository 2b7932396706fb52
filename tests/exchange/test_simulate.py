"""Two simulated partners play a utility and an aggregator against each other, over real parcels, on one clock that is moved:
a whole piece of business without anybody typing, and each behaviour of a script."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.house import Book as Partners
from tests.exchange.test_trade import Two, other

from intertie.exchange.joining import Trial
from intertie.gateway.simulating.simulate import Memory, play
from intertie.gateway.simulating.simulate_script import DEFAULT, Behaviour, Manner, Script, read_script
from intertie.gateway.simulating.simulate_turn import PROPOSALS
from intertie.gateway.trading.open_offers import open_sealed
from intertie.gateway.trading.sealed_ports import KeptKey
from intertie.market.book import Book
from intertie.market.confirmation import status
from intertie.market.offer_state import NeedPhase
from intertie.market.registry import Standing
from intertie.model.aggregation import DecisionReason
from intertie.model.errors import SettingsError
from intertie.model.ids import ConversationId, PartyId

FAST = "[market]\ngate_seconds = 60.0\nkeys_seconds = 60.0\n"


class Keys:
    """Keys of sealed offers, in memory."""

    def __init__(self) -> None:
        self.kept: list[KeptKey] = []

    def keep(self, key: KeptKey) -> None:
        self.kept.append(key)

    def all(self) -> Sequence[KeptKey | SettingsError]:
        return list(self.kept)

    def destroy(self, key: KeptKey) -> None:
        self.kept.remove(key)


class Stage:
    """Both partners with their scripts; `run` lets them play for a while."""

    def __init__(self, utility: str = FAST, aggregator: str = FAST) -> None:
        self.two = Two()
        self.scripts = {UTILITY: read_script(utility), AGGREGATOR: read_script(aggregator)}
        self.memory = {UTILITY: Memory(), AGGREGATOR: Memory()}
        self.keys = {UTILITY: Keys(), AGGREGATOR: Keys()}
        self.said: dict[PartyId, list[str]] = {UTILITY: [], AGGREGATOR: []}

    def run(self, step: timedelta, count: int) -> Stage:
        for _ in range(count):
            self.two.now += step
            for party in (UTILITY, AGGREGATOR):
                gateway, keys = self.two.gateways[party], self.keys[party]
                open_sealed(gateway, keys, self.two.now)
                script, memory = self.scripts[party], self.memory[party]
                self.said[party] += play(gateway, keys, other(party), memory, script, self.two.now)
                self.two.carry(party)
        return self

    def book(self, party: PartyId = UTILITY) -> Book:
        gateway = self.two.gateways[party]
        return gateway.books.of(gateway.store, other(party)).ledger.book


SECONDS, MINUTES = timedelta(seconds=10), timedelta(minutes=6)


def test_a_whole_piece_of_business_by_itself() -> None:
    stage = Stage().run(SECONDS, 40).run(MINUTES, 16)
    book = stage.book()
    (aggregation,) = book.registry.values()
    assert len(aggregation.counting(stage.two.now)) == 3
    (deal,) = book.deals.values()
    assert deal.state == "accepted" and deal.terms.contracted_kw == 24
    assert book.availability.declared
    (call,) = book.dispatches.values()
    assert call.state == "finished" and call.started is not None and len(call.telemetry) > 5
    (need,) = book.offers.needs.values()
    (offer,) = book.offers.offers.values()
    assert need.phase is NeedPhase.DECIDED and offer.sealed is not None and offer.order in book.offers.orders
    assert stage.keys[AGGREGATOR].kept == []
    assert stage.two.digest(UTILITY) == stage.two.digest(AGGREGATOR)
    gateway = stage.two.gateways[UTILITY]
    assert gateway.books.of(gateway.store, AGGREGATOR).ledger.voids == ()
    assert not [
        line for lines in stage.said.values() for line in lines if "Refused" in line or "rule" in line
    ]


def test_a_proposal_that_came_too_soon_is_made_again() -> None:
    """One side is live a moment before the other, which refuses until then; and who never is live is not asked for ever."""
    stage = Stage()
    partners = stage.two.gateways[AGGREGATOR].partners
    live = partners.find(UTILITY)
    assert live is not None and isinstance(partners, Partners)
    partners.partners[UTILITY] = live._replace(trial=Trial(ConversationId("onboarding-1")))
    stage.scripts[AGGREGATOR] = read_script("[contract]\npropose = false\n")
    stage.run(SECONDS, 2)
    assert not stage.book().contracts
    partners.partners[UTILITY] = live
    stage.run(SECONDS, 4)
    assert [one.state for one in stage.book().contracts.values()] == ["in_force"]
    assert any("again" in line for line in stage.said[UTILITY])
    never = Stage(aggregator="[contract]\npropose = false\n")
    book = never.two.gateways[AGGREGATOR].partners
    assert isinstance(book, Partners)
    book.partners[UTILITY] = live._replace(trial=Trial(ConversationId("onboarding-1")))
    never.run(SECONDS, 30)
    assert len(never.two.gateways[UTILITY].store.dead_letters(partner=AGGREGATOR)) == PROPOSALS


@pytest.mark.parametrize(("part", "state"), [("refuse_every", "declined"), ("silent_every", "partly_signed")])
def test_a_contract_that_is_not_signed(part: str, state: str) -> None:
    stage = Stage(aggregator=f"[contract]\npropose = false\n{part} = 1\n").run(SECONDS, 6)
    (contract,) = stage.book(AGGREGATOR).contracts.values()
    assert contract.state == state


def test_every_second_der_is_refused_and_every_third_taken_in_part() -> None:
    script = '[registration]\nrefuse_every = 2\npartial_every = 3\nreason = "wrong_feeder"\n[deal]\npropose = false\n'
    stage = Stage(utility=script).run(SECONDS, 10)
    (aggregation,) = stage.book().registry.values()
    newest = [versions[-1] for versions in aggregation.ders.values()]
    assert [one.standing for one in newest] == [Standing.ACCEPTED, Standing.REFUSED, Standing.ACCEPTED]
    assert newest[1].reason is DecisionReason.WRONG_FEEDER
    assert [newest[0].kw, newest[2].kw] == [10, 5]


def test_late_is_late_and_silence_is_deemed_acceptance() -> None:
    script = "[deal]\nsilent_every = 1\n[registration]\nafter_seconds = 100.0\n"
    stage = Stage(aggregator=script).run(SECONDS, 6)
    assert not stage.book().registry
    stage.run(SECONDS, 14)
    (deal,) = stage.book().deals.values()
    assert deal.state == "open"
    later = Stage(aggregator=script).run(SECONDS, 20).run(timedelta(days=1), 6)
    (deal,) = later.book().deals.values()
    assert status(deal, later.two.now) == "deemed_accepted" and later.book().dispatches


@pytest.mark.parametrize(
    ("part", "state"),
    [("refuse_every", "refused"), ("partial_every", "partial"), ("silent_every", "issued")],
)
def test_calls_are_refused_answered_in_part_or_not_at_all(part: str, state: str) -> None:
    stage = Stage(aggregator=f'[dispatch]\n{part} = 1\nreason = "asset_outage"\n').run(SECONDS, 20)
    (call,) = stage.book().dispatches.values()
    assert call.state == state
    if state == "partial":
        assert call.committed_kw is not None
        assert call.committed_kw.quantity(0) == call.instruction.target_kw.quantity(0) / 2  # type: ignore[operator]


def test_an_objection_ends_the_talk_about_a_deal() -> None:
    stage = Stage(aggregator='[deal]\nrefuse_every = 1\nreason = "wrong_price"\n').run(SECONDS, 20)
    (deal,) = stage.book().deals.values()
    assert deal.state == "objected" and not stage.book().dispatches


def test_a_need_of_which_nothing_is_taken() -> None:
    stage = Stage(utility=f"{FAST}refuse_every = 1\nsealed = false\n").run(SECONDS, 40)
    (offer,) = stage.book(AGGREGATOR).offers.offers.values()
    assert offer.phase == "not_awarded"


def test_what_a_rule_forbids_is_said_once_and_not_tried_again() -> None:
    stage = Stage(utility="[market]\ncap = 0.10\nsealed = false\n").run(SECONDS, 20)
    (line,) = [one for one in stage.said[AGGREGATOR] if "offer.above_cap" in one]
    assert line.startswith("offer 30 kW to SIM-NEED-1")


def test_the_default_script_and_its_comments_are_what_is_in_force() -> None:
    uncommented = "\n".join(
        line.removeprefix("# ")
        if line.startswith("# ") and " = " in line and "Every part" not in line
        else line
        for line in DEFAULT.splitlines()
    )
    assert read_script(DEFAULT) == Script() == read_script(uncommented)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[market", "end of a table declaration"),
        ("[market]\ncolour = 1\n", "a field that its type does not have"),
        ("[dispatch]\nminutes = 7\n", "$.dispatch.minutes"),
        ("[dispatch]\nfraction = 2.0\n", "fraction: not between"),
        ('market = "all"\n', "$.market"),
    ],
)
def test_a_script_that_cannot_be_is_named(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_script(text)
    assert said in str(caught.value) and "script cannot be read" in str(caught.value)


def test_the_manner_of_the_so_manieth() -> None:
    one: Any = Behaviour(refuse_every=2, silent_every=3)
    manners = [one.manner(n) for n in range(1, 7)]
    assert manners == [Manner.WELL, Manner.REFUSE, Manner.SILENT, Manner.REFUSE, Manner.WELL, Manner.SILENT]
