"""A turn of a simulated partner over books that are laid before it, and DERs to lay there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from intertie.gateway.simulating import simulate_aggregator as aggregator
from intertie.gateway.simulating.simulate_script import read_script
from intertie.gateway.simulating.simulate_turn import Memory, Turn
from intertie.market.registry import Aggregation, Standing, Version
from intertie.model.aggregation import Der
from intertie.model.contract import Service
from intertie.model.ids import AggregationId, MessageId, PartyId

NOW = datetime(2026, 6, 1, 12, 7, 30, tzinfo=UTC)
US, THEM = PartyId("a.example"), PartyId("u.example")
Said = list[tuple[Any, ...]]


class Bench(Turn):
    """A turn over books that are laid before it: no gateway, no store."""

    def __init__(
        self, script: str = "", now: datetime = NOW, memory: Memory | None = None, **book: Any
    ) -> None:
        nothing: Any = None
        super().__init__(nothing, nothing, THEM, memory or Memory(), read_script(script), now)
        self.book = {"drafted": {}, **book}

    @property
    def desk(self) -> Any:
        known = {key: value for key, value in self.book.items() if key != "drafted"}
        drafted = SimpleNamespace(**{**known, **self.book["drafted"]})
        return SimpleNamespace(
            book=SimpleNamespace(**known), drafted=drafted, us=US, partner=THEM, now=self.now
        )


def heard(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> Said:
    """Calls of an act, instead of the act."""
    calls: Said = []

    def act(_desk: Any, *said: Any, **more: Any) -> MessageId:
        calls.append((*said, more) if more else said)
        return MessageId("m")

    monkeypatch.setattr(module, name, act)
    return calls


def der(number: int, kw: str = "10", consent: str | None = "C-1") -> Der:
    return replace(aggregator._der(Bench(), number), nameplate_kw=Decimal(kw), consent=consent)


def aggregation_of(*ders: Der, standing: Standing = Standing.OFFERED) -> dict[AggregationId, Aggregation]:
    starts = NOW - timedelta(days=1) if standing is Standing.ACCEPTED else None
    versions = {one.id: (Version(one, 1, NOW, NOW, standing, starts),) for one in ders}
    name = AggregationId("A")
    return {name: Aggregation(name, (Service.DIST_CAPACITY,), 1, NOW, None, (), None, versions)}
