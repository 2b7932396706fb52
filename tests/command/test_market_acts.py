"""The market by command: a need to two aggregators, sealed offers that open by themselves, clearing, and what each is told."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.command.gateways import AGGREGATOR, Said, here
from tests.command.trading import RIVAL, WAIT, Market, Pair, agree, market

PLACE = ("--service", "DIST_CAPACITY", "--point", "F12-T7")


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with market(tmp_path_factory.mktemp("market")) as it:
        yield it


@pytest.fixture(scope="module")
def sides(three: Market) -> tuple[Pair, Pair]:
    return three.with_one(three.aggregator), three.with_one(three.rival)


def says(three: Market, capsys: Any, *arguments: str | Path) -> Said:
    """The utility, to all."""
    return here(capsys, *arguments, "--dir", three.utility)


def did(three: Market, capsys: Any, *arguments: str | Path) -> Said:
    """Accepted by all; then time goes on: nothing is said in the moment in which something else was."""
    said = says(three, capsys, *arguments, *WAIT)
    assert said.code == 0, said.out + said.err
    three.move(seconds=1)
    return said


def need(three: Market, capsys: Any, name: str, *more: str) -> datetime:
    """A need is published; when its gate closes."""
    gate = three.now + timedelta(hours=1)
    times = ("--from", "1d", "--until", "2h", "--step", "1h", "--gate", gate.isoformat(), "--decide-by", "5h")
    did(three, capsys, "market", "need", name, *PLACE, *times, *more)
    return gate


def shown(pair: Pair, side: Path, capsys: Any, what: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pair.shown(side, capsys, "market", "show", "THEM")[what]
    return rows


def until(pair: Pair, side: Path, capsys: Any, offer: str, state: str) -> None:
    """Until the side sees the offer in this state."""
    for _ in range(200):
        if any(
            one["offer"] == offer and one["state"] == state for one in shown(pair, side, capsys, "offers")
        ):
            return
        here(capsys, "status", "--dir", side)
    raise AssertionError(shown(pair, side, capsys, "offers"))


def test_sealed_offers_open_by_themselves_and_one_price_clears(
    three: Market, sides: tuple[Pair, Pair], capsys: Any
) -> None:
    us, them = sides
    for pair in sides:
        agree(pair, capsys)
    sealed = ("--kw", "30,20", "--sealed", "--keys-by", "4h", "--clearing", "uniform", "--cap", "1.50")
    gate = need(three, capsys, "N-1", *sealed)
    (listed,) = us.shown(us.aggregator, capsys, "market", "needs")["needs"]
    assert listed["need"] == "N-1" and listed["state"] == "open" and listed["gate"].endswith("left")
    assert listed["kw"] == "20 to 30" and listed["clearing"] == "uniform, sealed"
    offer = ("market", "offer", "THEM", "OF-1", "--need", "N-1", "--kw", "20,10")
    plain = us.says(us.aggregator, capsys, *offer, "--price", "0.80")
    assert plain.code == 1 and "Give --sealed" in plain.err
    dear = us.did(us.aggregator, capsys, *offer, "--price", "0.80", "--least", "0.5", "--sealed")
    assert "Sealed. The gate closes" in dear.out
    them.did(them.aggregator, capsys, *offer, "--price", "0.70", "--sealed")
    (file,) = (us.aggregator / "keys" / "sealed").iterdir()
    assert file.read_bytes().startswith(b"ITK1")  # encrypted, as the other secrets
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    seen = shown(us, us.utility, capsys, "offers")
    assert [(one["state"], one["options"]) for one in seen] == [("sealed", "sealed")]
    early = says(three, capsys, "market", "clear", "N-1")
    assert early.code == 1 and "the gate of N-1 closes" in early.err
    three.move_to(gate + timedelta(seconds=5))
    waits = says(three, capsys, "market", "clear", "N-1")
    assert waits.code == 1 and "2 offers are sealed still" in waits.err
    assert us.shown(us.utility, capsys, "market", "needs")["needs"][0]["gate"] == "closed"
    three.move(minutes=1)
    until(us, us.utility, capsys, "OF-1", "open")
    until(them, them.utility, capsys, "OF-1", "open")
    three.move(seconds=1)
    cleared = says(three, capsys, "market", "clear", "N-1", "--json").json
    assert [(one["aggregator"], one["verdict"], one["why"]) for one in cleared["offers"]] == [
        (AGGREGATOR, "partial", "need_met"),
        (RIVAL, "awarded", ""),
    ]
    assert cleared["clearing_price"]["amount"] == "0.80"
    sent = did(three, capsys, "market", "clear", "N-1", "--send")
    assert "All are paid 0.8 USD per kWh." in sent.out and sent.out.count("accepted") == 4
    again = says(three, capsys, "market", "clear", "N-1", "--send", *WAIT)
    assert again.code == 0 and "accepted" not in again.out
    for pair in sides:
        (order,) = shown(pair, pair.aggregator, capsys, "orders")
        assert order["price"] == "0.8 USD"
        (told,) = shown(pair, pair.aggregator, capsys, "offers")
        assert told["order"] == order["order"] and told["result"]
        (state,) = shown(pair, pair.aggregator, capsys, "needs")
        assert state["state"] == "decided"
        digests = [pair.shown(side, capsys, "trade", "show", "THEM")["digest"] for side in pair[:2]]
        assert digests[0] == digests[1]
    for _ in range(200):
        if not list((us.aggregator / "keys" / "sealed").iterdir()):
            return
        here(capsys, "status", "--dir", us.aggregator)
    raise AssertionError("the key is kept after it was given")


def test_who_is_left_out_or_too_dear_is_told_why(
    three: Market, sides: tuple[Pair, Pair], capsys: Any
) -> None:
    us, them = sides
    gate = need(three, capsys, "N-2", "--kw", "10", "--cap", "1")
    offer = ("market", "offer", "THEM", "B-1", "--need", "N-2", "--kw", "10")
    above = us.says(us.aggregator, capsys, *offer, "--price", "1.01")
    assert above.code == 1 and "offer.above_cap" in above.err
    us.did(us.aggregator, capsys, *offer, "--price", "0.90")
    us.did(us.aggregator, capsys, *offer, "--price", "0.60", "--kw", "4", "--price", "0.55")
    them.did(them.aggregator, capsys, *offer, "--price", "0.50")
    (mine,) = [one for one in shown(us, us.utility, capsys, "offers") if one["offer"] == "B-1"]
    assert mine["revision"] == 2 and mine["options"] == "1: 10 kW at 0.6 USD; 2: 4 kW at 0.55 USD"
    three.move_to(gate + timedelta(seconds=5))
    found = says(three, capsys, "market", "clear", "N-2", "--without", f"{RIVAL}:B-1", "--json").json
    assert {(one["aggregator"], one["why"], one["option"]) for one in found["offers"]} == {
        (AGGREGATOR, "", 2),
        (RIVAL, "left out", ""),
    }
    assert found["unmet_kw"] == ["6.000", "6.000"]
    did(three, capsys, "market", "clear", "N-2", "--send")
    (lost,) = [one for one in shown(us, us.aggregator, capsys, "offers") if one["offer"] == "B-1"]
    assert (lost["state"], lost["order"], lost["result"]) == ("not_awarded", "", "not_awarded need_met")
    (won,) = [one for one in shown(them, them.aggregator, capsys, "offers") if one["offer"] == "B-1"]
    assert won["state"] == "ordered" and won["result"] == "awarded"


def test_an_unsolicited_offer_is_countered_and_ordered(sides: tuple[Pair, Pair], capsys: Any) -> None:
    us, _ = sides
    offer = ("market", "offer", "THEM", "F-1", "--kw", "10", "--price", "0.90")
    nothing = us.says(us.aggregator, capsys, *offer)
    assert nothing.code == 1 and "from when until when?" in nothing.err
    span = ("--from", "2d", "--until", "1h")
    us.did(us.aggregator, capsys, *offer, *PLACE, *span, "--least", "0")
    us.did(us.utility, capsys, "market", "counter", "THEM", "F-1", "--price", "0.70", "--valid", "2h")
    (asked,) = shown(us, us.aggregator, capsys, "counters")
    assert (asked["counter"], asked["price"], asked["state"]) == ("C-F-1-1", "0.7 USD", "open")
    both = us.says(us.aggregator, capsys, "market", "counter", "THEM", "C-F-1-1", "--accept", "--decline")
    assert both.code == 1 and "accept or decline?" in both.err
    us.did(us.aggregator, capsys, "market", "counter", "THEM", "C-F-1-1", "--decline")
    us.did(us.utility, capsys, "market", "counter", "THEM", "F-1", "--price", "0.80", "--kw", "8")
    us.did(us.aggregator, capsys, "market", "counter", "THEM", "C-F-1-2", "--accept")
    (order,) = [one for one in shown(us, us.utility, capsys, "orders") if one["offer"] == "F-1"]
    assert (order["kw"], order["price"]) == ("8", "0.8 USD")
    us.did(us.aggregator, capsys, *offer[:3], "F-2", *offer[4:], *PLACE, *span, "--least", "0.5")
    least = us.says(us.utility, capsys, "market", "order", "THEM", "F-2", "--kw", "4")
    assert least.code == 1 and "order.less_than_minimum" in least.err
    us.did(us.utility, capsys, "market", "order", "THEM", "F-2", "--kw", "5")
    gone = us.says(us.aggregator, capsys, "market", "revoke", "THEM", "F-2", "--reason", "price_changed")
    assert gone.code == 1 and "offer.ended" in gone.err


def test_what_is_taken_back(three: Market, sides: tuple[Pair, Pair], capsys: Any) -> None:
    us, them = sides
    need(three, capsys, "N-3", "--kw", "10", "--to", AGGREGATOR, "--sealed", "--keys-by", "3h")
    assert them.shown(them.aggregator, capsys, "market", "needs")["needs"] == []
    offer = ("market", "offer", "THEM", "S-1", "--need", "N-3", "--kw", "10", "--price", "0.5", "--sealed")
    us.did(us.aggregator, capsys, *offer)
    for wrong, said in (
        (("market", "revoke", "THEM", "S-1", "--reason", "because"), "sold_elsewhere"),
        (("market", "revoke", "THEM", "NONE"), "no offer NONE"),
        (("market", "offer", "THEM", "S-2", "--need", "NONE", "--kw", "1", "--price", "1"), "no need NONE"),
        (("market", "offer", "THEM", "S-2", "--kw", "1", "--price", "1", "--sealed"), "without a need"),
        (("market", "counter", "THEM", "NONE", "--accept"), "no counter NONE"),
    ):
        answer = us.says(us.aggregator, capsys, *wrong)
        assert answer.code == 1 and said in answer.err
    secret = us.says(us.utility, capsys, "market", "order", "THEM", "S-1")
    assert secret.code == 1 and "S-1 is sealed" in secret.err
    us.did(us.aggregator, capsys, "market", "revoke", "THEM", "S-1", "--reason", "asset_outage")
    us.did(us.utility, capsys, "market", "revoke", "THEM", "N-3", "--reason", "no_longer_needed")
    assert [one["state"] for one in shown(us, us.aggregator, capsys, "needs") if one["need"] == "N-3"] == [
        "withdrawn"
    ]
    nobody = says(three, capsys, "market", "clear", "N-3")
    assert nobody.code == 1 and "no need N-3 is open" in nobody.err
    rows = us.says(us.aggregator, capsys, "market", "show", "THEM").out
    assert "Counters" in rows and "revoked" in rows
