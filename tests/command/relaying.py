"""An aggregator, a relay and a customer's gateway, each in a directory of its own under one trial authority."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.command.gateways import Said, command
from tests.ports import free_port

AGGREGATOR, HUB, HOME = "aggregator.example", "hub.example", "home.example"
ROLES = {AGGREGATOR: "der_aggregator", HUB: "third_party", HOME: "gateway_esi"}
ROUTES = f"""
[[relay.routes]]
from = ["{AGGREGATOR}"]
to = ["{HOME}"]

[[relay.routes]]
from = ["{HOME}"]
to = ["{AGGREGATOR}"]
"""


class Three(NamedTuple):
    """Their directories."""

    aggregator: Path
    hub: Path
    home: Path


def make_three(base: Path, *, home_has_door: bool = False) -> Three:
    """All know each other; parcels between the two ends go by the relay. The customer's gateway has no door, unless asked for."""
    three = Three(base / "aggregator", base / "hub", base / "home")
    for directory, (party, role) in zip(three, ROLES.items(), strict=True):
        ca = ["--ca", three.aggregator / "ca"] if directory is not three.aggregator else []
        doorless = directory is three.home and not home_has_door
        door = ["--no-door"] if doorless else ["--url", f"https://127.0.0.1:{free_port()}"]
        done = command("init", party, "--role", role, *door, "--dir", directory, *ca)
        assert done.code == 0, done.err
    for directory in three:
        for other in three:
            if other is not directory and {directory, other} != {three.aggregator, three.home}:
                know(directory, other)
    know(three.aggregator, three.home)
    know(three.home, three.aggregator)
    for directory, other in ((three.aggregator, HOME), (three.home, AGGREGATOR)):
        done = command("partner", "via", other, HUB, "--dir", directory)
        assert done.code == 0, done.err
    settings = three.hub / "intertie.toml"
    settings.write_text(settings.read_text() + ROUTES)
    return three


def know(directory: Path, other: Path) -> None:
    done = command("partner", "add", other / "descriptor.json", "--dir", directory)
    assert done.code == 0, done.err


def say(three: Three, body: Path, *more: str, wait: str = "0") -> Said:
    """The aggregator's command to a charging point."""
    body.write_text(command("example", "charging_command").out)
    return command(
        "send", body, "--to", HOME, "--document", "charging_command", "--interface", "ET8", "--mode", "real_time",
        "--wait", wait, "--dir", three.aggregator, "--json", *more,
    )  # fmt: skip


def both_ways(three: Three, folder: Path) -> list[tuple[str, Path]]:
    """A command to the customer's gateway, and how it stands back: each accepted. The ids, and by whom."""
    ways = (("charging_command", three.aggregator, HOME), ("charging_status", three.home, AGGREGATOR))
    found = []
    for document, directory, to in ways:
        body = folder / f"{document}.json"
        body.write_text(command("example", document).out)
        sent = command(
            "send", body, "--to", to, "--document", document, "--interface", "ET8", "--mode", "real_time",
            "--wait", "60", "--dir", directory, "--json",
        )  # fmt: skip
        (message,) = sent.json["messages"]
        assert message["state"] == "accepted", message
        found.append((message["id"], directory))
    return found


def left_in(box: Path) -> list[str]:
    """Files of a mailbox that nobody fetched, but for what it says to people."""
    names = [file.name for folder in ("in", "out", "receipts") for file in (box / folder).iterdir()]
    return [name for name in names if not name.endswith(".txt")]


def wait_for(true: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)
