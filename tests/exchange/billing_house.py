"""Two gateways under a contract with interest, and the commands of billing run on them in this process."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.trade_stage import NWS, Stage, dealt
from tests.exchange.two_sides import TEXT

from intertie.cli import _trade, run
from intertie.model.agreement import BaseContract
from intertie.model.billing import LineCode
from intertie.model.contract import Service
from intertie.model.ids import PartyId
from intertie.model.interval import Window
from intertie.model.settlement import PerformanceStatement, StatementLine

ZONE = "America/New_York"


def text(**elections: Any) -> BaseContract:
    return replace(
        TEXT,
        elections=replace(TEXT.elections, late_interest_percent_per_year=Decimal("7.3"), **elections),
    )


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class House:
    """A stage, and the command line of either side on its gateway, at the stage's time."""

    def __init__(self, stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
        self.stage = stage
        self._capsys = capsys

        @contextlib.contextmanager
        def opened(directory: Path) -> Iterator[SimpleNamespace]:
            party = PartyId(directory.name)
            yield SimpleNamespace(gateway=stage.gateways[party], clock=stage.clock(party))

        monkeypatch.setattr(_trade, "opened", opened)

    def runs(self, party: PartyId, *arguments: str | Path) -> Said:
        """`intertie billing ...` of one side; THEM is the other."""
        them = AGGREGATOR if party == UTILITY else UTILITY
        said = [them if one == "THEM" else str(one) for one in arguments]
        self._capsys.readouterr()
        code = run(["billing", *said, "--dir", f"/{party}"])
        out, err = self._capsys.readouterr()
        self.stage.settle_soon()
        return Said(code, out, err)

    def did(self, party: PartyId, *arguments: str | Path) -> Said:
        said = self.runs(party, *arguments)
        assert said.code == 0, said
        return said

    def shown(self, party: PartyId, *arguments: str | Path) -> Any:
        return self.did(party, *arguments, "--json").json

    def later(self, until: date) -> None:
        """Noon in New York of a day."""
        self.stage.now = datetime(until.year, until.month, until.day, 17, tzinfo=self.stage.now.tzinfo)


def statement(stage: Stage, name: str = "S-1", *amounts: str) -> PerformanceStatement:
    """Of the time since the deal began: its lines say so much."""
    lines = tuple(
        StatementLine(
            code=LineCode.RESERVATION,
            text=f"Reservation {number}",
            quantity=Decimal(1),
            unit="kW-month",
            rate=Decimal(amount),
            amount=Decimal(amount),
        )
        for number, amount in enumerate(amounts, 1)
    )
    return PerformanceStatement(
        statement=name,
        confirmation=NWS,
        service=Service.DIST_CAPACITY,
        period=Window(start=stage.now - timedelta(hours=1), end=stage.now),
        baseline_method="high-5-of-10",
        events=(),
        lines=lines,
    )


def settled(stage: Stage, *amounts: str) -> None:
    """The utility says what a period comes to."""
    stage.now += timedelta(hours=2)
    stage.done(*stage.utility.say(statement(stage, "S-1", *amounts)))


__all__ = ["House", "Said", "dealt", "settled", "statement", "text"]
