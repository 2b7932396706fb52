"""Two organisations that share nothing but a code: from empty folders to a first message, by commands alone."""

from __future__ import annotations

import contextlib
import io
import json
import re
import socket
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.command.gateways import AGGREGATOR, PROGRAM, UTILITY, Said, apart, here, outage, served
from tests.da_flows import IN, OUT
from tests.ports import free_port

from intertie.cli import run
from intertie.gateway.configuration.settings import JoiningDoor, Settings, Street
from intertie.model.ids import PartyId
from intertie.model.party import Party, Role
from intertie.run import opened
from intertie.run.onboarding import door_address
from intertie.seal.joining import new_code, read_code, write_code

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
Capsys = pytest.CaptureFixture[str]
# A gateway reads its partners and its trust again within a second.
SETTLE_SECONDS = 1.5


class Two(NamedTuple):
    """Two gateway folders, and where the first one's joining door is."""

    utility: Path
    aggregator: Path
    door: int


def make_two(base: Path, invoke: Callable[..., Said]) -> Two:
    """Each under an authority of its own; neither knows the other."""
    door = free_port()
    for party, role in ((UTILITY, "distribution_utility"), (AGGREGATOR, "der_aggregator")):
        url = f"https://127.0.0.1:{free_port()}"
        directory = base / party.partition(".")[0]
        assert invoke("init", party, "--role", role, "--url", url, "--dir", directory).code == 0
    settings = base / "utility" / "intertie.toml"
    text = settings.read_text()
    assert text.count('# listen = "127.0.0.1:8453"') == 1
    settings.write_text(text.replace('# listen = "127.0.0.1:8453"', f'listen = "127.0.0.1:{door}"'))
    return Two(base / "utility", base / "aggregator", door)


def inside(*arguments: str | Path) -> Said:
    """One command in this process, where no fixture captures: the gateways are processes of their own all the same."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    return Said(code, out.getvalue(), err.getvalue())


def invited(two: Two, *more: str) -> dict[str, Any]:
    invitation: dict[str, Any] = inside("partner", "invite", *more, "--dir", two.utility, "--json").json
    return invitation


def wait_open(port: int) -> None:
    """Until the door listens: `serve` looks twice a second."""
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError("the joining door does not open")


def notes(directory: Path) -> list[str]:
    """The acts of a journal, without who did them."""
    with opened(directory) as it:
        entries = [json.loads(raw) for _, raw, _ in it.gateway.store.entries()]
    acts = [entry["note"] for entry in entries if entry["kind"] == "act"]
    return [re.split(" by | in |:", note)[0] for note in acts]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The whole of it, once; what each step said."""
    base = tmp_path_factory.mktemp("story")
    two = make_two(base, inside)
    u, a = two.utility, two.aggregator
    said: dict[str, Any] = {"two": two}
    with served(u), served(a):
        said["invite"] = invited(two, "--agreement", "DGS-1", "--party", AGGREGATOR)
        wait_open(two.door)
        said["join"] = inside(
            "partner",
            "join",
            said["invite"]["code"],
            "--party",
            UTILITY,
            "--agreement",
            "DGS-1",
            "--dir",
            a,
            "--json",
        ).json
        said["joined"] = inside("partner", "list", "--dir", u, "--json").json
        said["early"] = inside("partner", "prove", AGGREGATOR, "--dir", u)
        words = said["join"]["words"]
        said["wrong words"] = inside("partner", "confirm", AGGREGATOR, "--words", "lusab", "--dir", u)
        said["confirm"] = [
            inside("partner", "confirm", other, "--words", words.upper(), "--dir", here_)
            for here_, other in ((u, AGGREGATOR), (a, UTILITY))
        ]
        said["too early"] = inside("partner", "live", AGGREGATOR, "--dir", u)
        said["business before"] = inside(
            "send", outage(base / "o.json"), "--to", AGGREGATOR, "--document", "outage_notice",
            "--mode", "scheduled", "--agreement", "DGS-1", "--dir", u,
        )  # fmt: skip
        said["prove"] = inside("partner", "prove", AGGREGATOR, "--dir", u, "--wait", "60", "--json")
        said["shown"] = inside("partner", "show", AGGREGATOR, "--dir", u)
        said["live"] = [
            inside("partner", "live", AGGREGATOR, "--dir", u),
            inside("partner", "prove", UTILITY, "--go-live", "--wait", "60", "--dir", a),
        ]
        said["again"] = inside("partner", "live", AGGREGATOR, "--dir", u)
        time.sleep(SETTLE_SECONDS)
        said["message"] = inside(
            "send", base / "o.json", "--to", AGGREGATOR, "--document", "outage_notice",
            "--mode", "scheduled", "--wait", "30", "--dir", u, "--json",
        )  # fmt: skip
    return said


