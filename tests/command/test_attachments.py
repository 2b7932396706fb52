"""`send --attach`, `message show` and `message attachment`, as a person runs them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.command.gateways import AGGREGATOR, Said, apart, here, make_pair, outage

from intertie.cli import app
from intertie.cli.demo import demo

OUTAGE = ("--to", AGGREGATOR, "--document", "outage_notice", "--mode", "scheduled")


@pytest.fixture(scope="module")
def utility(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pair(tmp_path_factory.mktemp("pair"))[0]


def attach(capsys: Any, utility: Path, folder: Path, *files: Path) -> Said:
    more = [argument for file in files for argument in ("--attach", file)]
    return here(capsys, "send", outage(folder / "body.json"), *OUTAGE, *more, "--dir", utility)


def a_file(folder: Path, name: str, data: bytes = b"time,kwh\n" * 1000) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


def outgoing(utility: Path) -> set[str]:
    return {path.name for path in (utility / "attachments" / "out").glob("sending/*")}


def test_two_files_are_listed_and_opened_again(capsys: Any, utility: Path, tmp_path: Path) -> None:
    first, second = a_file(tmp_path, "Meß 2026.csv"), a_file(tmp_path, "filing.pdf", b"%PDF" * 500_000)
    sent = attach(capsys, utility, tmp_path, first, second)
    assert sent.code == 0, sent.err
    id = sent.out.strip()
    shown = here(capsys, "message", "show", id, "--dir", utility)
    assert "filing.pdf, application/pdf, 2000000 bytes" in shown.out
    assert "not with the partner yet" in shown.out
    listed = here(capsys, "message", "show", id, "--dir", utility, "--json").json["attachments"]
    assert [one["name"] for one in listed] == ["Me 2026.csv", "filing.pdf"]
    assert listed[1]["sha256"] == hashlib.sha256(second.read_bytes()).hexdigest()
    assert "key" not in listed[0] and "cipher" not in listed[0]  # secrets are shown by --body alone

    out = tmp_path / "out.pdf"
    done = here(capsys, "message", "attachment", id, "filing.pdf", "--out", out, "--dir", utility)
    assert done.code == 0 and "as utility.example signed them" in done.out
    assert out.read_bytes() == second.read_bytes()
    said = here(
        capsys, "message", "attachment", id, listed[0]["id"], "-o", tmp_path / "x", "--dir", utility, "--json"
    )
    assert said.json["file"].endswith("x") and (tmp_path / "x").read_bytes() == first.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "Meß 2026.csv", "body.json", "filing.pdf", "out.pdf", "x",
    ]  # fmt: skip


def test_a_file_is_never_written_over_another(capsys: Any, utility: Path, tmp_path: Path) -> None:
    id = attach(capsys, utility, tmp_path, a_file(tmp_path, "a.csv")).out.strip()
    (tmp_path / "there").write_text("mine", encoding="utf-8")
    for out, why in ((tmp_path / "there", "there already"), (tmp_path / "no" / "x", "cannot be written")):
        said = here(capsys, "message", "attachment", id, "a.csv", "--out", out, "--dir", utility)
        assert said.code == 1 and why in said.err
    assert (tmp_path / "there").read_text(encoding="utf-8") == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "body.json", "there"]


def test_a_file_that_was_changed_leaves_nothing(capsys: Any, utility: Path, tmp_path: Path) -> None:
    id = attach(capsys, utility, tmp_path, a_file(tmp_path, "a.csv", bytes(3 * 2**20))).out.strip()
    (sealed,) = (utility / "attachments" / "out" / "sending" / id).iterdir()
    raw = bytearray(sealed.read_bytes())
    raw[-20] ^= 1
    sealed.write_bytes(raw)
    said = here(capsys, "message", "attachment", id, "a.csv", "--out", tmp_path / "out", "--dir", utility)
    assert said.code == 1 and "chunk 2 of 3" in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "body.json"]


def test_what_is_not_there(capsys: Any, utility: Path, tmp_path: Path) -> None:
    id = attach(capsys, utility, tmp_path, a_file(tmp_path, "a.csv")).out.strip()
    said = here(capsys, "message", "attachment", id, "b.csv", "--out", tmp_path / "o", "--dir", utility)
    assert said.code == 1 and "has no file 'b.csv'. It has a.csv" in said.err
    unknown = "0192f1c0-0000-7000-8000-000000000001"
    said = here(capsys, "message", "attachment", unknown, "a", "--out", tmp_path / "o", "--dir", utility)
    assert said.code == 1 and "there is no message" in said.err


def test_mistakes_queue_nothing_and_keep_nothing(capsys: Any, utility: Path, tmp_path: Path) -> None:
    before = outgoing(utility)
    fine, empty = a_file(tmp_path, "a.csv"), a_file(tmp_path, "empty.csv", b"")
    twin = a_file(tmp_path / "other", "a.csv")
    for files, why in (
        ([tmp_path / "none.csv"], "cannot be read"),
        ([tmp_path], "cannot be read"),
        ([fine, twin], "same name"),
        ([empty], "empty file"),
    ):
        said = attach(capsys, utility, tmp_path, *files)
        assert said.code == 1 and why in said.err, said
    body = tmp_path / "body.json"
    said = here(capsys, "send", body, body, *OUTAGE, "--attach", fine, "--dir", utility)
    assert said.code == 1 and "one body" in said.err
    unknown = ("--to", "nobody.example", "--document", "outage_notice", "--mode", "scheduled")
    said = here(capsys, "send", body, *unknown, "--attach", fine, "--dir", utility)
    assert said.code == 1 and "not a partner" in said.err
    assert outgoing(utility) == before  # at most a draft, which is swept


def test_a_finished_message_takes_no_file(capsys: Any, utility: Path, tmp_path: Path) -> None:
    id = attach(capsys, utility, tmp_path, a_file(tmp_path, "a.csv")).out.strip()
    whole = tmp_path / "whole.json"
    whole.write_text(here(capsys, "message", "show", id, "--body", "--dir", utility).out, encoding="utf-8")
    said = here(capsys, "send", whole, "--attach", tmp_path / "a.csv", "--dir", utility)
    assert said.code == 1 and "finished message" in said.err
    assert here(capsys, "send", whole, "--dir", utility).out.strip() == id  # the same bytes again: harmless
    other = json.loads(whole.read_text(encoding="utf-8"))
    del other["header"]["id"]
    whole.write_text(json.dumps(other), encoding="utf-8")
    said = here(capsys, "send", whole, *OUTAGE, "--dir", utility)
    assert said.code == 1 and "Give the files with --attach" in said.err
    other["header"]["id"] = id[:-1] + ("0" if id[-1] != "0" else "1")
    whole.write_text(json.dumps(other), encoding="utf-8")
    said = here(capsys, "send", whole, "--dir", utility)
    assert said.code == 1 and "attachment_missing" in said.err


def test_too_large_by_the_settings(capsys: Any, utility: Path, tmp_path: Path) -> None:
    settings = utility / "intertie.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("# file_bytes = 2147483648", "file_bytes = 100 #"), encoding="utf-8")
    try:
        said = attach(capsys, utility, tmp_path, a_file(tmp_path, "a.csv"))
    finally:
        settings.write_text(text, encoding="utf-8")
    assert said.code == 1 and "file_bytes" in said.err


def test_the_demo_is_loaded_only_when_asked_for() -> None:
    """A serving gateway has no room for the load data's libraries: docs/attachments.md promises its peak."""
    done = apart("--help")
    assert "demo" in done.out
    code = "import sys, intertie.cli; print('pyarrow' in sys.modules, 'numpy' in sys.modules)"
    assert app["demo"].default_command is demo  # and then it is this
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False", "False"]
