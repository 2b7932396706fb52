"""`intertie store backup` and `restore`: into a fresh directory, with its keys; nothing without them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.command.gateways import AGGREGATOR, here, make_pair, outage, served

Capsys = pytest.CaptureFixture[str]


def send(capsys: Capsys, utility: Path) -> str:
    which = ("--to", AGGREGATOR, "--document", "outage_notice", "--mode", "real_time")
    said = here(capsys, "send", outage(utility / "o.json"), *which, "--dir", utility)
    assert said.code == 0, said.err
    return said.out.strip()


def test_a_gateway_comes_back_from_its_backup(tmp_path: Path, capsys: Capsys) -> None:
    utility = make_pair(tmp_path)[0]
    message = send(capsys, utility)
    file, again = tmp_path / "u.backup", tmp_path / "again"
    with served(utility):  # it goes on serving
        wrote = here(capsys, "store", "backup", file, "--json", "--dir", utility).json
    assert wrote["rows"]["messages"] == 1 and wrote["journal"]["size"] >= 1 and len(wrote["digest"]) == 64
    shutil.copytree(utility, again, ignore=shutil.ignore_patterns("store.db*"))
    assert here(capsys, "store", "restore", file, "--json", "--dir", again).json == wrote
    shown = [here(capsys, "message", "show", message, "--dir", place) for place in (utility, again)]
    assert shown[0].code == shown[1].code == 0 and message in shown[1].out
    assert here(capsys, "journal", "verify", "--dir", again).code == 0
    twice = here(capsys, "store", "restore", file, "--dir", again)
    assert twice.code != 0 and "not empty" in twice.err


def test_what_was_changed_is_not_restored(tmp_path: Path, capsys: Capsys) -> None:
    utility = make_pair(tmp_path)[0]
    message = send(capsys, utility)
    file, again = tmp_path / "u.backup", tmp_path / "again"
    said = here(capsys, "store", "backup", file, "--dir", utility)
    assert said.code == 0 and "verified" in said.out
    raw = file.read_bytes()
    at = raw.index(message.encode())
    file.write_bytes(raw[:at] + b"f" + raw[at + 1 :])
    shutil.copytree(utility, again, ignore=shutil.ignore_patterns("store.db*"))
    refused = here(capsys, "store", "restore", file, "--dir", again)
    assert refused.code != 0 and "use another backup" in refused.err
    assert here(capsys, "outbox", "--json", "--dir", again).json["messages"] == []