def test_both_show_the_same_words(story: dict[str, Any]) -> None:
    (waiting,) = story["joined"]["joinings"]
    assert waiting["words"] == story["join"]["words"]
    assert re.fullmatch("([a-z]{5} ?){5}", waiting["words"])
    assert (waiting["party"], story["join"]["party"]) == (AGGREGATOR, UTILITY)
    assert story["join"]["terms"]["agreement"] == "DGS-1"


def test_nothing_is_possible_before_the_words_are_confirmed(story: dict[str, Any]) -> None:
    assert story["joined"]["partners"] == []
    assert story["early"].code == 1 and "confirm" in story["early"].err
    assert story["wrong words"].code == 1 and "not the words" in story["wrong words"].err
    assert [said.code for said in story["confirm"]] == [0, 0]


def test_nothing_but_the_test_is_possible_before_live(story: dict[str, Any]) -> None:
    assert story["business before"].code == 1 and "not_live" in story["business before"].err
    assert story["too early"].code == 1
    assert "not proven" in story["too early"].err and "DA.base_contract" in story["too early"].err


def test_one_command_proves_every_flow_in_both_directions(story: dict[str, Any]) -> None:
    proof = story["prove"].json
    assert proof["proven"] is True and proof["state"] == "proving"
    counts = {way: sum(flow["direction"] == way for flow in proof["flows"]) for way in ("out", "in")}
    assert counts == {"out": OUT, "in": IN}
    sent = [flow for flow in proof["flows"] if flow["direction"] == "out"]
    assert {flow["group"] for flow in proof["flows"]} == {"X25519MLKEM768"}  # as each side recorded it
    assert all(flow["profile"] == "hybrid" and flow["seconds"] <= flow["need_seconds"] for flow in sent)


def test_both_are_live_and_business_arrives(story: dict[str, Any]) -> None:
    assert [said.code for said in story["live"]] == [0, 0], story["live"]
    assert "is live" in story["live"][1].out
    assert story["again"].code == 0
    (message,) = story["message"].json["messages"]
    assert message["state"] == "accepted"
    inbox = inside("inbox", "--dir", story["two"].aggregator, "--json").json["messages"]
    assert inbox[-1]["id"] == message["id"] and inbox[-1]["agreement"] == "DGS-1"
    assert all(one["conversation"].startswith("onboarding-") for one in inbox[:-1]) and len(inbox) == OUT + 1


def test_show_has_state_words_keys_and_proof(story: dict[str, Any]) -> None:
    shown = story["shown"].out
    for text in (story["join"]["words"], "proving", "DGS-1", "ML-DSA-65", "until 20", "DA invoice", "proven"):
        assert text in shown, text
    after = inside("partner", "show", AGGREGATOR, "--dir", story["two"].utility, "--json").json
    assert after["state"] == "live" and len(after["flows"]) == OUT + IN
    assert {flow["result"] for flow in after["flows"]} == {"proven"}


def test_the_journals_have_every_step(story: dict[str, Any]) -> None:
    steps = ["joined", "confirmed", "proven", "live"]
    two: Two = story["two"]
    assert notes(two.utility) == [f"partner {step}" for step in ["invited", *steps]]
    assert notes(two.aggregator) == [f"partner {step}" for step in steps]


def test_each_trusts_the_others_roots_for_the_other_only(story: dict[str, Any]) -> None:
    two: Two = story["two"]
    theirs = (two.aggregator / "trust" / "trial-ca.pem").read_bytes()
    assert sorted((two.utility / "trust" / AGGREGATOR / "roots.pem").read_bytes().split(b"-----")) == sorted(
        theirs.split(b"-----")
    )
    assert sorted(path.name for path in (two.utility / "trust").iterdir()) == [AGGREGATOR, "trial-ca.pem"]


def test_logs_hold_neither_code_nor_words(story: dict[str, Any]) -> None:
    for directory in story["two"][:2]:
        log = (directory / "serve.log").read_text()
        assert story["join"]["words"] not in log and story["invite"]["code"] not in log


def test_the_door_is_closed_again(story: dict[str, Any]) -> None:
    log = (story["two"].utility / "serve.log").read_text()
    assert log.count("joining door open") == log.count("joining door closed") == 1


@pytest.mark.parametrize(
    ("url", "setting", "address"),
    [
        ("https://utility.example:8443", {}, "utility.example:8453"),
        ("https://[2001:db8::1]", {"listen": "0.0.0.0:9"}, "[2001:db8::1]:9"),
        ("https://utility.example", {"address": "join.example:1"}, "join.example:1"),
    ],
)
def test_the_code_leads_to_the_door(url: str, setting: dict[str, str], address: str) -> None:
    who = Party(id=PartyId(UTILITY), name="U", roles=frozenset({Role.DISTRIBUTION_UTILITY}))
    settings = Settings(party=who, street=Street(url=url), joining=JoiningDoor(**setting))
    assert door_address(settings) == address
    assert read_code(write_code(new_code(door_address(settings), NOW))).address == address


