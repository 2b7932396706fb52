"""The whole demo: three gateways are made and started, the season is played, and what is left is read back and judged."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from intertie.demo.carried import compare, native_season, native_summary, prove
from intertie.demo.chapters import account, billing, contracts, daily, dispatch, opening, outages, tender
from intertie.demo.feeder import read_feeder
from intertie.demo.gateways import (
    ALL,
    SEASON_OPENS,
    SeasonClock,
    make_directories,
    serving,
)
from intertie.demo.plan import make_plan
from intertie.demo.season import Desk, Entry, Season
from intertie.demo.speaking import make_legacy, speaks_of
from intertie.demo.staff import Office
from intertie.demo.summary import Picture, Summary, picture_of, summarise
from intertie.model.errors import SettingsError

# examples/feeder of the source tree that this file is in.
FEEDER = Path(__file__).resolve().parents[3] / "examples" / "feeder"

Tell = Callable[[str, int, int], None]


class Played(NamedTuple):
    """What a season came to."""

    summary: Summary
    picture: Picture
    root: Path


@contextlib.contextmanager
def played(
    feeder_folder: Path | None,
    keep: Path | None,
    tell: Tell,
    *,
    portals: bool = False,
    speaks: str | None = None,
    native: Path | None = None,
) -> Iterator[Played]:
    """Play the season; inside the block the gateways are still serving. Raises IntertieError when it cannot go on.

    All directories stay: in `keep` (made, or empty), else in a new folder for temporary files. `speaks` names the protocol and
    the format of the first aggregator and the utility (speaking.py); None: parcels. What comes of it is compared with the season
    in parcels: with the summary of one in the file `native`, else with one that is played beside it.
    """
    began = time.monotonic()
    spoken = speaks_of(speaks) if speaks is not None else None
    tell("reading the feeder", 0, 1)
    feeder = read_feeder(feeder_folder or FEEDER)
    plan = make_plan(feeder)
    root = _root(keep)
    clock = SeasonClock(root / "clock.txt", SEASON_OPENS)
    tell("making three gateways", 0, 1)
    make_directories(root, feeder.zone, portals=portals, natively=spoken is None)
    if spoken is not None:
        make_legacy(root, spoken, feeder.zone)
    with serving(root) as processes, contextlib.ExitStack() as stack:
        beside = None
        if spoken is not None and native is None:
            beside = stack.enter_context(native_season(root, feeder_folder))
        desks = []
        for who in ALL:
            office = Office(root, who, clock)
            stack.callback(office.close)
            desks.append(Desk(office, feeder.zone))
        utility, aggregator, rival = desks
        season = Season(
            feeder, plan, clock, utility, aggregator, rival, lambda: all(p.poll() is None for p in processes)
        )
        for chapter in (contracts, opening, tender, daily, outages, dispatch, billing, account):
            chapter.plan(season)
        season.play(lambda entry, done, total: tell(_line(season, entry), done, total))
        tell("reading the journals back", 1, 1)
        summary = summarise(season, root, lambda: time.monotonic() - began)
        if spoken is not None:
            tell("the season in parcels, to compare", 1, 1)
            if beside is not None:
                native = native_summary(root, beside)
            assert native is not None
            summary = summary._replace(
                proved=prove(season, root), compared=compare(summary._asdict(), native)
            )
        yield Played(summary, picture_of(season), root)


def _line(season: Season, entry: Entry) -> str:
    return f"{season.utility.books.local_day(entry.at)}  {entry.text}"


def _root(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="intertie-demo-"))
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise SettingsError(f"{keep} is there already and not empty", do="Name a new directory with --keep.")
    keep.mkdir(parents=True, exist_ok=True)
    return keep.resolve()
