"""`intertie trade`: two gateways, two processes, from a proposal to an accepted deal, and one digest."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.command.gateways import AGGREGATOR, UTILITY, Said, command, here, make_pair, served

from intertie.cli._terms import toml
from intertie.model.documents import example
from intertie.model.ids import DocumentName

GSA = "GSA-2026-01"
DEAL = "NWS-2026-001"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_pair(tmp_path_factory.mktemp("trade"))


def raw(document: str) -> dict[str, Any]:
    """The example's body."""
    _, record = example(DocumentName(document))
    said: dict[str, Any] = json.loads(msgspec.json.encode(record))
    return said


def until_delivered(directory: Path, said: Said) -> None:
    assert said.code == 0, said.err
    for _ in range(100):
        rows = command("outbox", "--dir", directory, "--json").json["messages"]
        if {row["state"] for row in rows} == {"accepted"}:
            return
    raise AssertionError(rows)


def shown(directory: Path, partner: str) -> Any:
    return command("trade", "show", partner, "--dir", directory, "--json").json


def written(path: Path, said: dict[str, Any]) -> Path:
    """A file of terms as a person writes it."""
    path.write_text("\n".join(f"{name} = {toml(value)}" for name, value in said.items()))
    return path


def test_from_a_proposal_to_an_accepted_deal(pair: tuple[Path, Path], tmp_path: Path) -> None:
    utility, aggregator = pair
    now = datetime.now(UTC)
    stated = {
        "effective": (now - timedelta(days=1)).isoformat(),
        "ends": (now + timedelta(days=900)).isoformat(),
    }
    text = written(tmp_path / "gsa.toml", {**raw("base_contract"), **stated})
    term = {"start": (now + timedelta(days=1)).isoformat(), "end": (now + timedelta(days=90)).isoformat()}
    agreed = {"agreement": GSA, "term": term, "confirm_deadline": now.isoformat()}
    deal = written(tmp_path / "deal.toml", {**raw("confirmation"), **agreed})
    with served(utility), served(aggregator):
        first = command("trade", "propose", AGGREGATOR, GSA, text, "--wait", "60", "--dir", utility)
        assert "Proposal: revision 1" in first.out and "accepted" in first.out, first.out + first.err
        assert shown(aggregator, UTILITY)["contracts"][0]["state"] == "proposed"
        counter = ("--set", "elections.payment_day_of_month=20", "--wait", "60", "--dir", aggregator)
        countered = command("trade", "propose", UTILITY, GSA, *counter)
        assert "Counter-proposal: revision 2" in countered.out, countered.out + countered.err
        until_delivered(aggregator, command("trade", "sign", UTILITY, GSA, "--dir", aggregator))
        until_delivered(utility, command("trade", "sign", AGGREGATOR, GSA, "--dir", utility))
        confirmed = command("trade", "confirm", AGGREGATOR, DEAL, deal, "--wait", "60", "--dir", utility)
        assert "deemed accepted at" in confirmed.out, confirmed.out + confirmed.err
        assert shown(aggregator, UTILITY)["deals"][0]["state"] == "open"
        until_delivered(aggregator, command("trade", "answer", UTILITY, DEAL, "--dir", aggregator))
        again = command("trade", "answer", UTILITY, DEAL, "--dir", aggregator)
        assert again.code == 1 and "confirmation.step" in again.err
        amended = command("trade", "propose", AGGREGATOR, GSA, "--set", "netting=x", "--dir", utility)
        assert amended.code == 1 and "netting" in amended.err
        amend = ("--set", "elections.netting=gross", "--wait", "60", "--dir", utility)
        assert "Amendment: revision 3" in command("trade", "propose", AGGREGATOR, GSA, *amend).out
        suspended = command("trade", "notice", AGGREGATOR, GSA, "suspend", "--dir", utility)
        until_delivered(utility, suspended)
    ours, theirs = shown(utility, AGGREGATOR), shown(aggregator, UTILITY)
    assert ours == theirs and ours["messages"] == 8 and ours["void"] == []
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
