"""`intertie send`, `inbox`, `outbox`, `message`: without a partner that listens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.command.gateways import AGGREGATOR, AGREEMENT, UTILITY, apart, here, make_pair, outage

from intertie.model.documents import DOCUMENTS, example_bytes

Capsys = pytest.CaptureFixture[str]
OUTAGE = ("--to", AGGREGATOR, "--document", "outage_notice", "--mode", "scheduled")
UNKNOWN_ID = "019b9de8-3700-7d26-92e5-dfe8cb1855fe"


@pytest.fixture(scope="module")
def utility(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pair(tmp_path_factory.mktemp("pair"))[0]


def sent(capsys: Capsys, utility: Path, *arguments: str | Path) -> str:
    said = here(capsys, "send", *arguments, "--dir", utility)
    assert said.code == 0, said.err
    return said.out.strip()


def shown(capsys: Capsys, utility: Path, id: str) -> dict[str, Any]:
    row: dict[str, Any] = here(capsys, "message", "show", id, "--json", "--dir", utility).json
    return row


def test_a_body_becomes_a_message(utility: Path, capsys: Capsys, tmp_path: Path) -> None:
    id = sent(capsys, utility, outage(tmp_path / "o.json"), *OUTAGE)
    row = shown(capsys, utility, id)
    assert (row["from"], row["to"], row["mode"], row["state"]) == (UTILITY, AGGREGATOR, "scheduled", "queued")
    assert row["agreement"] == AGREEMENT, "the only agreement in force is taken"
    assert row["receipted"] is False
    body = json.loads(here(capsys, "message", "show", id, "--body", "--dir", utility).out)
    assert body["body"]["outage"] == "OUT-1"
    assert id in here(capsys, "message", "show", id, "--dir", utility).out


def test_options_go_into_the_header(utility: Path, capsys: Capsys, tmp_path: Path) -> None:
    options = ("--conversation", "C-7", "--expires", "90min", "--verb", "change", "--reply-to", UNKNOWN_ID)
    id = sent(capsys, utility, outage(tmp_path / "o.json"), *OUTAGE, *options)
    header = json.loads(here(capsys, "message", "show", id, "--body", "--dir", utility).out)["header"]
    assert (header["conversation"], header["verb"], header["in_reply_to"]) == ("C-7", "change", UNKNOWN_ID)
    row = shown(capsys, utility, id)
    assert row["expires"][:13] != row["created"][:13]
    assert row["conversation"] == "C-7"


def test_several_ways_are_listed(utility: Path, capsys: Capsys, tmp_path: Path) -> None:
    said = here(
        capsys,
        "send",
        outage(tmp_path / "o.json"),
        "--to",
        AGGREGATOR,
        "--document",
        "outage_notice",
        "--dir",
        utility,
    )
    assert said.code == 1
    assert "--mode scheduled" in said.err
    assert "--mode real_time" in said.err


def message(tmp_path: Path, **header: object) -> Path:
    whole = json.loads(example_bytes("outage_notice"))
    whole["header"] = {
        "document": "outage_notice", "interface": "DA", "mode": "scheduled", "to": AGGREGATOR, "agreement": AGREEMENT
    } | header  # fmt: skip
    path = tmp_path / "message.json"
    path.write_text(json.dumps(whole), encoding="utf-8")
    return path


def test_a_header_without_id_is_completed(utility: Path, capsys: Capsys, tmp_path: Path) -> None:
    row = shown(capsys, utility, sent(capsys, utility, message(tmp_path)))
    assert (row["from"], row["document"]) == (UTILITY, "outage_notice")


def test_a_message_with_an_id_goes_as_it_stands_and_twice_is_once(
    utility: Path, capsys: Capsys, tmp_path: Path
) -> None:
    id = "01a20c46-e624-7e10-b327-014a92cf53f5"
    path = message(
        tmp_path, id=id, version=1, verb="create", created="2026-01-01T00:00:00Z", expires="2099-01-01T00:00:00Z",
        **{"from": UTILITY},
    )  # fmt: skip
    assert sent(capsys, utility, path) == id
    assert sent(capsys, utility, path) == id
    assert here(capsys, "message", "show", id, "--body", "--dir", utility).out == path.read_text()
    path.write_text(path.read_text().replace('"verb": "create"', '"verb": "cancel"'))
    assert "message_id_reused" in here(capsys, "send", path, "--dir", utility).err


def test_standard_input(utility: Path, tmp_path: Path) -> None:
    body = outage(tmp_path / "o.json").read_bytes()
    said = apart("send", "-", *OUTAGE, "--json", stdin=body, INTERTIE_DIR=str(utility))
    assert [m["state"] for m in said.json["messages"]] == ["queued"]


def test_waiting_in_vain_is_1(utility: Path, capsys: Capsys, tmp_path: Path) -> None:
    said = here(capsys, "send", outage(tmp_path / "o.json"), *OUTAGE, "--wait", "0.1", "--dir", utility)
    assert said.code == 1
    assert said.out.strip().endswith("queued")


@pytest.mark.parametrize(
    ("text", "arguments", "why"),
    [
        ("{}", OUTAGE, "outage_notice"),
        ("[1]", OUTAGE, "no message"),
        ("not json", OUTAGE, "no message"),
        ("[" * 100_000, OUTAGE, "no message"),
        ("{}", ("--to", AGGREGATOR), "which document"),
        ("{}", ("--to", AGGREGATOR, "--document", "letter"), "no document letter"),
        ("{}", (), "to whom"),
        ("{}", ("--to", "nobody.example", "--document", "bid"), "nobody.example"),
        ('{"header": {"too": "x"}, "body": {}}', (), "does not have"),
    ],
)
def test_what_cannot_be_sent_is_said(
    utility: Path, capsys: Capsys, tmp_path: Path, text: str, arguments: tuple[str, ...], why: str
) -> None:
    path = tmp_path / "o.json"
    path.write_text(text)
    said = here(capsys, "send", path, *arguments, "--dir", utility)
    assert said.code == 1
    assert why in said.err
    assert said.out == ""


def test_the_wrong_role_is_told_where_to_look(utility: Path, capsys: Capsys, tmp_path: Path) -> None:
    bid = next(name for name in DOCUMENTS if name == "availability_declaration")
    body = json.loads(example_bytes(bid))["body"]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(body))
    said = here(capsys, "send", path, "--to", AGGREGATOR, "--document", bid, "--dir", utility)
    assert "interfaces matrix" in said.err


def test_one_bad_file_keeps_all_back(utility: Path, capsys: Capsys, tmp_path: Path) -> None:
    before = len(here(capsys, "outbox", "--json", "--dir", utility).json["messages"])
    bad = tmp_path / "bad.json"
    bad.write_text("{}")
    assert here(capsys, "send", outage(tmp_path / "o.json"), bad, *OUTAGE, "--dir", utility).code == 1
    assert len(here(capsys, "outbox", "--json", "--dir", utility).json["messages"]) == before


def test_the_outbox_is_asked_by_partner_document_state_and_place(
    utility: Path, capsys: Capsys, tmp_path: Path
) -> None:
    sent(capsys, utility, outage(tmp_path / "o.json"), *OUTAGE)

    def count(*arguments: str) -> int:
        return len(here(capsys, "outbox", *arguments, "--json", "--dir", utility).json["messages"])

    everything = count()
    assert everything > 0
    assert count("--to", AGGREGATOR, "--document", "outage_notice", "--state", "queued") == everything
    assert count("--state", "accepted", "--state", "refused") == 0
    assert count("--document", "invoice") == 0
    assert count("--after", "100000") == 0
    assert count("--limit", "1") == 1
    assert "queued" in here(capsys, "outbox", "--dir", utility).out


def test_nothing_in_the_inbox(utility: Path, capsys: Capsys) -> None:
    assert here(capsys, "inbox", "--json", "--dir", utility).json == {"messages": []}
    assert "No messages" in here(capsys, "inbox", "--dir", utility).out


@pytest.mark.parametrize(
    "what", [("message", "show", UNKNOWN_ID), ("evidence", "export", UNKNOWN_ID, "-o", "e.json")]
)
def test_an_unknown_message_is_said(utility: Path, capsys: Capsys, what: tuple[str, ...]) -> None:
    said = here(capsys, *what, "--dir", utility)
    assert said.code == 1
    assert "inbox" in said.err


@pytest.mark.parametrize(
    "what",
    [
        ("inbox",),
        ("outbox",),
        ("partner", "list"),
        ("journal", "verify"),
        ("doctor",),
        ("interfaces", "matrix"),
    ],
)
def test_every_listing_is_json_when_asked(utility: Path, capsys: Capsys, what: tuple[str, ...]) -> None:
    more = () if what[0] == "interfaces" else ("--dir", utility)
    assert here(capsys, *what, "--json", *more).json
    assert here(capsys, *what, *more).out


@pytest.mark.parametrize("what", ["inbox", "outbox", "serve", "journal verify", "partner list"])
def test_outside_a_gateway_directory(tmp_path: Path, capsys: Capsys, what: str) -> None:
    said = here(capsys, *what.split(), "--dir", tmp_path)
    assert said.code == 1
    assert "intertie init" in said.err
    assert list(tmp_path.iterdir()) == []
