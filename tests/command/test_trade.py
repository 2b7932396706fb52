"""`intertie trade`: two gateways, two processes, from a proposal to an accepted deal, and one digest."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.command.gateways import AGGREGATOR, UTILITY, Said, command, here, make_pair, served

from intertie.model.documents import example
from intertie.model.ids import DocumentName

GSA = "GSA-2026-01"
DEAL = "NWS-2026-001"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_pair(tmp_path_factory.mktemp("trade"))


def body(folder: Path, document: str, **changes: Any) -> Path:
    """A file with the example's body, changed."""
    _, record = example(DocumentName(document))
    path = folder / f"{document}.json"
    path.write_text(json.dumps({**json.loads(msgspec.json.encode(record)), **changes}))
    return path


def sent(directory: Path, to: str, file: Path, *more: str) -> None:
    document = file.stem
    said = command(
        "send", file, "--to", to, "--document", document, "--dir", directory, *more, "--wait", "60", "--json"
    )
    assert [m["state"] for m in said.json["messages"]] == ["accepted"], said.out


def until_delivered(directory: Path, said: Said) -> None:
    assert said.code == 0, said.err
    for _ in range(100):
        rows = command("outbox", "--dir", directory, "--json").json["messages"]
        if {row["state"] for row in rows} == {"accepted"}:
            return
    raise AssertionError(rows)


def shown(directory: Path, partner: str) -> Any:
    return command("trade", "show", partner, "--dir", directory, "--json").json


def test_from_a_proposal_to_an_accepted_deal(pair: tuple[Path, Path], tmp_path: Path) -> None:
    utility, aggregator = pair
    now = datetime.now(UTC)
    stated = {
        "effective": (now - timedelta(days=1)).isoformat(),
        "ends": (now + timedelta(days=900)).isoformat(),
    }
    text = body(tmp_path, "base_contract", **stated)
    term = {"start": (now + timedelta(days=1)).isoformat(), "end": (now + timedelta(days=90)).isoformat()}
    deal = body(tmp_path, "confirmation", agreement=GSA, term=term, confirm_deadline=now.isoformat())
    with served(utility), served(aggregator):
        sent(utility, AGGREGATOR, text)
        assert shown(aggregator, UTILITY)["contracts"][0]["state"] == "proposed"
        until_delivered(aggregator, command("trade", "sign", UTILITY, GSA, "--dir", aggregator))
        until_delivered(utility, command("trade", "sign", AGGREGATOR, GSA, "--dir", utility))
        sent(utility, AGGREGATOR, deal, "--agreement", GSA)
        assert shown(aggregator, UTILITY)["deals"][0]["state"] == "open"
        until_delivered(aggregator, command("trade", "answer", UTILITY, DEAL, "--dir", aggregator))
        again = command("trade", "answer", UTILITY, DEAL, "--dir", aggregator)
        assert again.code == 1 and "confirmation.step" in again.err
        suspended = command("trade", "notice", AGGREGATOR, GSA, "suspend", "--dir", utility)
        until_delivered(utility, suspended)
    ours, theirs = shown(utility, AGGREGATOR), shown(aggregator, UTILITY)
    assert ours == theirs and ours["messages"] == 6 and ours["void"] == []
    assert ours["contracts"][0]["state"] == "suspended" and ours["deals"][0]["state"] == "accepted"


def test_what_is_not_there(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    utility, _ = pair
    for arguments in (
        ("sign", AGGREGATOR, "X"),
        ("notice", AGGREGATOR, "X", "suspend"),
        ("answer", AGGREGATOR, "X"),
    ):
        said = here(capsys, "trade", *arguments, "--dir", utility)
        assert said.code == 1 and "intertie trade show" in said.err
    said = here(capsys, "trade", "show", "nobody.example", "--dir", utility)
    assert said.code == 1 and "not a partner" in said.err
    assert "digest" in here(capsys, "trade", "show", AGGREGATOR, "--dir", utility).out
