"""Registration, availability, outages and dispatch by command, between two gateways: what one says, the other sees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.command.trading import DEAL, DERS, Pair, agree, deal, trading


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with trading(tmp_path_factory.mktemp("acts")) as it:
        yield it


def ders(pair: Pair, capsys: Any) -> dict[str, Any]:
    """What the utility is shown of AGG, by DER."""
    shown = pair.shown(pair.utility, capsys, "registration", "show", "THEM", "AGG")
    return {one["der"]: one for one in shown["ders"]}


def test_without_a_contract_nothing_is_said(pair: Pair, capsys: Any) -> None:
    table = pair.file("ders.csv", DERS)
    add = ("registration", "add", "THEM", "AGG", table, "--service", "DIST_CAPACITY")
    refused = pair.says(pair.aggregator, capsys, *add)
    assert refused.code == 1 and "is in force" in refused.err and "intertie trade show" in refused.err
    agree(pair, capsys)
    assert pair.shown(pair.utility, capsys, "trade", "show", "THEM")["contracts"][0]["state"] == "in_force"


def test_an_aggregation_is_registered_from_a_table_and_decided_der_by_der(pair: Pair, capsys: Any) -> None:
    us, them = pair.aggregator, pair.utility
    table = pair.file("ders.csv", DERS)
    new = pair.says(us, capsys, "registration", "add", "THEM", "AGG", table)
    assert new.code == 1 and "--service" in new.err
    hours = ("--hours", "mon-sun 00:00-24:00")
    pair.did(us, capsys, "registration", "add", "THEM", "AGG", table, "--service", "DIST_CAPACITY", *hours)
    listed = pair.shown(them, capsys, "registration", "show", "THEM")["aggregations"]
    assert [(one["aggregation"], one["waiting"]) for one in listed] == [("AGG", 3)]
    assert "decision due by" in ders(pair, capsys)["DER-1"]["why"]
    decide = ("registration", "decide", "THEM", "AGG")
    for wrong, said in (
        (("--refuse", "DER-1=because"), "is no reason"),
        (("--accept", "DER-1=much"), "no number"),
        (("--accept", "DER-1", "--refuse", "DER-1=other"), "accepted and refused"),
        ((), "nothing was said"),
        (("--accept", "DER-1=11"), "registration.above_nameplate"),
        (("--accept", "DER-9"), "registration.unknown_der"),
    ):
        answer = pair.says(them, capsys, *decide, *wrong)
        assert answer.code == 1 and said in answer.err
    refuse = ("--refuse", "DER-3=hosting_capacity", "--detail", "the transformer is full")
    pair.did(them, capsys, *decide, "--accept", "DER-2=5", *refuse, "--accept-rest")
    found = ders(pair, capsys)
    assert [found[f"DER-{n}"]["state"] for n in (1, 2, 3)] == ["accepted", "accepted", "refused"]
    assert found["DER-2"]["accepted_kw"] == "5" and found["DER-2"]["able_kw"] == "5"
    assert found["DER-3"]["why"] == "hosting_capacity the transformer is full"


def test_ders_are_added_changed_moved_and_removed(pair: Pair, capsys: Any) -> None:
    us = pair.aggregator
    head = DERS.splitlines()[0]
    more = pair.file("more.csv", f"{head}\nDER-4,battery,6,F12,F12-T9,M-4,P-4,C-4,\n")
    service = pair.says(us, capsys, "registration", "add", "THEM", "AGG", more, "--service", "ENERGY")
    assert service.code == 1 and "--replace" in service.err
    pair.did(us, capsys, "registration", "add", "THEM", "AGG", more)
    twice = pair.says(us, capsys, "registration", "add", "THEM", "AGG", more)
    assert twice.code == 1 and "registration.der_there" in twice.err
    larger = pair.file("larger.csv", f"{head}\nDER-4,battery,8,F12,F12-T9,M-4,P-4,C-4,\n")
    pair.did(us, capsys, "registration", "change", "THEM", "AGG", larger)
    pair.did(
        us,
        capsys,
        "registration",
        "change",
        "THEM",
        "AGG",
        "--der",
        "DER-1",
        "--state",
        "limited",
        "--kw",
        "4",
    )
    found = ders(pair, capsys)
    assert found["DER-4"]["nameplate_kw"] == "8" and found["DER-1"]["able_kw"] == "4"
    unlimited = pair.says(
        us, capsys, "registration", "change", "THEM", "AGG", "--der", "DER-1", "--state", "limited"
    )
    assert unlimited.code == 1 and "available_kw" in unlimited.err
    nothing = pair.says(us, capsys, "registration", "change", "THEM", "AGG")
    assert nothing.code == 1 and "what changes?" in nothing.err
    pair.did(us, capsys, "registration", "change", "THEM", "AGG", "--der", "DER-1", "--state", "in_service")
    place = ("--feeder", "F12", "--point", "F12-T8", "--meter", "M-5", "--premises", "P-5")
    pair.did(us, capsys, "registration", "move", "THEM", "AGG", "DER-4", *place)
    assert ders(pair, capsys)["DER-4"]["point"] == "F12-T8"
    pair.did(us, capsys, "registration", "remove", "THEM", "AGG", "DER-4", "--reason", "customer_left")
    assert ders(pair, capsys)["DER-4"]["state"] == "removed"
    anew = pair.file("anew.csv", DERS.replace("DER-3,pv,12.4", "DER-3,pv,12.5"))
    pair.did(us, capsys, "registration", "add", "THEM", "AGG", anew, "--replace")
    found = ders(pair, capsys)
    assert (found["DER-1"]["state"], found["DER-3"]["state"]) == ("accepted", "offered")
    pair.did(
        pair.utility, capsys, "registration", "decide", "THEM", "AGG", "--refuse", "DER-3=hosting_capacity"
    )


def test_either_side_suspends_and_only_its_author_resumes(pair: Pair, capsys: Any) -> None:
    suspend = (
        "registration",
        "suspend",
        "THEM",
        "AGG",
        "S-1",
        "--reason",
        "telemetry_lost",
        "--der",
        "DER-1",
    )
    pair.did(pair.utility, capsys, *suspend)
    assert ders(pair, capsys)["DER-1"]["suspended"] == "S-1 (utility.example)"
    theirs = pair.says(pair.aggregator, capsys, "registration", "resume", "THEM", "AGG", "S-1")
    assert theirs.code == 1 and "registration.not_its_author" in theirs.err
    pair.did(pair.utility, capsys, "registration", "resume", "THEM", "AGG", "S-1")
    shown = pair.says(pair.aggregator, capsys, "registration", "show", "THEM", "AGG", "--history")
    for word in (
        "registered",
        "accepted",
        "refused",
        "added",
        "replaced",
        "moved",
        "removed",
        "suspended",
        "resumed",
    ):
        assert word in shown.out
    unknown = pair.says(pair.aggregator, capsys, "registration", "show", "THEM", "NONE")
    assert unknown.code == 1 and "without a name" in unknown.err


def at_t7(pair: Pair, side: Any, capsys: Any, *more: str) -> list[dict[str, str]]:
    shown = pair.shown(side, capsys, "availability", "show", "THEM", "--point", "F12-T7", *more)
    (one,) = shown["points"]
    rows: list[dict[str, str]] = one["rows"]
    return rows


HERE_DECLARED = ("--service", "DIST_CAPACITY", "--point", "F12-T7")


def test_availability_declared_seen_and_withdrawn(pair: Pair, capsys: Any) -> None:
    deal(pair, capsys)
    hours = ("--from", "2h", "--until", "4h")
    declare = ("availability", "declare", "THEM", "AGG", *HERE_DECLARED)
    pair.did(
        pair.aggregator, capsys, *declare, *hours, "--step", "1h", "--up-kw", "15,14,13,-", "--price", "0.95"
    )
    start = at_t7(pair, pair.utility, capsys)[2]["from"]
    seen = at_t7(pair, pair.utility, capsys, "--from", start.replace(" ", "T"), "--until", "6h")
    assert seen == at_t7(pair, pair.aggregator, capsys, "--from", start.replace(" ", "T"), "--until", "6h")
    full = seen[1]
    assert (full["firm_kw"], full["declared_kw"], full["remaining_kw"]) in (
        ("12.000", "14.000", "2.000"),
        ("12.000", "15.000", "3.000"),
    )
    assert seen[5]["declared_kw"] == "" and seen[5]["remaining_kw"] == "-12.000"
    people = pair.says(pair.utility, capsys, "availability", "show", "THEM")
    assert "F12-T7, DIST_CAPACITY up" in people.out and "kW, by hours from" in people.out
    for wrong, said in (
        ((*hours, "--step", "1h", "--up-kw", "1,2"), "2 values for 4 intervals"),
        ((*hours, "--up-kw", "lots"), "not a number"),
        ((*hours, "--up-kw", "1.0001"), "finer than a watt"),
        (("--up-kw", "1"), "--from and --until"),
        ((), "what can it do?"),
    ):
        answer = pair.says(pair.aggregator, capsys, *declare, *wrong)
        assert answer.code == 1 and said in answer.err
    elsewhere = ("--service", "DIST_CAPACITY", "--point", "F12-T99", *hours, "--up-kw", "1")
    refused = pair.says(pair.aggregator, capsys, "availability", "declare", "THEM", "AGG", *elsewhere)
    assert refused.code == 1 and "availability.point" in refused.err
    pair.did(pair.aggregator, capsys, "availability", "withdraw", "THEM", "AGG")
    again = pair.says(pair.aggregator, capsys, "availability", "withdraw", "THEM", "AGG")
    assert again.code == 1 and "nothing is declared" in again.err
    gone = at_t7(pair, pair.utility, capsys, "--from", start.replace(" ", "T"), "--until", "6h")
    assert gone[1]["declared_kw"] == "0.000"
    long = pair.says(
        pair.utility, capsys, "availability", "show", "THEM", "--until", "90d", "--step", "15min"
    )
    assert long.code == 1 and "shorter time" in long.err


def test_availability_from_a_table(pair: Pair, capsys: Any) -> None:
    first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=2)
    lines = [
        f"{(first + timedelta(minutes=15 * n)).isoformat()},{10 + n},{'' if n == 2 else n}" for n in range(4)
    ]
    table = pair.file("tomorrow.csv", "start,up_kw,down_kw\n" + "\n".join(lines) + "\n")
    pair.did(pair.aggregator, capsys, "availability", "declare", "THEM", "AGG", table, *HERE_DECLARED)
    span = ("--from", first.isoformat(), "--until", "1h", "--step", "15min")
    up = at_t7(pair, pair.utility, capsys, *span)
    down = at_t7(pair, pair.utility, capsys, *span, "--direction", "down")
    assert [row["declared_kw"] for row in up] == ["10.000", "11.000", "12.000", "13.000"]
    assert [row["declared_kw"] for row in down] == ["0.000", "1.000", "", "3.000"]
    outage = (
        "outage",
        "notice",
        "THEM",
        "A-1",
        "--aggregation",
        "AGG",
        "--der",
        "DER-1",
        "--cause",
        "failure",
    )
    pair.did(pair.aggregator, capsys, *outage)
    short = at_t7(pair, pair.utility, capsys, *span)
    assert [row["withdrawn_kw"] for row in short] == ["10.000"] * 4
    assert pair.shown(pair.utility, capsys, "outage", "show", "THEM")["ders"][0]["missing_kw"] == "10"
    pair.did(pair.aggregator, capsys, "outage", "update", "THEM", "A-1", "--kw", "4", "--until", "3d")
    assert at_t7(pair, pair.utility, capsys, *span)[0]["withdrawn_kw"] == "4.000"
    wrong = pair.says(pair.aggregator, capsys, "outage", "restore", "THEM", "A-1", "--point", "F12-T7")
    assert wrong.code == 1 and "is of DERs" in wrong.err
    pair.did(pair.aggregator, capsys, "outage", "restore", "THEM", "A-1")
    assert at_t7(pair, pair.utility, capsys, *span)[0]["withdrawn_kw"] == "0.000"
    over = pair.says(pair.aggregator, capsys, "outage", "restore", "THEM", "A-1")
    assert over.code == 1 and "back already" in over.err


def test_an_outage_of_the_grid_from_notice_to_restoration(pair: Pair, capsys: Any) -> None:
    us = pair.utility
    model = pair.document("feeder_model")
    pair.did(us, capsys, "send", model, "--to", "THEM", "--document", "feeder_model")
    notice = ("outage", "notice", "THEM", "OUT-1")
    nothing = pair.says(us, capsys, *notice)
    assert nothing.code == 1 and "what is out?" in nothing.err
    cause = pair.says(us, capsys, *notice, "--point", "F12-T7", "--cause", "bad_luck")
    assert cause.code == 1 and "vegetation" in cause.err
    planned = pair.says(us, capsys, *notice, "--point", "F12-T7", "--from", "2d")
    assert planned.code == 1 and "estimated_restoration" in planned.err
    pair.did(
        us, capsys, *notice, "--point", "F12-T7", "--point", "F12-T9", "--cause", "weather", "--until", "2h"
    )
    update = ("outage", "update", "THEM", "OUT-1")
    status = pair.says(us, capsys, *update)
    assert status.code == 1 and "crew_assigned" in status.err
    pair.did(us, capsys, *update, "--status", "repairing", "--until", "3h")
    pair.did(us, capsys, "outage", "restore", "THEM", "OUT-1", "--point", "F12-T9")
    (seen,) = pair.shown(pair.aggregator, capsys, "outage", "show", "THEM")["outages"]
    assert (
        seen["state"] == "partly_restored"
        and seen["points_back"] == "F12-T9"
        and "F12-T7" in seen["points_out"]
    )
    dead = dispatched(pair, capsys, "--kw", "5", "--from", "1h", "--until", "1h")
    assert dead.code == 1 and "dispatch.de_energised" in dead.err and "outage OUT-1" in dead.out
    theirs = pair.says(pair.aggregator, capsys, *notice[:3], "OUT-2", "--point", "F12-T7", "--until", "2h")
    assert theirs.code == 1 and "does not go from aggregator.example" in theirs.err
    pair.did(us, capsys, "outage", "restore", "THEM", "OUT-1")
    assert pair.shown(pair.aggregator, capsys, "outage", "show", "THEM")["outages"] == []
    (over,) = pair.shown(us, capsys, "outage", "show", "THEM", "--all")["outages"]
    assert over["state"] == "restored" and over["points_out"] == ""


def dispatched(pair: Pair, capsys: Any, *more: str) -> Any:
    return pair.says(pair.utility, capsys, "dispatch", "send", "THEM", DEAL, *more)


def test_what_a_call_is_held_to_is_shown_and_refused_by_the_name_of_the_rule(pair: Pair, capsys: Any) -> None:
    limits = dispatched(pair, capsys)
    for word in ("12 kW", "0 of 2 used", "30 minutes: not before", "15 minutes at least", "15.000 kW"):
        assert word in limits.out, limits.out
    assert pair.shown(pair.utility, capsys, "dispatch", "send", "THEM", DEAL)["calls_used"] == 0
    for wrong, said in (
        (("--kw", "13", "--from", "1h", "--until", "1h"), "dispatch.above_contracted"),
        (("--kw", "5", "--from", "5min", "--until", "1h"), "dispatch.under_notice"),
        (("--kw", "5", "--from", "1h", "--until", "3h"), "dispatch.duration"),
        (("--kw", "5", "--from", "100d", "--until", "1h"), "dispatch.outside_term"),
        (("--kw", "-5", "--from", "1h", "--until", "1h"), "dispatch.direction"),
        (("--kw", "5", "--from", "1h", "--until", "1h", "--respond-by", "5min"), "dispatch.time_to_answer"),
        (("--kw", "5", "--from", "1h", "--until", "1h", "--point", "F12-T9"), "dispatch.point"),
        (("--kw", "5"), "--from and --until"),
    ):
        answer = dispatched(pair, capsys, *wrong)
        assert answer.code == 1 and said in answer.err
    unknown = pair.says(pair.utility, capsys, "dispatch", "send", "THEM", "NONE")
    assert unknown.code == 1 and "no deal NONE" in unknown.err
    assert pair.shown(pair.aggregator, capsys, "dispatch", "show", "THEM") == {"dispatches": []}


def test_a_dispatch_from_its_call_to_its_plot(pair: Pair, capsys: Any) -> None:
    us, them = pair.utility, pair.aggregator
    call = ("dispatch", "send", "THEM", DEAL, "--kw", "10,12", "--step", "30min", "--name", "D-1")
    pair.did(us, capsys, *call, "--from", "40min", "--until", "1h")
    (listed,) = pair.shown(them, capsys, "dispatch", "show", "THEM")["dispatches"]
    assert (listed["dispatch"], listed["state"], listed["now"]) == ("D-1", "issued", "waiting")
    part = pair.says(them, capsys, "dispatch", "answer", "THEM", "D-1", "--kw", "8")
    assert part.code == 1 and "reason" in part.err
    pair.did(them, capsys, "dispatch", "answer", "THEM", "D-1", "--kw", "8,11", "--reason", "not_available")
    pair.did(us, capsys, "dispatch", "change", "THEM", "D-1", "--kw", "9")
    old = pair.shown(them, capsys, "dispatch", "show", "THEM")["dispatches"][0]
    assert old["state"] == "changed"
    pair.did(them, capsys, "dispatch", "answer", "THEM", "D-1")
    early = pair.says(them, capsys, "dispatch", "finish", "THEM", "D-1")
    assert early.code == 1 and "dispatch.not_started" in early.err
    pair.did(them, capsys, "dispatch", "start", "THEM", "D-1", "--ders", "2")
    shown = pair.shown(us, capsys, "dispatch", "show", "THEM", "D-1")
    begin = datetime.fromisoformat(shown["from"].replace(" ", "T"))
    lines = [f"{(begin + timedelta(minutes=15 * n)).isoformat()},{kw}" for n, kw in enumerate((7, 9, 9, 9))]
    table = pair.file("measured.csv", "start,power_kw\n" + "\n".join(lines) + "\n")
    pair.did(them, capsys, "dispatch", "measure", "THEM", "D-1", table, "--ders", "2")
    pair.did(them, capsys, "dispatch", "finish", "THEM", "D-1", "--achieved", "8.5")
    went = pair.shown(us, capsys, "dispatch", "show", "THEM", "D-1")
    assert went == pair.shown(them, capsys, "dispatch", "show", "THEM", "D-1") and went["state"] == "finished"
    assert [row["measured_kw"] for row in went["rows"]] == ["7.000", "9.000", "9.000", "9.000"]
    assert {row["owed_kw"] for row in went["rows"]} == {"9.000"} and went["followed"] == "0.944"
    people = pair.says(us, capsys, "dispatch", "show", "THEM", "D-1")
    assert "Measured of what was owed: 94.4%" in people.out and "measured" in people.out


def test_refused_cancelled_and_overridden(pair: Pair, capsys: Any) -> None:
    us, them = pair.utility, pair.aggregator
    send = ("dispatch", "send", "THEM")
    pair.did(us, capsys, *send, DEAL, "--kw", "4", "--from", "2h", "--until", "1h", "--name", "D-2")
    refuse = ("dispatch", "answer", "THEM", "D-2", "--refuse")
    both = pair.says(them, capsys, *refuse, "--kw", "3", "--reason", "other")
    assert both.code == 1 and "--kw or --refuse" in both.err
    pair.did(them, capsys, *refuse, "--reason", "not_available")
    full = dispatched(pair, capsys, "--kw", "4", "--from", "4h", "--until", "1h")
    assert full.code == 1 and "dispatch.over_call_limit" in full.err and "2 of 2 used" in full.out
    pair.did(us, capsys, "dispatch", "cancel", "THEM", "D-2", "--reason", "forecast_changed")
    made = pair.did(
        us, capsys, *send, DEAL, "--kw", "4", "--from", "4h", "--until", "1h", "--name", "D-3", "--json"
    )
    assert json.loads(made.out)["dispatch"] == "D-3"
    where = ("--service", "RELIABILITY", "--point", "F12-T7", "--override", "D-3")
    nowhere = pair.says(us, capsys, *send, "--emergency", "--kw", "6", "--from", "4h", "--until", "1h")
    assert nowhere.code == 1 and "--service and --point" in nowhere.err
    pair.did(us, capsys, *send, "--emergency", "--kw", "6", "--from", "4h", "--until", "1h", *where)
    listed = pair.shown(them, capsys, "dispatch", "show", "THEM")["dispatches"]
    assert [one["state"] for one in listed] == ["finished", "cancelled", "overridden", "issued"]
    pair.did(them, capsys, "dispatch", "answer", "THEM", listed[3]["dispatch"])
    pair.did(them, capsys, "dispatch", "start", "THEM", listed[3]["dispatch"])
    pair.did(them, capsys, "dispatch", "finish", "THEM", listed[3]["dispatch"], "--stopped", "safety")
    ours = pair.shown(us, capsys, "trade", "show", "THEM")
    theirs = pair.shown(them, capsys, "trade", "show", "THEM")
    assert ours["digest"] == theirs["digest"] and ours["void"] == []
