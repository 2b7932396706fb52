"""Parcels as files over HTTPS uploads, with curl: posted, receipted, handed on, and theirs fetched at the same door."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.command.gateways import command, served
from tests.command.relaying import AGGREGATOR, HOME, Three, make_three, wait_for
from tests.interop.parcels_house import SECRET, bring_back, export, put_legacy, set_section, two
from tests.ports import free_port

from intertie.formats.upload_terms import hash_secret

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")


class Door(NamedTuple):
    """Where somebody comes with curl, as whom."""

    port: int
    user: str

    def curl(self, path: str, *words: str) -> bytes:
        said = [
            "curl",
            "-sS",
            "--fail",
            "-u",
            f"{self.user}:{SECRET}",
            *words,
            f"http://127.0.0.1:{self.port}/{path}",
        ]
        return subprocess.run(said, capture_output=True, timeout=60, check=True).stdout

    def post(self, file: Path) -> Any:
        (said,) = json.loads(self.curl("upload", "-F", f"file=@{file}"))["files"]
        return said

    def names(self) -> list[str]:
        return [one["name"] for one in json.loads(self.curl("files"))["files"]]

    def fetch(self, name: str, folder: Path) -> Path:
        self.curl(f"files/{name}", "-o", str(folder / name))
        self.curl(f"files/{name}", "-X", "DELETE")
        return folder / name

    def is_open(self) -> bool:
        with socket.socket() as it:
            return it.connect_ex(("127.0.0.1", self.port)) == 0


def open_door(directory: Path, party: str, role: str) -> Door:
    """For uploads of that partner, whose parcels are files."""
    port, user = free_port(), party.partition(".")[0]
    set_section(directory, "upload", f'listen = "127.0.0.1:{port}"\n')
    put_legacy(directory, party, role, f'[upload]\nuser = "{user}"\nsecrets = ["{hash_secret(SECRET)}"]')
    return Door(port, user)


def test_a_posted_parcel_is_receipted_and_goes_on_by_the_relay(tmp_path: Path) -> None:
    three: Three = make_three(tmp_path)
    door = open_door(three.hub, AGGREGATOR, "der_aggregator")
    made = export(three, tmp_path / "medium")
    receipt, answer = f"{made.parcel}.taken.json", f"{made.parcel}.itr"
    with served(three.hub), served(three.home):
        wait_for(door.is_open)
        said = door.post(made.file)
        assert (said["taken"], said["refused"]) == (1, 0)
        assert door.post(made.file) == said, "the same again has one effect"
        wait_for(lambda: {receipt, answer} <= set(door.names()))
        files = [door.fetch(name, tmp_path / "medium") for name in (receipt, answer)]
        assert door.names() == []
    assert bring_back(*files, to=three.aggregator) == "accepted"


def test_ours_are_fetched_there_and_the_signed_receipt_is_posted(tmp_path: Path) -> None:
    """The aggregator has the door; somebody carries what lies there to a gateway that has none, and its receipt back."""
    three = two(tmp_path)
    door = open_door(three.aggregator, HOME, "gateway_esi")
    body = tmp_path / "command.json"
    body.write_text(command("example", "charging_command").out)
    with served(three.aggregator):
        sent = command(
            "send", body, "--to", HOME, "--document", "charging_command", "--interface", "ET8", "--mode", "real_time",
            "--dir", three.aggregator, "--json",
        )  # fmt: skip
        assert sent.code == 0, sent.err
        wait_for(door.is_open)
        wait_for(lambda: bool(door.names()))
        (name,) = door.names()
        parcel = door.fetch(name, tmp_path)
        (tmp_path / "back").mkdir()
        done = command("parcel", "import", parcel, "--to", tmp_path / "back", "--dir", three.home)
        assert done.code == 0, done.err
        (receipt,) = (tmp_path / "back").iterdir()
        assert door.post(receipt)["taken"] == 1
        (message,) = json.loads(command("outbox", "--dir", three.aggregator, "--json").out)["messages"]
        assert message["state"] == "accepted"


def test_a_posted_parcel_that_was_changed_is_refused_at_once(tmp_path: Path) -> None:
    three = two(tmp_path)
    door = open_door(three.aggregator, HOME, "gateway_esi")
    body = tmp_path / "status.json"
    body.write_text(command("example", "charging_status").out)
    (tmp_path / "medium").mkdir()
    sent = command(
        "send", body, "--to", AGGREGATOR, "--document", "charging_status", "--interface", "ET8", "--mode", "real_time",
        "--dir", three.home, "--json",
    )  # fmt: skip
    assert sent.code == 0, sent.err
    out = command(
        "parcel", "export", AGGREGATOR, "--to", tmp_path / "medium", "--dir", three.home, "--json"
    ).json
    whole = Path(out["file"])
    changed = tmp_path / "changed.itp"
    content = whole.read_bytes()
    changed.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with served(three.aggregator):
        wait_for(door.is_open)
        said = door.post(changed)
        assert (said["taken"], said["refused"]) == (0, 1)
        assert door.post(whole)["taken"] == 1
        wait_for(lambda: door.names() == [f"{out['parcel']}.receipt.json"])
        receipt = door.fetch(f"{out['parcel']}.receipt.json", tmp_path / "medium")
    done = command("parcel", "import", receipt, "--to", tmp_path, "--dir", three.home)
    assert done.code == 0, done.err
    (message,) = json.loads(command("outbox", "--dir", three.home, "--json").out)["messages"]
    assert message["state"] == "accepted"
