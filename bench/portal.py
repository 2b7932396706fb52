"""The portal over a million messages and ten thousand DERs, in SQLite and in PostgreSQL: milliseconds of the server for every
page and every filter; what a partner's parcels take meanwhile; and how long a browser draws a hundred thousand points."""

from __future__ import annotations

import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx
from rich.console import Console
from rich.table import Table

from bench import portal_plot, portal_street, postgres
from bench.gateways import add_settings, free_port
from bench.machine import machine
from bench.outage import command_quietly
from bench.portal_fill import RARE_OUT, RARE_TALK, Filled, Filler
from bench.portal_people import AGENT, START_SECONDS, sessions, wait_until_open
from bench.portal_trade import AGGREGATION, DER, NAMES
from intertie.gateway.configuration.settings import read_settings
from intertie.model.ids import PartyId
from intertie.portal.pages.pages import ROUTES
from intertie.run import Opened, opened
from intertie.run.office import office_beside
from intertie.stores.postgres_schema import connect

UTILITY, AGREEMENT = PartyId("utility.bench"), "BENCH-1"
RESULTS = Path(__file__).parent / "results.json"
# A stream, and a question that a browser asks before it makes a passkey.
NO_PAGES = ("/live", "/settings/sign-in/passkey")
# What the acceptance asks of every page, at the 95th percentile.
NEED_MS = 200.0


class Scale(NamedTuple):
    """How many messages, partners, and requests of each page."""

    messages: int = 1_000_000
    partners: int = 40
    requests: int = 40


QUICK = Scale(messages=50_000, partners=6, requests=5)


class Row(NamedTuple):
    """A page of one store, and what it took."""

    store: str
    page: str
    median_ms: float
    p95_ms: float
    kb: float


def run(console: Console, scale: Scale, keep: Path | None = RESULTS) -> None:
    """Measure, show, and keep the rows in bench/results.json unless they mean nothing."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="intertie-bench-") as name:
        rows += measured(console, Path(name), "sqlite", "", scale)
    try:
        with postgres.server() as server, tempfile.TemporaryDirectory(prefix="intertie-bench-") as name:
            rows += measured(console, Path(name), "postgres", server.stores()["u"], scale)
    except postgres.NoPostgres as error:
        console.print(f"without PostgreSQL: {error}", highlight=False)
    console.print(table(rows, scale))
    if keep is not None:
        write(keep, rows=[row._asdict() for row in rows], scale=scale._asdict())
    run_street(console, portal_street.QUICK if scale == QUICK else portal_street.Scale(), keep)
    run_plot(console, portal_plot.QUICK_LOADS if scale == QUICK else portal_plot.LOADS, keep)


def run_street(console: Console, scale: portal_street.Scale, keep: Path | None = RESULTS) -> None:
    """A partner's parcels while the portal is idle, busy, stopped and killed."""
    with (
        console.status("a partner sends"),
        tempfile.TemporaryDirectory(prefix="intertie-bench-") as name,
    ):
        rows = portal_street.measured(Path(name), scale)
    console.print(portal_street.table(rows, scale))
    if keep is not None:
        write(keep, street=[row._asdict() for row in rows], street_scale=scale._asdict())


def run_plot(console: Console, loads: int, keep: Path | None = RESULTS) -> None:
    """The plot of many points."""
    row = drawn(console, loads)
    if keep is not None:
        write(keep, plot=row._asdict() if row else None)


def drawn(console: Console, loads: int) -> portal_plot.Row | None:
    """The plot in a browser; None without one."""
    try:
        row = portal_plot.measured(loads)
    except portal_plot.NoBrowser as error:
        console.print(f"without the plot: {error}", highlight=False)
        return None
    console.print(
        f"plot of {row.points:,} points, two series: drawn {row.drawn_ms:,.0f} ms after the page was asked for, "
        f"the page stood still for {row.stall_ms:,.0f} ms at most",
        highlight=False,
    )
    return row


