"""Two gateways that serve, with a contract that both signed and a deal that both agreed to: where business begins."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from tests.command.gateways import AGGREGATOR, UTILITY, Said, here, make_pair, served
from tests.ports import free_port

from intertie.cli import run
from intertie.model.documents import example
from intertie.model.ids import DocumentName

RIVAL = "rival.example"
GSA = "GSA-2026-01"
DEAL = "NWS-1"
WAIT = ("--wait", "60")
DERS = """id,technology,nameplate_kw,feeder,point,meter,premises,consent,control_modes
DER-1,battery,10,F12,F12-T7,M-1,P-1,C-1,charge discharge
DER-2,heat_pump,7.5,F12,F12-T7,M-2,P-2,C-2,
DER-3,pv,12.4,F12,F12-T9,M-3,P-3,C-3,opModMaxLimW
"""


def nothing() -> None:
    """The clock goes on by itself."""


class Pair(NamedTuple):
    """Both sides of a trade; each speaks in this process, and its gateway serves in another. A clock of
    theirs goes on with what is said."""

    utility: Path
    aggregator: Path
    folder: Path
    them: str = AGGREGATOR
    went_on: Callable[[], None] = nothing

    def says(self, side: Path, capsys: Any, *arguments: str | Path) -> Said:
        """A command of one side, with the other side put in place of THEM."""
        them = self.them if side == self.utility else UTILITY
        return here(capsys, *(them if one == "THEM" else one for one in map(str, arguments)), "--dir", side)

    def did(self, side: Path, capsys: Any, *arguments: str | Path) -> Said:
        """The same, for what is sent and must be accepted."""
        said = self.says(side, capsys, *arguments, *WAIT)
        assert said.code == 0 and "accepted" in said.out, said.out + said.err
        self.went_on()
        return said

    def shown(self, side: Path, capsys: Any, *arguments: str | Path) -> Any:
        """What a side is shown, for programs."""
        return self.says(side, capsys, *arguments, "--json").json

    def file(self, name: str, text: str) -> Path:
        """A file to send."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def document(self, document: str, **changes: Any) -> Path:
        """A file with the example's body, changed."""
        _, record = example(DocumentName(document))
        return self.file(
            f"{document}.json", json.dumps({**json.loads(msgspec.json.encode(record)), **changes})
        )


@contextlib.contextmanager
def trading(folder: Path) -> Iterator[Pair]:
    """The pair, served until the end."""
    utility, aggregator = make_pair(folder)
    for each in (utility, aggregator):  # no agreement on paper beside the one that is made
        path = next((each / "partners").glob("*.toml"))
        text = path.read_text(encoding="utf-8")
        path.write_text(text[: text.index("[[agreements]]")], encoding="utf-8")
    with served(utility), served(aggregator):
        yield Pair(utility, aggregator, folder)


class Market(NamedTuple):
    """A utility and two aggregators on one clock, which stands still until it is moved."""

    utility: Path
    aggregator: Path
    rival: Path
    clock: Path

    @property
    def now(self) -> datetime:
        """What the clock says."""
        return datetime.fromisoformat(self.clock.read_text(encoding="ascii"))

    def move(self, **by: float) -> None:
        """Move the clock on; a gateway looks at the file at most every 20 ms."""
        self.move_to(self.now + timedelta(**by))

    def move_to(self, at: datetime) -> None:
        """The same, to a time."""
        fresh = self.clock.with_suffix(".new")
        fresh.write_text(at.isoformat(), encoding="ascii")
        fresh.replace(self.clock)
        time.sleep(0.05)

    def with_one(self, side: Path) -> Pair:
        """The utility and one of the two, as a pair."""
        them = RIVAL if side == self.rival else AGGREGATOR
        return Pair(self.utility, side, side.parent, them, partial(self.move, seconds=1))


@contextlib.contextmanager
def market(folder: Path) -> Iterator[Market]:
    """All three, served until the end."""
    clock = folder / "clock.txt"
    clock.write_text(datetime.now(UTC).replace(second=0, microsecond=0).isoformat(), encoding="ascii")
    places = {UTILITY: folder / "utility", AGGREGATOR: folder / "aggregator", RIVAL: folder / "rival"}
    for party, place in places.items():
        role = "distribution_utility" if party == UTILITY else "der_aggregator"
        url = f"https://127.0.0.1:{free_port()}"
        more = [] if party == UTILITY else ["--ca", str(folder / "utility" / "ca")]
        init = [
            "init",
            party,
            "--role",
            role,
            "--url",
            url,
            "--clock",
            str(clock),
            "--dir",
            str(place),
            *more,
        ]
        assert run(init) == 0
    for party in (AGGREGATOR, RIVAL):
        for place, other in ((places[UTILITY], places[party]), (places[party], places[UTILITY])):
            assert run(["partner", "add", str(other / "descriptor.json"), "--dir", str(place)]) == 0
    with contextlib.ExitStack() as stack:
        for place in places.values():
            stack.enter_context(served(place))
        yield Market(*places.values(), clock)


def agree(pair: Pair, capsys: Any) -> None:
    """A contract that both sign."""
    now = datetime.now(UTC)
    times = {
        "effective": (now - timedelta(days=1)).isoformat(),
        "ends": (now + timedelta(days=900)).isoformat(),
    }
    text = pair.document("base_contract", seller=pair.them, **times)
    pair.did(pair.utility, capsys, "send", text, "--to", "THEM", "--document", "base_contract")
    pair.did(pair.aggregator, capsys, "trade", "sign", "THEM", GSA)
    pair.did(pair.utility, capsys, "trade", "sign", "THEM", GSA)


def deal(pair: Pair, capsys: Any, **changes: Any) -> None:
    """A deal at F12-T7 that the aggregator accepts."""
    now = datetime.now(UTC)
    term = {"start": (now - timedelta(hours=1)).isoformat(), "end": (now + timedelta(days=90)).isoformat()}
    terms = {
        "confirmation": DEAL,
        "agreement": GSA,
        "points": ["F12-T7"],
        "contracted_kw": "12",
        "term": term,
        "notice_minutes": 30,
        "max_calls": 2,
        "max_duration_minutes": 120,
        "confirm_deadline": now.isoformat(),
        "aggregation": "AGG",
        "service_hours": [],
    }
    body = pair.document("confirmation", **{**terms, **changes})
    pair.did(
        pair.utility, capsys, "send", body, "--to", "THEM", "--document", "confirmation", "--agreement", GSA
    )
    pair.did(pair.aggregator, capsys, "trade", "answer", "THEM", DEAL)
