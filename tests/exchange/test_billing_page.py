"""The commands of docs/billing.md, run as they stand, on two gateways in this process."""

from __future__ import annotations

import re
import shlex
from datetime import date
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from tests.exchange.billing_house import House, settled
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.trade_stage import dealt

from intertie.cli import run

PAGE = Path(__file__).parent.parent.parent / "docs" / "billing.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.S | re.M)


def test_the_page(monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path) -> None:
    stage = dealt()
    settled(stage, "100.00", "20.00")
    house = House(stage, monkeypatch, capsys)
    monkeypatch.chdir(tmp_path)
    said: dict[str, str] = {}
    for command in "".join(BLOCK.findall(PAGE.read_text(encoding="utf-8"))).splitlines():
        program, *arguments = shlex.split(command)
        assert program == "intertie"
        if "--send" in arguments:
            house.later(date(2026, 2, 2))
        side = {"u": UTILITY, "a": AGGREGATOR}[arguments[-1]]
        code = run([*arguments[:-1], f"/{side}"])
        out, err = capsys.readouterr()
        assert code == 0, f"{command}: {err}"
        stage.settle_soon()
        said[command] = out
    assert len(said) == 12
    everything = "\n".join(said.values())
    for words in ("To aggregator.example: 118.57 USD", "Credit memos: C-I-1", "in_credit", "the same bytes"):
        assert words in everything, words
    assert "-1.20" in (tmp_path / "ageing.csv").read_text()
    text = pypdfium2.PdfDocument((tmp_path / "I-1.pdf").read_bytes())[0].get_textpage().get_text_range()
    assert "120.00 USD" in text
    assert stage.digest(UTILITY) == stage.digest(AGGREGATOR)