def measured(console: Console, folder: Path, store: str, lines: str, scale: Scale) -> list[Row]:
    """One store: filled, served, and asked."""
    u = folder / "u"
    partners = make(u, folder, scale.partners, lines)
    begun = time.perf_counter()
    with console.status(f"{store}: {scale.messages:,} messages are written") as status, opened(u) as it:
        it.store.unlock()
        filled = Filler(it.gateway, partners, datetime.now(UTC)).fill(
            scale.messages, lambda done, all: status.update(f"{store}: parcel {done} of {all}")
        )
        settle(it)
        cookies = sessions(it, len(pages(filled)) + 1)
    console.print(
        f"{store}: {filled.messages:,} messages, {filled.ders:,} DERs, "
        f"{time.perf_counter() - begun:.0f} s to write",
        highlight=False,
    )
    with served(u) as url, console.status(f"{store}: pages are asked for"):
        rows = [
            ask(store, url, page, path, cookie, scale.requests)
            for (page, path), cookie in zip(pages(filled).items(), cookies, strict=False)
        ]
    left_out = [row.page for row in rows if row.kb == 0]
    if left_out:
        console.print(f"not measured, for want of what they show: {', '.join(left_out)}", highlight=False)
    return [row for row in rows if row.kb]


def make(u: Path, folder: Path, count: int, store: str) -> list[PartyId]:
    """The gateway's directory and its partners', as commands make them; the office door is open, the street door is not."""
    command_quietly("init", UTILITY, "--role", "distribution_utility", "--dir", u)
    add_settings(u, "store", store)
    add_settings(u, "office", f'listen = "127.0.0.1:{free_port()}"\n')
    partners = [PartyId(f"aggregator-{number:03}.bench") for number in range(count)]
    for party in partners:
        place = folder / party
        command_quietly("init", party, "--role", "der_aggregator", "--dir", place, "--ca", u / "ca")
        command_quietly("partner", "add", place / "descriptor.json", "--agreement", AGREEMENT, "--dir", u)
    return partners


def settle(it: Opened) -> None:
    """What a server that runs for months does by itself: PostgreSQL's autovacuum, which the bench's server has not."""
    server = getattr(it.store, "server", None)
    if server is not None:
        with contextlib.closing(connect(server, write=True)) as db:
            db.execute("VACUUM ANALYZE")


@contextlib.contextmanager
def served(u: Path) -> Iterator[str]:
    """The office door in a process of its own, as `intertie serve` has it; its address."""
    settings = read_settings(u)
    url = f"http://{settings.office.listen}"
    with office_beside(u, settings, "WARNING"):
        wait_until_open(url)
        yield url


