"""The stage without gateways: the clock, the agenda, bounded waiting, and the months of a deal."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from intertie.demo import staff
from intertie.demo.chapters import billing
from intertie.demo.feeder import read_feeder
from intertie.demo.gateways import AGGREGATOR, RIVAL, SEASON_OPENS, DemoError, SeasonClock
from intertie.demo.plan import Fate, make_plan
from intertie.demo.season import Desk, Season, meter_of, node_of, series
from intertie.model.dispatch import DispatchAnswer, DispatchResponse
from intertie.model.errors import Code, Refused
from intertie.model.quantity import Unit

FOLDER = Path(__file__).parents[3] / "examples" / "feeder"


class Quiet:
    """An office in which nothing waits and nothing comes in."""

    def __init__(self, name: str) -> None:
        self.who = SimpleNamespace(short=name)
        self.mail: list[Any] = []

    def waiting(self) -> int:
        return 0

    def read_new(self) -> list[Any]:
        new, self.mail = self.mail, []
        return new


@pytest.fixture
def clock(tmp_path: Path) -> SeasonClock:
    return SeasonClock(tmp_path / "clock.txt", SEASON_OPENS)


@pytest.fixture
def season(clock: SeasonClock) -> Season:
    feeder = read_feeder(FOLDER)
    desks: list[Any] = [Desk(Quiet(name), feeder.zone) for name in ("utility", "aggregator", "rival")]  # type: ignore[arg-type]
    return Season(feeder, make_plan(feeder), clock, *desks, lambda: True)


def test_the_clock_is_in_its_file_and_never_goes_back(clock: SeasonClock) -> None:
    later = SEASON_OPENS + timedelta(hours=1)
    clock.advance(later)
    assert datetime.fromisoformat(clock.path.read_text()) == later
    clock.advance(SEASON_OPENS)
    assert (clock.now, datetime.fromisoformat(clock.path.read_text())) == (later, later)


def test_the_agenda_is_played_in_the_order_of_time(season: Season) -> None:
    done: list[str] = []
    at = season.at(3)
    for name, when in (("last", at + timedelta(days=1)), ("first", at), ("second", at)):
        season.plan_action(when, name, lambda name=name: done.append(f"{name} {season.clock.now:%d}"))
    told: list[str] = []
    season.play(lambda entry, number, total: told.append(f"{entry.text} {number}/{total}"))
    assert done == ["first 07", "second 07", "last 08"]
    assert told == ["first 0/3", "second 1/3", "last 2/3"]


def test_times_are_of_the_feeders_zone(season: Season) -> None:
    # Midnight in Berlin in winter is 23:00 UTC of the day before.
    assert season.at(0) == datetime(2026, 1, 4, 23, tzinfo=UTC)
    assert season.at(date(2026, 4, 1), 4) == datetime(2026, 3, 31, 23, tzinfo=UTC)  # summer time
    assert season.at(0, 2, 5) == datetime(2026, 1, 4, 23, 35, tzinfo=UTC)
    assert season.window(1).hours == 24


def test_the_newest_document_is_found_or_missed_by_name(season: Season) -> None:
    for number, name in enumerate(("D-1", "D-2", "D-1-b")):
        body = DispatchResponse(dispatch=name, answer=DispatchAnswer.ACCEPTED)
        header = SimpleNamespace(sender=(AGGREGATOR if number else RIVAL).party)
        mail: Any = SimpleNamespace(id=f"m{number}", body=body, header=header)
        season.utility.inbox.append(mail)
    assert season.utility.newest(DispatchResponse)[0] == "m2"
    assert season.utility.newest(DispatchResponse, "dispatch", "D-2")[0] == "m1"
    assert season.utility.newest(DispatchResponse, of=RIVAL)[0] == "m0"
    with pytest.raises(DemoError, match="utility waits for DispatchResponse D-3"):
        season.utility.newest(DispatchResponse, "dispatch", "D-3")


def test_what_the_own_gateway_refuses_is_noted(season: Season) -> None:
    def act() -> None:
        raise Refused(Code.TRADE_RULE, "key.before_gate: too early")

    season.try_to(RIVAL, "offer-1", act)
    assert season.broken == [("rival", "offer-1", "key.before_gate: too early")]


def test_the_months_of_the_deal(season: Season) -> None:
    assert [(m.name, m.first, m.last) for m in billing.months(season)] == [
        ("2026-01", date(2026, 1, 12), date(2026, 1, 31)),
        ("2026-02", date(2026, 2, 1), date(2026, 2, 28)),
        ("2026-03", date(2026, 3, 1), date(2026, 3, 22)),
    ]


def test_every_chapter_finds_its_place(season: Season) -> None:
    billing.plan(season)
    texts = [entry.text for entry in season._agenda]
    assert sum("disputes it" in text for text in texts) == 1
    assert sum("pays 2026" in text for text in texts) == 3
    partial = next(e for e in season.plan.events if e.fate is Fate.PARTIAL)
    assert season.feeder.days[partial.day].month == 2


class Stuck(Quiet):
    """An office with a message that never gets its receipt."""

    directory = Path("nowhere")

    def waiting(self) -> int:
        return 1


def test_waiting_ends_with_words(clock: SeasonClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staff, "WAIT_SECONDS", 0.05)
    with pytest.raises(DemoError, match="without a receipt after 0 s: utility 1"):
        staff.settle([Stuck("utility")], clock, lambda: True)  # type: ignore[list-item]


def test_waiting_ends_when_a_gateway_does(clock: SeasonClock) -> None:
    with pytest.raises(DemoError, match="without a receipt"):
        staff.settle([Stuck("utility")], clock, lambda: False)  # type: ignore[list-item]


class Slow(Quiet):
    """An office whose receipt comes only once the season's clock has moved: a retry was due by it."""

    def __init__(self, clock: SeasonClock) -> None:
        super().__init__("utility")
        self._clock = clock

    def waiting(self) -> int:
        return int(self._clock.now == SEASON_OPENS)


def test_waiting_moves_the_clock_so_that_retries_fall_due(
    clock: SeasonClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staff, "NUDGE_SECONDS", 0.02)
    assert staff.settle([Slow(clock)], clock, lambda: True) > SEASON_OPENS  # type: ignore[list-item]


def test_helpers() -> None:
    assert node_of(meter_of("LV3.101-bus-7")) == "LV3.101-bus-7"
    found = series(SEASON_OPENS, Unit.KW, [1500, 2000])
    assert (found.quantity(0), found.step_seconds, found.total()) == (1.5, 900, 3.5)
