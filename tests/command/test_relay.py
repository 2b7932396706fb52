"""Three gateways in processes of their own, over mutual TLS: what one says to another goes by the third, which cannot read it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from tests.command.gateways import command, served
from tests.command.relaying import AGGREGATOR, HOME, HUB, Three, make_three, say


@pytest.fixture(scope="module", params=["no door", "a door"])
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The whole of it; what each step said. The customer's gateway has a door, or comes for its parcels at the relay."""
    base = tmp_path_factory.mktemp("relay")
    three = make_three(base, home_has_door=request.param == "a door")
    said: dict[str, Any] = {"three": three}
    with served(three.aggregator), served(three.hub):
        said["before"] = say(three, base / "one.json")
        for _ in range(200):
            said["waiting"] = command("relay", "status", "--dir", three.hub, "--json").json
            if said["waiting"]["parcels"]:
                break
        said["disk"] = b"".join(file.read_bytes() for file in three.hub.rglob("*") if file.is_file())
        with served(three.home):
            said["sent"] = say(three, base / "two.json", wait="60")
            body = base / "three.json"
            body.write_text(command("example", "charging_status").out)
            said["back"] = command(
                "send", body, "--to", AGGREGATOR, "--document", "charging_status", "--interface", "ET8",
                "--mode", "real_time", "--wait", "60", "--dir", three.home, "--json",
            )  # fmt: skip
            for _ in range(
                600
            ):  # what waited comes when the relay's next try is due, and that may be after the others
                said["after"] = command("relay", "status", "--all", "--dir", three.hub, "--json").json
                if all(row["passage"] == "receipted" for row in said["after"]["parcels"]):
                    break
                time.sleep(0.1)
    return said


def three_of(story: dict[str, Any]) -> Three:
    three = story["three"]
    assert isinstance(three, Three)
    return three


def test_what_is_sent_while_the_recipient_is_away_waits_at_the_relay(story: dict[str, Any]) -> None:
    assert story["before"].code == 0, story["before"].err
    (parcel,) = story["waiting"]["parcels"]
    assert (parcel["from"], parcel["to"], parcel["waits_for"]) == (AGGREGATOR, HOME, HOME)


def test_both_ends_get_receipts_through_the_relay(story: dict[str, Any]) -> None:
    for name in ("sent", "back"):
        (message,) = story[name].json["messages"]
        assert message["state"] == "accepted", message
    inbox = command("inbox", "--dir", three_of(story).home, "--json").json["messages"]
    assert [row["document"] for row in inbox] == ["charging_command", "charging_command"]
    passed = [(row["passage"], row["back"]) for row in story["after"]["parcels"]]
    assert len(passed) == 3 and all(passage == "receipted" for passage, _ in passed)


def test_the_relay_has_no_word_of_it_on_its_disk(story: dict[str, Any]) -> None:
    three = three_of(story)
    sent = command(
        "message", "show", story["before"].json["messages"][0]["id"], "--dir", three.aggregator, "--json"
    )
    header = sent.json
    for word in (b'"charging_command"', b"set_point", b'"verb"', header["id"].encode()):
        assert word not in story["disk"], word
    assert HOME.encode() in story["disk"]  # it was looked at the right place


@pytest.mark.parametrize("side", ["aggregator", "home"])
def test_the_evidence_of_both_sides_names_the_relay_and_verifies_alone(
    story: dict[str, Any], side: str, tmp_path: Path
) -> None:
    three = three_of(story)
    file, directory = tmp_path / "evidence.json", getattr(three, side)
    message = story["sent"].json["messages"][0]["id"]
    assert command("evidence", "export", message, "-o", file, "--dir", directory).code == 0
    root = three.aggregator / "trust-root.pem"
    root = root if root.exists() else next(three.aggregator.glob("trust/*.pem"))
    checked = command("evidence", "verify", file, "--trust", root, "--json").json
    (hop,) = checked["report"]["hops"]
    assert (hop["by"], hop["hop"], hop["status"], hop["next"]) == (HUB, 1, "taken", HOME)
    assert checked["report"]["outcome"] == "accepted"
    assert f"relay 1    taken by {HUB}" in command("evidence", "verify", file, "--trust", root).out


def test_the_partner_page_says_the_way(story: dict[str, Any]) -> None:
    shown = command("partner", "show", HOME, "--dir", three_of(story).aggregator, "--json").json
    assert shown["goes_by"]["binding"] == f"parcels via {HUB}"


def test_its_tables_for_people(story: dict[str, Any]) -> None:
    hub = three_of(story).hub
    out = command("relay", "status", "--all", "--dir", hub).out
    assert "its recipient" in out and "receipted" in out and AGGREGATOR in out
    none = command("relay", "status", "--dir", three_of(story).home).out
    assert "relays for nobody" in none and "Nothing of others waits here" in none


def test_a_journal_of_each_holds_together(story: dict[str, Any]) -> None:
    for directory in three_of(story):
        own = command("journal", "audit", "--dir", directory).out.splitlines()[
            0
        ]  # the others do not answer any more
        assert own.startswith("own journal") and "consistent" in own