def pages(filled: Filled) -> Mapping[str, str]:
    """What is asked for, by what the table calls it: every page, and Messages by each filter, of much and of little."""
    now = datetime.now(UTC)
    old, lately = (f"{now - timedelta(days=days):%Y-%m-%dT%H:%M}" for days in (89, 1))
    one = "/messages/" + filled.out
    found = {
        "Today": "/",
        "Partners": "/partners",
        "Partner": f"/partners/{filled.frequent}",
        "Partner, rare": f"/partners/{filled.rare}",
        "Message, sent": one,
        "Message, received": f"/messages/{filled.came}",
        "Message, refused": f"/messages/{filled.refused}",
        "Message, body": f"{one}/body",
        "Settings": "/settings",
        "People": "/settings/people",
        "Sign-in of one's own": "/settings/sign-in",
        "Approvals": "/approvals",
        "Messages": "/messages",
    }
    filters: dict[str, dict[str, str]] = {
        "partner": {"partner": filled.frequent},
        "partner, rare": {"partner": filled.rare},
        "partner, none": {"partner": "nobody.bench"},
        "document": {"document": "meter_readings"},
        "document, rare": {"document": RARE_OUT},
        "document, rare, out": {"document": RARE_OUT, "direction": "out"},
        "document, none": {"document": "bid"},
        "interface": {"interface": "DA"},
        "interface, rare": {"interface": "ET16"},
        "in": {"direction": "in"},
        "out": {"direction": "out"},
        "agreement": {"agreement": "GSA-2025-17"},
        "agreement, none": {"agreement": "NONE-1"},
        "conversation": {"conversation": RARE_TALK},
        "conversation, none": {"conversation": "no-such-talk"},
        **{f"state {state}": {"state": state} for state in STATES},
        "since": {"since": lately},
        "until": {"until": old},
        "a minute long ago": {"since": old, "until": old},
        "text, in most": {"text": "readings"},
        "text, an id": {"text": filled.refused},
        "text, a parcel": {"text": filled.parcel},
        "text, a talk": {"text": RARE_TALK},
        "text, rare": {"text": "ask the one who signed"},
        "text, nowhere": {"text": "nothing-is-like-this"},
        "text, five words nowhere": {"text": "nothing is like this here"},
        "text of a partner": {"partner": filled.frequent, "text": "nothing like this"},
        "after, deep": {"after": str(filled.messages // 10)},
        "after, deep, text": {"after": str(filled.messages // 2), "text": "nothing like this"},
    }
    found |= unlisted(filled, list(found.values()))
    return found | {f"Messages: {name}": f"/messages?{urlencode(given)}" for name, given in filters.items()}


STATES = ("queued", "sending", "accepted", "duplicate", "refused", "expired", "cancelled", "failed")


def unlisted(filled: Filled, listed: Sequence[str]) -> dict[str, str]:
    """Pages of the portal that nobody lists here, but for those of one thing: a page that comes is measured from then on."""
    known, found = {path.partition("?")[0] for path in listed}, {}
    # What pages of one thing ask for; the others pay no heed.
    given = {"partner": filled.frequent, "aggregation": AGGREGATION, "der": DER, "id": filled.out}
    given |= NAMES._asdict()
    for handler in ROUTES:
        for path in sorted(handler.paths) if "GET" in handler.http_methods else ():
            here = path.replace("{partner:str}", filled.frequent)
            if "{" not in here and here not in known and here not in NO_PAGES:
                found[path] = f"{here}?{urlencode(given)}"
    return found


def ask(store: str, url: str, page: str, path: str, cookie: str, requests: int) -> Row:
    """One page, again and again over one connection; the first time does not count."""
    took = []
    with httpx.Client(
        base_url=url, cookies={"intertie": cookie}, headers={"User-Agent": AGENT}, timeout=START_SECONDS
    ) as http:
        for number in range(requests + 1):
            begun = time.perf_counter()
            answer = http.get(path)
            if number:
                took.append((time.perf_counter() - begun) * 1000)
            if answer.status_code in (404, 409, 422) and page.startswith("/"):
                return Row(store, page, 0.0, 0.0, 0.0)  # one of a thing that was not made
            if answer.status_code != 200:
                raise SystemExit(f"{page} ({path}): {answer.status_code} {answer.text[:500]}")
    p95 = statistics.quantiles(took, n=20, method="inclusive")[18]
    return Row(
        store, page, round(statistics.median(took), 1), round(p95, 1), round(len(answer.content) / 1024, 1)
    )


def table(rows: Sequence[Row], scale: Scale) -> Table:
    """A line for each page, the stores beside each other."""
    stores = list(dict.fromkeys(row.store for row in rows))
    made = Table(
        title=f"portal: ms of the server over {scale.messages:,} messages, {scale.requests} requests a page",
        title_justify="left",
        header_style="bold",
        pad_edge=False,
    )
    made.add_column("")
    for store in stores:
        made.add_column(f"{store}, median", justify="right")
        made.add_column("p95", justify="right")
    made.add_column("KB", justify="right")
    for page in dict.fromkeys(row.page for row in rows):
        found = {row.store: row for row in rows if row.page == page}
        cells = []
        for store in stores:
            row = found.get(store)
            slow = row is not None and row.p95_ms > NEED_MS
            cells += (
                [f"{row.median_ms:,.1f}", f"[bold]{row.p95_ms:,.1f} !" if slow else f"{row.p95_ms:,.1f}"]
                if row
                else ["", ""]
            )
        made.add_row(page, *cells, f"{next(iter(found.values())).kb:,.0f}")
    return made


def write(path: Path, **found: Any) -> None:
    """In the place of what an earlier run found of the same; the others stay."""
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept["portal"] = {**kept.get("portal", {}), "machine": machine()._asdict(), **found}
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