# Without `serve`, and what goes wrong. In this process: faster.


def test_the_invitation_itself_can_run_the_door(tmp_path: Path) -> None:
    two = make_two(tmp_path, inside)
    wait = [*PROGRAM, "partner", "invite", "--wait", "--dir", str(two.utility)]
    with subprocess.Popen(wait, stdout=subprocess.PIPE, text=True) as door:
        assert door.stdout is not None
        code = door.stdout.readline().strip()
        wait_open(two.door)
        joined = apart("partner", "join", *code.split("-"), "--dir", two.aggregator)
        rest = door.stdout.read()
    assert joined.code == 0, joined.err
    assert door.returncode == 0
    assert joined.out == rest and re.fullmatch("([a-z]{5} ){4}[a-z]{5}\n", rest)
    assert "by phone" in joined.err and AGGREGATOR not in rest


def code_of(capsys: Capsys, two: Two, *more: str) -> str:
    code: str = here(capsys, "partner", "invite", *more, "--dir", two.utility, "--json").json["code"]
    return code


@pytest.fixture
def two(tmp_path: Path, capsys: Capsys) -> Two:
    return make_two(tmp_path, lambda *arguments: here(capsys, *arguments))


@pytest.mark.parametrize("typed", ["", "hello", "11111-11111", "0" * 2000])
def test_a_code_that_is_none(two: Two, capsys: Capsys, typed: str) -> None:
    said = here(capsys, "partner", "join", typed or "-", "--dir", two.aggregator)
    assert said.code in (1, 2) and "Traceback" not in said.err


def test_a_door_that_is_not_there(two: Two, capsys: Capsys) -> None:
    said = here(capsys, "partner", "join", code_of(capsys, two), "--dir", two.aggregator)
    assert said.code == 1 and "same command again" in said.err


@pytest.mark.parametrize(
    "wrong",
    [
        ("--flow", "XX"),
        ("--flow", "DA/nothing"),
        ("--from", "2026-01-01"),
        ("--agreement", "A", "--from", "2026-02-01", "--until", "2026-01-01"),
        ("--agreement", "onboarding-1"),
        ("--agreement", "no blanks"),
        ("--hours", "0"),
        ("--hours", "1000"),
    ],
)
def test_an_invitation_that_makes_no_sense(two: Two, capsys: Capsys, wrong: tuple[str, ...]) -> None:
    said = here(capsys, "partner", "invite", *wrong, "--dir", two.utility)
    assert said.code == 1 and said.err.count("\n") == 1
    assert not (two.utility / "joining").exists()


def test_an_invitation_can_be_taken_back(two: Two, capsys: Capsys) -> None:
    code_of(capsys, two)
    (waiting,) = here(capsys, "partner", "list", "--json", "--dir", two.utility).json["joinings"]
    assert waiting["invitation"] in here(capsys, "partner", "list", "--dir", two.utility).out
    cancel = ("partner", "cancel", waiting["invitation"], "--dir", two.utility)
    assert here(capsys, *cancel).code == 0
    assert here(capsys, *cancel).code == 1
    assert here(capsys, "partner", "list", "--json", "--dir", two.utility).json["joinings"] == []


@pytest.mark.parametrize("verb", ["confirm", "prove", "live", "show", "cancel"])
def test_nobody_is_known_here(two: Two, capsys: Capsys, verb: str) -> None:
    more = ("--words", "x") if verb == "confirm" else ()
    said = here(capsys, "partner", verb, "nobody.example", *more, "--dir", two.utility)
    assert said.code == 1 and "partner list" in said.err


def test_a_partner_of_old_is_live_and_has_nothing_to_prove(two: Two, capsys: Capsys) -> None:
    add = (
        "partner",
        "add",
        two.aggregator / "descriptor.json",
        "--root",
        two.aggregator / "trust" / "trial-ca.pem",
    )
    assert here(capsys, *add, "--dir", two.utility).code == 0
    shown = here(capsys, "partner", "show", AGGREGATOR, "--json", "--dir", two.utility).json
    assert (shown["state"], shown["flows"], shown["invitation"]) == ("live", [], None)
    assert "nothing to prove" in here(capsys, "partner", "prove", AGGREGATOR, "--dir", two.utility).err
    assert here(capsys, "partner", "live", AGGREGATOR, "--dir", two.utility).code == 0
    assert "already" in here(capsys, "partner", "invite", "--party", AGGREGATOR, "--dir", two.utility).err
