"""An organisation that nobody can reach: from an empty folder to business in both directions, new keys on both sides, and what
commands say of it. The gateways are processes of their own, over real TLS."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.command.gateways import AGGREGATOR, UTILITY, Said, here, outage, served
from tests.command.test_onboarding import SETTLE_SECONDS, Two, inside, invited, wait_open
from tests.da_flows import IN, OUT
from tests.ports import free_port

from intertie.bindings.operations.serve_state import who_serves
from intertie.gateway.configuration.settings import read_settings
from intertie.run import opened
from intertie.seal.descriptor import peek_sequence

Capsys = pytest.CaptureFixture[str]
AGREEMENT = "DGS-1"


def make_two(base: Path) -> Two:
    """A utility with a door, and an aggregator without one; neither knows the other."""
    door = free_port()
    utility, aggregator = base / "utility", base / "aggregator"
    url = f"https://127.0.0.1:{free_port()}"
    made = inside("init", UTILITY, "--role", "distribution_utility", "--url", url, "--dir", utility)
    assert made.code == 0, made.err
    made = inside("init", AGGREGATOR, "--role", "der_aggregator", "--no-door", "--dir", aggregator)
    assert made.code == 0, made.err
    settings = utility / "intertie.toml"
    text = settings.read_text().replace('# listen = "127.0.0.1:8453"', f'listen = "127.0.0.1:{door}"')
    settings.write_text(text.replace("# again_seconds = 15.0", "again_seconds = 1.0"))
    return Two(utility, aggregator, door)


def send(body: Path, recipient: str, directory: Path, *more: str, document: str = "outage_notice") -> Said:
    return inside(
        "send", body, "--to", recipient, "--document", document, "--mode", "scheduled", "--wait", "30",
        "--dir", directory, "--json", *more,
    )  # fmt: skip


def example_of(document: str, path: Path) -> Path:
    path.write_text(json.dumps(json.loads(inside("example", document).out)))
    return path


def rotated(directory: Path) -> Said:
    return inside("keys", "rotate", "--dir", directory)


def wait_for(true: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def announced(directory: Path, party: str) -> int:
    with opened(directory) as it:
        return it.gateway.store.announced(party)  # type: ignore[arg-type]


def sequence(directory: Path) -> int:
    return peek_sequence((directory / "descriptor.json").read_bytes())


def known(directory: Path, party: str) -> int:
    number: int = inside("partner", "show", party, "--dir", directory, "--json").json["descriptor"][
        "sequence"
    ]
    return number


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The whole of it, once; what each step said."""
    base = tmp_path_factory.mktemp("story")
    two = make_two(base)
    u, a = two.utility, two.aggregator
    said: dict[str, Any] = {"two": two}
    with served(u), served(a) as process:
        code = invited(two, "--agreement", AGREEMENT, "--party", AGGREGATOR)["code"]
        wait_open(two.door)
        joined = inside("partner", "join", code, "--party", UTILITY, "--dir", a, "--json").json
        for directory, other in ((u, AGGREGATOR), (a, UTILITY)):
            done = inside("partner", "confirm", other, "--words", joined["words"], "--dir", directory)
            assert done.code == 0, done.err
        said["prove"] = inside("partner", "prove", AGGREGATOR, "--dir", u, "--wait", "90", "--json")
        said["live"] = [
            inside("partner", "live", AGGREGATOR, "--dir", u),
            inside("partner", "prove", UTILITY, "--go-live", "--wait", "60", "--dir", a),
        ]
        time.sleep(SETTLE_SECONDS)
        body = outage(base / "o.json")
        declaration = example_of("availability_declaration", base / "d.json")
        said["to it"] = send(body, AGGREGATOR, u)
        said["from it"] = send(declaration, UTILITY, a, document="availability_declaration")
        said["file"] = send(body, AGGREGATOR, u, "--attach", str(body))
        said["status"] = [inside("status", "--dir", directory) for directory in (u, a)]
        said["serving"] = who_serves(a)
        said["reach"] = inside("doctor", "--reach", "--dir", u)
        said["reach from it"] = inside("doctor", "--reach", "--dir", a)
        said["pause"] = inside("partner", "pause", AGGREGATOR, "--dir", u)
        said["resume"] = inside("partner", "resume", AGGREGATOR, "--dir", u)
        said["rotate"] = [rotated(u), rotated(a)]
        wait_for(lambda: announced(u, AGGREGATOR) == sequence(u) == known(a, UTILITY))
        wait_for(lambda: announced(a, UTILITY) == sequence(a) == known(u, AGGREGATOR))
        said["after"] = [
            send(body, AGGREGATOR, u),
            send(declaration, UTILITY, a, document="availability_declaration"),
        ]
        process.terminate()
        said["end"] = process.wait(30)
    return said


def states(said: Said) -> list[str]:
    return [message["state"] for message in said.json["messages"]]


def test_every_flow_is_proven_over_its_own_calls(story: dict[str, Any]) -> None:
    proof = story["prove"].json
    assert proof["proven"] is True
    counts = {way: sum(flow["direction"] == way for flow in proof["flows"]) for way in ("out", "in")}
    assert counts == {"out": OUT, "in": IN}
    assert {flow["group"] for flow in proof["flows"]} == {"X25519MLKEM768"}  # as each side recorded it
    assert [said.code for said in story["live"]] == [0, 0], story["live"]


