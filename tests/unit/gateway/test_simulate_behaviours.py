"""What a simulated partner answers by its script: every so manieth otherwise, late, in part, or not at all."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.gateway.simulate_bench import NOW, THEM, US, Bench, aggregation_of, der, heard

from intertie.gateway.simulating import simulate_aggregator as aggregator
from intertie.gateway.simulating import simulate_utility as utility
from intertie.gateway.simulating.simulate_script import DERS_MAX, Behaviour, Manner, Script, read_script
from intertie.gateway.simulating.simulate_turn import Memory
from intertie.market.confirmation import Deal
from intertie.market.confirmation import State as DealState
from intertie.market.dispatch_state import Dispatch, State, value_at
from intertie.market.registry import Standing
from intertie.model.aggregation import DecisionReason, Der
from intertie.model.contract import Confirmation, Service
from intertie.model.dispatch import DispatchAnswer, DispatchInstruction
from intertie.model.documents import example
from intertie.model.errors import Fault, IntertieError, SettingsError, StoreError
from intertie.model.ids import DerId, DocumentName, PartyId
from intertie.model.interval import IntervalSeries, Window
from intertie.model.quantity import Unit

# Manners


def plainly(one: Behaviour, number: int) -> Manner:
    """Silence goes before a refusal, and a refusal before a part."""
    found = Manner.WELL
    for every, manner in (
        (one.partial_every, Manner.PART),
        (one.refuse_every, Manner.REFUSE),
        (one.silent_every, Manner.SILENT),
    ):
        if every > 0 and number in range(every, number + 1, every):
            found = manner
    return found


often = st.integers(0, 6)


@given(often, often, often, st.integers(1, 200))
def test_a_manner_is_what_counting_says(refuse: int, part: int, silent: int, number: int) -> None:
    one = Behaviour(refuse_every=refuse, partial_every=part, silent_every=silent)
    assert one.manner(number) is plainly(one, number)


@given(st.integers(1, 9), st.integers(1, 30))
def test_so_many_of_a_run_are_refused(every: int, count: int) -> None:
    one = Behaviour(refuse_every=every)
    assert [one.manner(n) for n in range(1, count + 1)].count(Manner.REFUSE) == count // every


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[deal]\nafter_seconds = nan\n", "$.deal.after_seconds"),
        ("[deal]\nafter_seconds = inf\n", "$.deal.after_seconds"),
        ("[deal]\nafter_seconds = -1.0\n", "$.deal.after_seconds"),
        ("[dispatch]\nrefuse_every = -1\n", "$.dispatch.refuse_every"),
        ("[dispatch]\nsilent_every = 1000001\n", "$.dispatch.silent_every"),
        ("[dispatch]\nrefuse_every = 1.5\n", "$.dispatch.refuse_every"),
        ("[dispatch]\nfollows = 2.1\n", "follows: not between"),
        ("[dispatch]\nminutes = 255\n", "$.dispatch.minutes"),
        ("[dispatch]\nreason = 'tired'\n", "$.dispatch.reason"),
        ("[registration]\nkw = nan\n", "kw: not a finite number"),
        (f"[registration]\nders = {DERS_MAX + 1}\n", "$.registration.ders"),
        ("[registration]\npoint = 'two words'\n", "$.registration.point"),
        ("[market]\ngate_seconds = 0.5\n", "$.market.gate_seconds"),
        ("[market]\nprice = -0.1\n", "price"),
        ("[availability]\nhours = 0\n", "$.availability.hours"),
        ("[availability]\nrefuse_every = 1\n", "a field that its type does not have"),
        ("[deal]\nfraction = true\n", "$.deal.fraction"),
        ("[[deal]]\nfraction = 1\n", "$.deal"),
        ("[weather]\n", "a field that its type does not have"),
        ("[deal]\npropose = true\npropose = true\n", "script cannot be read"),
        *(
            (f"[{part}]\npartial_fraction = 1.01\n", "partial_fraction: not between")
            for part in ("contract", "registration", "deal", "dispatch", "market")
        ),
    ],
)
def test_lines_of_a_script_that_cannot_be(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_script(text)
    assert said in str(caught.value)


@given(st.decimals(0, 1, places=6))
def test_fractions_of_a_script_are_exact(fraction: Decimal) -> None:
    text = f"{fraction:f}" if "." in f"{fraction:f}" else f"{fraction:f}.0"
    assert read_script(f"[deal]\nfraction = {text}\n").deal.fraction == Decimal(str(float(fraction)))


def test_whole_numbers_and_nothing_are_scripts_too() -> None:
    assert read_script("") == Script() and read_script("[deal]\nfraction = 1\n").deal.fraction == 1


# Once


def test_what_is_late_waits_from_when_it_was_first_due() -> None:
    memory, done = Memory(), []
    for seconds, expected in ((0, 0), (99, 0), (100, 1), (101, 1), (5000, 1)):
        turn = Bench(now=NOW + timedelta(seconds=seconds), memory=memory)
        turn.once("it", 100.0, lambda: done.append(1))
        assert len(done) == expected
        assert turn.said == (["it"] if seconds == 100 else [])


def test_each_thing_has_its_own_time() -> None:
    memory, done = Memory(), []
    Bench(memory=memory).once("one", 10.0, lambda: done.append("one"))
    later = Bench(now=NOW + timedelta(seconds=10), memory=memory)
    for name in ("one", "two"):
        later.once(name, 10.0, lambda name=name: done.append(name))  # type: ignore[misc]
    assert done == ["one"] and set(memory.seen) == {"one", "two"} and memory.done == {"one"}


class Wrong(IntertieError):
    fault = Fault.OURS


@pytest.mark.parametrize(
    ("error", "tries", "said"),
    [(StoreError("busy"), 3, []), (Wrong("forbidden"), 1, ["it: forbidden"])],
)
def test_what_goes_wrong_is_said_once_and_a_store_is_tried_again(
    error: IntertieError, tries: int, said: list[str]
) -> None:
    memory, lines, count = Memory(), list[str](), 0

    def do() -> None:
        nonlocal count
        count += 1
        raise error

    for _ in range(3):
        turn = Bench(memory=memory)
        turn.once("it", 0.0, do)
        lines += turn.said
    assert count == tries and [line.rstrip(". ") for line in lines] == said


def test_an_error_that_is_none_of_ours_is_not_hidden() -> None:
    def do() -> None:
        raise ZeroDivisionError

    turn = Bench()
    with pytest.raises(ZeroDivisionError):
        turn.once("it", 0.0, do)
    assert turn.said == []


# DERs


def decided(monkeypatch: pytest.MonkeyPatch, script: str, *ders: Der) -> tuple[list[str], Any]:
    calls = heard(monkeypatch, utility.trade_registration, "decide")
    turn = Bench(script, registry=aggregation_of(*ders))
    utility.decide(turn)
    return turn.said, calls[0][1] if calls else None


def test_each_der_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "[registration]\nrefuse_every = 2\npartial_every = 3\nsilent_every = 5\npartial_fraction = 0.3333\n"
    )
    said, verdicts = decided(monkeypatch, script, *(der(n) for n in range(1, 7)))
    names = [f"SIM-DER-{n}" for n in range(1, 7)]
    assert verdicts.accept == [names[0], names[2]]
    assert verdicts.refuse == dict.fromkeys(
        [DerId(names[n]) for n in (1, 3, 5)], DecisionReason.HOSTING_CAPACITY
    )
    assert verdicts.limits == {names[2]: Decimal("3.333")}
    assert said == ["decide A revision 1: 2 accepted, 3 refused"]


def test_without_consent_a_der_is_refused_whatever_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    _, verdicts = decided(monkeypatch, "", der(1, consent=None), der(2))
    assert verdicts.refuse == {"SIM-DER-1": DecisionReason.CONSENT_MISSING}
    assert verdicts.accept == ["SIM-DER-2"] and verdicts.limits == {}


def test_a_part_that_is_less_than_a_watt_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "[registration]\npartial_every = 1\npartial_fraction = 0.5\n"
    _, verdicts = decided(monkeypatch, script, der(1, "0.001"))
    assert verdicts.refuse == {"SIM-DER-1": DecisionReason.DOUBLE_COMMITMENT} and not verdicts.accept


@pytest.mark.parametrize(
    "script", ["[registration]\nsilent_every = 1\n", "[registration]\nafter_seconds = 1.0\n"]
)
def test_silence_and_patience_decide_nothing_yet(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert decided(monkeypatch, script, der(1), der(2)) == ([], None)


def test_what_was_said_is_not_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = heard(monkeypatch, utility.trade_registration, "decide")
    drafted = {"registry": aggregation_of(der(1), standing=Standing.ACCEPTED)}
    turn = Bench(registry=aggregation_of(der(1)), drafted=drafted)
    utility.decide(turn)
    assert (turn.said, calls) == ([], [])


def test_an_aggregator_registers_what_its_script_says(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = heard(monkeypatch, aggregator.trade_registration, "register")
    script = "[registration]\nders = 4\nkw = 7.5\nfeeder = 'F9'\npoint = 'F9-T2'\n"
    turn = Bench(script, registry={})
    aggregator.register(turn)
    ((name, offered, ders),) = calls
    assert (name, offered.services, offered.effective) == ("SIM-AGG", (Service.DIST_CAPACITY,), NOW)
    assert [one.id for one in ders] == [f"SIM-DER-{n}" for n in range(1, 5)]
    assert {(one.nameplate_kw, one.feeder, one.point) for one in ders} == {(Decimal("7.5"), "F9", "F9-T2")}
    assert len({one.meter for one in ders}) == 4


@pytest.mark.parametrize("registry", [{}, aggregation_of(der(1))])
def test_nothing_to_register(registry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = heard(monkeypatch, aggregator.trade_registration, "register")
    aggregator.register(Bench("[registration]\nders = 0\n" if not registry else "", registry=registry))
    assert calls == []


# Deals

_, _TERMS = example(DocumentName("confirmation"))
assert isinstance(_TERMS, Confirmation)
TERMS: Confirmation = _TERMS


def deals_of(count: int, answerer: PartyId = US, state: DealState = DealState.OPEN) -> dict[str, Deal]:
    later = NOW + timedelta(days=1)
    deal = Deal(TERMS, THEM, answerer, NOW, later, state)
    return {f"D{n}": deal for n in range(1, count + 1)}


def answers(monkeypatch: pytest.MonkeyPatch, script: str, **book: Any) -> dict[str, Any]:
    calls = heard(monkeypatch, aggregator, "answer_deal")
    aggregator.answer_deals(Bench(script, **book))
    return {name: reason and str(reason) for name, reason in calls}


def test_each_deal_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "[deal]\nrefuse_every = 2\npartial_every = 3\nsilent_every = 5\nreason = 'wrong_price'\n"
    found = answers(monkeypatch, script, deals=deals_of(6))
    assert found == {
        "D1": None,
        "D2": "wrong_price",
        "D3": "wrong_price",  # a deal has no part
        "D4": "wrong_price",
        "D6": "wrong_price",
    }


@pytest.mark.parametrize(
    "book",
    [
        {"deals": deals_of(1, answerer=THEM)},
        {"deals": deals_of(1, state=DealState.ACCEPTED)},
        {"deals": deals_of(1), "drafted": {"deals": deals_of(1, state=DealState.ACCEPTED)}},
    ],
)
def test_a_deal_that_does_not_wait_for_us(book: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert answers(monkeypatch, "", **book) == {}


@pytest.mark.parametrize(
    ("script", "kw"),
    [
        ("", Decimal("16.000")),
        ("[deal]\nfraction = 0.33333\n", Decimal("6.666")),
        ("[deal]\nfraction = 0\n", None),
        ("[deal]\npropose = false\n", None),
    ],
)
def test_a_deal_over_a_share_of_what_counts(
    script: str, kw: Decimal | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposed: list[Decimal] = []
    monkeypatch.setattr(
        utility,
        "terms_of",
        lambda _turn, _name, _points, kw: proposed.append(kw) or replace(TERMS, contracted_kw=kw),
    )
    calls = heard(monkeypatch, utility, "confirm")
    turn = Bench(script, deals={}, registry=aggregation_of(der(1), der(2), standing=Standing.ACCEPTED))
    utility.propose_deal(turn)
    assert proposed == ([] if kw is None else [kw]) and len(calls) == len(proposed)


def test_no_deal_while_a_der_waits_or_another_deal_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = heard(monkeypatch, utility, "confirm")
    utility.propose_deal(Bench(deals={}, registry=aggregation_of(der(1))))
    counting = aggregation_of(der(1), standing=Standing.ACCEPTED)
    utility.propose_deal(Bench(deals={}, registry=counting, drafted={"deals": deals_of(1)}))
    assert calls == []


# Calls

_, _CALL = example(DocumentName("dispatch_instruction"))
assert isinstance(_CALL, DispatchInstruction)
WINDOW = Window(start=NOW.replace(minute=15, second=0), end=NOW.replace(hour=13, minute=15, second=0))


def kw(*watts: int, seconds: int = 900, start: datetime = WINDOW.start) -> IntervalSeries:
    return IntervalSeries(start=start, step_seconds=seconds, unit=Unit.KW, values=watts)


CALL: DispatchInstruction = replace(
    _CALL, window=WINDOW, target_kw=kw(1001, 1001, 1001, 1001), respond_by=NOW, revision=1
)


def calls_of(count: int, state: State = State.ISSUED, **more: Any) -> dict[str, Dispatch]:
    return {f"C{n}": Dispatch(CALL, NOW, state, **more) for n in range(1, count + 1)}


def test_each_call_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    said = heard(monkeypatch, aggregator.trade_dispatch, "answer")
    script = "[dispatch]\nrefuse_every = 2\npartial_every = 3\nsilent_every = 5\nreason = 'asset_outage'\n"
    turn = Bench(script, dispatches=calls_of(6))
    aggregator.answer_calls(turn)
    found = {name: more["said"] for name, more in said}
    assert found == {
        "C1": DispatchAnswer.ACCEPTED,
        "C2": DispatchAnswer.REFUSED,
        "C3": DispatchAnswer.PARTIAL,
        "C4": DispatchAnswer.REFUSED,
        "C6": DispatchAnswer.REFUSED,
    }
    assert {more.get("reason") for _, more in said} == {None, "asset_outage"}
    (committed,) = [more["committed"] for name, more in said if name == "C3"]
    assert [committed.quantity(n) for n in range(4)] == [Decimal("0.5")] * 4  # whole watts, rounded down
    assert turn.said[2] == "accept a part of C3 revision 1"


@given(st.lists(st.integers(-(10**7), 10**7), min_size=4, max_size=4), st.decimals(0, 1, places=3))
def test_a_part_of_a_call_has_its_sign_and_is_never_more(watts: list[int], fraction: Decimal) -> None:
    turn = Bench(f"[dispatch]\npartial_every = 1\npartial_fraction = {fraction:f}\n")
    known = Dispatch(replace(CALL, target_kw=kw(*watts)), NOW)
    words, act = aggregator._answer(turn, known, Manner.PART)
    committed = act.keywords["committed"]  # type: ignore[attr-defined]
    assert words == "accept a part of"
    for asked, given_ in zip(watts, committed.values, strict=True):
        assert abs(given_) == int(abs(asked) * fraction) and given_ * asked >= 0


@pytest.mark.parametrize("state", [one for one in State if one not in (State.ISSUED, State.CHANGED)])
def test_a_call_that_was_answered_is_not_answered_again(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = heard(monkeypatch, aggregator.trade_dispatch, "answer")
    aggregator.answer_calls(Bench(dispatches=calls_of(2, state)))
    aggregator.answer_calls(Bench(dispatches=calls_of(2), drafted={"dispatches": calls_of(2, state)}))
    assert said == []
    aggregator.answer_calls(Bench(dispatches=calls_of(2, State.CHANGED)))
    assert len(said) == 2


@pytest.mark.parametrize(
    ("follows", "watts"), [("0.95", 950), ("1", 1001), ("0", 0), ("1.5", 1501), ("2", 2002)]
)
def test_what_is_measured_follows_what_is_owed(follows: str, watts: int) -> None:
    turn = Bench(f"[dispatch]\nfollows = {follows}\n", now=WINDOW.start)
    power = aggregator._measured(turn, calls_of(1, State.ACCEPTED)["C1"], WINDOW.start, 7)
    assert power.values == (watts,) * 7 and power.step_seconds == 60


def test_what_is_measured_follows_a_part_that_was_promised() -> None:
    promised = kw(100, 200, 0, 400)
    known = calls_of(1, State.PARTIAL, committed_kw=promised)["C1"]
    turn = Bench("[dispatch]\nfollows = 1\n", now=WINDOW.start)
    power = aggregator._measured(turn, known, WINDOW.start + timedelta(minutes=14), 2)
    assert power.values == (100, 200) and value_at(promised, WINDOW.end) == 0


@pytest.mark.parametrize(
    ("minutes", "started", "act"),
    [(-1, False, None), (0, False, "report"), (4, True, None), (5, True, "measure"), (90, True, "measure")],
)
def test_a_call_is_started_and_then_measured_in_pieces(
    minutes: int, started: bool, act: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = {name: heard(monkeypatch, aggregator.trade_dispatch, name) for name in ("report", "measure")}
    known = calls_of(1, State.ACCEPTED, started=WINDOW.start if started else None)
    turn = Bench(now=WINDOW.start + timedelta(minutes=minutes), dispatches=known)
    aggregator.follow_calls(turn)
    assert [name for name, calls in done.items() if calls] == ([] if act is None else [act])
    if act == "measure":
        ((_, power),) = done["measure"]
        assert len(power.values) == min(minutes, 60)  # never beyond the end of the call


def test_a_call_that_is_measured_to_its_end_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    done = heard(monkeypatch, aggregator.trade_dispatch, "report")
    measured: Any = SimpleNamespace(power_kw=kw(*[1] * 60, seconds=60))
    known = calls_of(1, State.ACCEPTED, started=WINDOW.start, telemetry=(measured,))
    aggregator.follow_calls(Bench(now=WINDOW.end, dispatches=known))
    assert [(name, str(kind), at) for name, kind, at in done] == [("C1", "finished", WINDOW.end)]
