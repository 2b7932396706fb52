"""What a simulated partner declares, asks for, offers, decides and signs by its script."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.gateway.simulate_bench import NOW, THEM, US, Bench, Said, aggregation_of, der, heard

from intertie.gateway.simulating import simulate_aggregator as aggregator
from intertie.gateway.simulating import simulate_market as market
from intertie.gateway.simulating.simulate_script import Manner
from intertie.gateway.simulating.simulate_turn import Memory, contracts
from intertie.market.offer_state import NeedPhase, NeedState, OfferPhase
from intertie.market.registry import Standing
from intertie.model.documents import example
from intertie.model.ids import DocumentName, MessageId, PartyId
from intertie.model.interval import Window
from intertie.model.offers import Need

# Availability and needs

# hypothesis takes bounds without a zone, and puts its own there.
FIRST, LAST = (datetime(year, 1, 1, tzinfo=UTC).replace(tzinfo=None) for year in (2020, 2035))


def declared(script: str, monkeypatch: pytest.MonkeyPatch, known: Any = None) -> Said:
    calls = heard(monkeypatch, aggregator.trade_availability, "declare")
    registry = aggregation_of(der(1), der(2, "0.0015"), standing=Standing.ACCEPTED)
    aggregator.declare(Bench(script, registry=registry, availability=SimpleNamespace(declared=known or {})))
    return calls


def test_what_counts_is_declared_from_the_next_hour_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ((body,),) = declared("[availability]\nhours = 3\nfraction = 0.5\n", monkeypatch)
    assert body.window == Window(
        start=NOW.replace(hour=13, minute=0, second=0), end=NOW.replace(hour=16, minute=0, second=0)
    )
    assert body.up_kw.values == (5000,) * 3 and body.down_kw.values == (0,) * 3


def test_what_was_declared_so_far_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    ((body,),) = declared("", monkeypatch)
    key = aggregator.Key(body.aggregation, body.service, body.point).text
    known = {key: (SimpleNamespace(body=body),)}
    assert declared("", monkeypatch, known) == []
    assert declared("[availability]\ndeclare = false\n", monkeypatch) == []


_, _NEED = example(DocumentName("need"))
assert isinstance(_NEED, Need)
NEED: Need = replace(_NEED, points=(der(1).point,), gate_closes=NOW + timedelta(minutes=1))


def needs_of(count: int, phase: NeedPhase = NeedPhase.OPEN, need: Need = NEED) -> dict[str, NeedState]:
    return {
        f"N{n}": NeedState(replace(need, need=f"N{n}"), phase, MessageId("m"), NOW, None)
        for n in range(1, count + 1)
    }


def offers_of(needs: Any, **offers: Any) -> Any:
    return SimpleNamespace(needs=needs, offers=offers, counters={}, orders={})


def test_each_need_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    made = heard(monkeypatch, market, "_offer")
    script = "[market]\nrefuse_every = 2\npartial_every = 3\nsilent_every = 5\npartial_fraction = 0.25\n"
    counting = aggregation_of(der(1), der(2), standing=Standing.ACCEPTED)
    turn = Bench(script, offers=offers_of(needs_of(7)), registry=counting)
    market.offer(turn)
    assert [(name, kw) for name, _, kw in made] == [("SIM-N1", 20), ("SIM-N3", 5), ("SIM-N7", 20)]


@pytest.mark.parametrize(("seconds", "count"), [(59, 1), (60, 1), (61, 0)])
def test_offers_are_made_until_the_gate_closes(
    seconds: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = heard(monkeypatch, market, "_offer")
    counting = aggregation_of(der(1), standing=Standing.ACCEPTED)
    turn = Bench(now=NOW + timedelta(seconds=seconds), offers=offers_of(needs_of(1)), registry=counting)
    market.offer(turn)
    assert len(made) == count


@pytest.mark.parametrize(
    ("phase", "count"), [(OfferPhase.OPEN, 0), (OfferPhase.REVOKED, 0), (OfferPhase.LAPSED, 1)]
)
def test_only_an_offer_that_lapsed_is_made_again(
    phase: OfferPhase, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = heard(monkeypatch, market, "_offer")
    counting = aggregation_of(der(1), standing=Standing.ACCEPTED)
    offers = offers_of(needs_of(1), **{"SIM-N1": SimpleNamespace(phase=phase)})
    market.offer(Bench(offers=offers, registry=counting))
    assert len(made) == count


def test_nothing_that_counts_is_nothing_to_offer_or_to_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made, asked = heard(monkeypatch, market, "_offer"), heard(monkeypatch, market, "_publish")
    market.offer(Bench(offers=offers_of(needs_of(1)), registry=aggregation_of(der(1))))
    market.ask(Bench(offers=offers_of({}), registry=aggregation_of(der(1))))
    assert (made, asked) == ([], [])


def asked_for(
    count: int, script: str, seconds: int, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    calls = heard(monkeypatch, market, "_publish")
    counting = aggregation_of(der(1), standing=Standing.ACCEPTED)
    now = NOW + timedelta(seconds=seconds)
    market.ask(Bench(script, now, memory, offers=offers_of(needs_of(count)), registry=counting))
    return [name for name, _ in calls]


def test_needs_are_so_many_and_so_far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    script, memory = "[market]\nneeds = 2\nevery_seconds = 60.0\n", Memory()
    assert asked_for(0, script, 0, memory, monkeypatch) == ["SIM-NEED-1"]
    assert asked_for(1, script, 5, memory, monkeypatch) == []
    assert asked_for(1, script, 64, memory, monkeypatch) == []
    assert asked_for(1, script, 65, memory, monkeypatch) == ["SIM-NEED-2"]
    assert asked_for(2, script, 900, memory, monkeypatch) == []


@pytest.mark.parametrize(
    ("seconds", "offers", "keys", "ripe"),
    [
        (60, (), None, False),
        (61, (), None, True),
        (61, (OfferPhase.OPEN,), 120, True),
        (61, (OfferPhase.OPEN, OfferPhase.SEALED), 120, False),
        (120, (OfferPhase.SEALED,), 120, False),
        (121, (OfferPhase.SEALED,), 120, True),
        (9999, (OfferPhase.SEALED,), None, False),
    ],
)
def test_a_need_is_decided_once_all_that_can_be_opened_is(
    seconds: int, offers: tuple[OfferPhase, ...], keys: int | None, ripe: bool
) -> None:
    need = replace(NEED, sealed=False, keys_by=None)
    if keys is not None:
        need = replace(need, sealed=True, keys_by=NOW + timedelta(seconds=keys))
    (state,) = needs_of(1, need=need).values()
    known = {f"O{n}": SimpleNamespace(need="N1", phase=phase) for n, phase in enumerate(offers)}
    bench = Bench(now=NOW + timedelta(seconds=seconds), offers=offers_of({}, **known))
    assert market._ripe(bench.desk, state) is ripe


def test_each_decision_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    done = heard(monkeypatch, market, "_settle")
    script = "[market]\nrefuse_every = 2\nsilent_every = 3\n"
    known = {**needs_of(4), "N5": needs_of(1, NeedPhase.WITHDRAWN)["N1"]}
    market.settle(Bench(script, NOW + timedelta(hours=1), offers=offers_of(known)))
    assert done == [("N1", Manner.WELL), ("N2", Manner.REFUSE), ("N4", Manner.REFUSE)]


@given(st.datetimes(FIRST, LAST, timezones=st.just(UTC)))
def test_the_next_quarter_is_less_than_one_away(at: datetime) -> None:
    found = market._quarter(at)
    assert timedelta(0) <= found - at < timedelta(minutes=15)
    assert found.timestamp() % 900 == 0 and market._quarter(found) == found


# Contracts


def contract_of(proposer: PartyId, *signed: PartyId) -> Any:
    text = SimpleNamespace(revision=3)
    return SimpleNamespace(draft=SimpleNamespace(text=text, proposer=proposer, signed=signed))


@pytest.mark.parametrize(
    ("script", "known", "words"),
    [
        ("", contract_of(THEM, THEM), ["sign G revision 3"]),
        ("", contract_of(THEM, THEM, US), []),
        ("", SimpleNamespace(draft=None), []),
        ("[contract]\nrefuse_every = 1\n", contract_of(THEM, THEM), ["decline G revision 3"]),
        ("[contract]\nrefuse_every = 1\n", contract_of(US), ["sign G revision 3"]),
        ("[contract]\nsilent_every = 1\n", contract_of(THEM, THEM), []),
        ("[contract]\nafter_seconds = 5.0\n", contract_of(THEM, THEM), []),
    ],
)
def test_a_contract_that_is_proposed(
    script: str, known: Any, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sign", "give_notice", "propose"):
        monkeypatch.setattr(f"intertie.gateway.simulating.simulate_turn.{name}", lambda *_: None)
    turn = Bench(script, contracts={"G": known})
    contracts(turn)
    assert turn.said == words