def test_business_goes_both_ways(story: dict[str, Any]) -> None:
    assert states(story["to it"]) == ["accepted"]
    assert states(story["from it"]) == ["accepted"]


def test_new_keys_of_both_reach_the_other_and_business_goes_on(story: dict[str, Any]) -> None:
    assert [said.code for said in story["rotate"]] == [0, 0]
    assert [states(said) for said in story["after"]] == [["accepted"], ["accepted"]]


def test_a_file_to_it_is_refused_at_once_and_nothing_is_sealed(story: dict[str, Any]) -> None:
    assert story["file"].code == 1
    assert "has no door" in story["file"].err
    assert "into the message" in story["file"].err
    assert not list((story["two"].utility / "attachments").rglob("*.*"))


def test_it_has_no_door_and_says_so(story: dict[str, Any]) -> None:
    aggregator = story["two"].aggregator
    settings = read_settings(aggregator)
    assert (settings.street.url, settings.street.listen, settings.street.is_open) == ("", "", False)
    assert b"https://" not in (aggregator / "descriptor.json").read_bytes()
    log = (aggregator / "serve.log").read_text()
    assert "serving without a door" in log
    assert '"listening"' not in log


def test_it_ends_in_order(story: dict[str, Any]) -> None:
    assert story["end"] == 0
    assert '"stopped"' in (story["two"].aggregator / "serve.log").read_text()


def test_status_says_who_fetches(story: dict[str, Any]) -> None:
    utility, aggregator = story["status"]
    assert "1 partners come for their parcels here" in utility.out
    assert "none; we fetch from 1 partners" in aggregator.out


def test_doctor_knows_that_there_is_nobody_to_reach(story: dict[str, Any]) -> None:
    assert story["reach"].code == 0, story["reach"].out
    assert "it has no door: it comes for its parcels here" in " ".join(story["reach"].out.split())
    assert story["reach from it"].code == 0, story["reach from it"].out
    text = " ".join(story["reach from it"].out.split())
    assert "no street door: we come for our parcels at 1 partners' doors" in text
    assert "grants us" in text


def test_show_and_list_say_that_it_fetches(story: dict[str, Any]) -> None:
    utility = story["two"].utility
    assert "it comes for its parcels here" in inside("partner", "show", AGGREGATOR, "--dir", utility).out
    assert "(fetches)" in inside("partner", "list", "--dir", utility).out
    assert inside("partner", "show", AGGREGATOR, "--dir", utility, "--json").json["url"] == ""


def test_a_stop_flag_towards_it_needs_no_door(story: dict[str, Any]) -> None:
    assert story["pause"].code == 0, story["pause"].err
    assert story["resume"].code == 0, story["resume"].err


def test_it_cannot_invite(story: dict[str, Any]) -> None:
    said = inside("partner", "invite", "--dir", story["two"].aggregator)
    assert said.code == 1
    assert "Have them invite" in said.err


def test_two_without_a_door_cannot_be_partners(tmp_path: Path, capsys: Capsys) -> None:
    for party, role in ((UTILITY, "distribution_utility"), (AGGREGATOR, "der_aggregator")):
        said = here(capsys, "init", party, "--role", role, "--no-door", "--dir", tmp_path / party)
        assert said.code == 0, said.err
    other, own = tmp_path / AGGREGATOR, tmp_path / UTILITY
    root = other / "trust" / "trial-ca.pem"
    said = here(capsys, "partner", "add", other / "descriptor.json", "--root", root, "--dir", own)
    assert said.code == 1
    assert "neither this gateway nor" in said.err
    assert here(capsys, "partner", "list", "--dir", own, "--json").json["partners"] == []


@pytest.mark.parametrize("more", [["--url", "https://x.example"], ["--listen", "127.0.0.1:1"]])
def test_no_door_is_no_address(tmp_path: Path, capsys: Capsys, more: list[str]) -> None:
    said = here(capsys, "init", UTILITY, "--role", "agency", "--no-door", *more, "--dir", tmp_path / "g")
    assert said.code == 1
    assert "--no-door" in said.err
    assert not (tmp_path / "g").exists()


def test_workers_need_a_door(tmp_path: Path, capsys: Capsys) -> None:
    assert here(capsys, "init", UTILITY, "--role", "agency", "--no-door", "--dir", tmp_path / "g").code == 0
    said = here(capsys, "serve", "--workers", "2", "--dir", tmp_path / "g")
    assert said.code == 1
    assert "--workers" in said.err


@pytest.mark.parametrize("line", ['url = ""', 'listen = ""'])
def test_half_a_door_is_a_mistake(tmp_path: Path, capsys: Capsys, line: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        url = f"https://127.0.0.1:{probe.getsockname()[1]}"
    said = here(capsys, "init", UTILITY, "--role", "agency", "--url", url, "--dir", tmp_path / "g")
    assert said.code == 0, said.err
    settings = tmp_path / "g" / "intertie.toml"
    name = line.partition(" ")[0]
    lines = [line if text.startswith(f"{name} = ") else text for text in settings.read_text().splitlines()]
    settings.write_text("\n".join(lines) + "\n")
    said = here(capsys, "status", "--dir", tmp_path / "g")
    assert said.code == 1
    assert "a gateway without a door has neither" in said.err
