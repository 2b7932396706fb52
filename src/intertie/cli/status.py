"""`intertie status`: how this gateway stands, on one screen."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console, Group, RenderableType
from rich.live import Live as Screen
from rich.table import Table
from rich.text import Text

from intertie.bindings.operations.live import Live, ask_live
from intertie.bindings.operations.serve_state import Serving, who_serves
from intertie.cli._shared import HERE, Dir, Json, print_json, when
from intertie.gateway.operating.status import Status, read_status
from intertie.run import Opened, opened

# An end that is nearer than this is red: time enough for an authority that takes its time.
NEAR_DAYS = 30
MEBIBYTE = 1024 * 1024


def status(
    *,
    watch: Annotated[bool, Parameter(negative=(), help="Keep it on the screen, until Ctrl-C.")] = False,
    every: Annotated[
        float, Parameter(validator=Number(gte=0.2, lte=3600), help="Seconds between looks, with --watch.")
    ] = 2.0,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Show how this gateway stands: who serves, what waits, what was late or refused in the last hour, flags, ends of keys.

    It reads the store, so it works when nothing serves; what only a serving gateway knows it asks at the operations door.
    """
    with opened(dir) as it:
        if not watch:
            serving, live, now = look(it)
            if json:
                print_json({"party": it.settings.party.id, "serving": serving, "live": live, "status": now})
            else:
                Console(width=None if sys.stdout.isatty() else 160).print(screen(it, serving, live, now))
            return
        with Screen(screen(it, *look(it)), screen=sys.stdout.isatty(), auto_refresh=False) as shown:
            while True:
                time.sleep(every)
                shown.update(screen(it, *look(it)), refresh=True)


def look(it: Opened) -> tuple[Serving | None, Live, Status]:
    """Who serves, what it says, and what the store says."""
    serving = who_serves(it.directory)
    live = ask_live(serving.operations) if serving is not None else Live()
    return serving, live, read_status(it.gateway, it.places.keys, it.clock())


def screen(it: Opened, serving: Serving | None, live: Live, now: Status) -> RenderableType:
    """One screen of it."""
    head = Table.grid(padding=(0, 2))
    for name, value in _lines(it, serving, live, now):
        head.add_row(name, value)
    return Group(head, *_tables(now))


def _lines(it: Opened, serving: Serving | None, live: Live, now: Status) -> Iterator[tuple[str, Text]]:
    yield "party", Text(f"{it.settings.party.id} ({it.settings.party.name}), {when(now.at)}")
    yield "serving", _serving(serving, live)
    doors = [partner.fetches for partner in it.partners.all()]
    if not it.settings.street.is_open:
        yield "street door", Text(f"none; we fetch from {doors.count(False)} partners")
    if any(doors):
        yield "fetching", Text(f"{doors.count(True)} partners come for their parcels here")
    for reason in live.reasons:
        yield "not ready", Text(reason, style="red")
    for problem in now.problems:
        yield "problem", Text(problem, style="red")
    late = sum(line.late for line in now.flows)
    receipts = sum(line.receipts for line in now.flows)
    yield "last hour", Text(f"{receipts} receipts, {late} later than needed", style="red" if late else "")
    if now.refusals:
        yield "refused", Text(", ".join(f"{code} {count}" for code, count in now.refusals.items()))
    if live.refused:
        yield (
            "at the door",
            Text(", ".join(f"{code} {count}" for code, count in sorted(live.refused.items()))),
        )
    for partner, state in sorted(live.circuits.items()):
        yield "circuit", Text(f"{partner}: {state}; its door does not answer", style="red")
    for stop in now.stops:
        who = f"{stop.partner} was asked to stop" if stop.ours else f"{stop.partner} asked us to stop"
        yield "stop flag", Text(f"{who} until {when(stop.until)}", style="yellow")
    first = min(now.certificates, key=lambda certificate: certificate.end, default=None)
    if first is not None:
        near = first.days_left < NEAR_DAYS
        yield (
            "certificates",
            Text(f"the first ({first.use}) ends in {first.days_left} days", style="red" if near else ""),
        )
    for age in now.keys_past_period:
        text = f"{age.part} of generation {age.generation}: {age.age_days} of {age.period_days} days"
        yield "key too old", Text(text, style="red")
    yield "store", Text(f"{now.store_bytes / MEBIBYTE:.1f} MiB, {now.journal_entries} journal entries")


def _serving(serving: Serving | None, live: Live) -> Text:
    if serving is None:
        return Text("no; `intertie serve` does", style="yellow")
    workers = ", ".join(
        f"{w.pid}" + (f" (started {w.starts} times)" if w.starts > 1 else "") for w in serving.workers
    )
    text = f"since {when(serving.since)}, {len(serving.workers)} worker(s): {workers}"
    if not live.answers:
        return Text(
            f"{text}; the operations door does not answer", style="yellow" if serving.operations else ""
        )
    state = "ready" if live.ready else "not ready"
    return Text(f"{text}; {state}, {live.connections} connections", style="green" if live.ready else "red")


def _tables(now: Status) -> Iterator[Table]:
    if now.queues:
        table = _table("Queues", "partner", "priority", "queued", "sending", "oldest")
        for line in now.queues:
            age = _age(now.at, line.oldest)
            table.add_row(line.partner, str(line.priority), str(line.queued), str(line.sending), age)
        yield table
    if now.flows:
        table = _table("Receipts in the last hour", "flow", "receipts", "late", "seconds on average")
        for flow in now.flows:
            table.add_row(flow.flow, str(flow.receipts), str(flow.late), f"{flow.seconds:.3f}")
        yield table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, justify="left" if column in ("partner", "flow") else "right")
    return table


def _age(now: datetime, then: datetime) -> str:
    """As 1:02:03; a clock that was put back makes nothing younger than new."""
    return str(timedelta(seconds=max(int((now - then).total_seconds()), 0)))
