"""`intertie interfaces`: the catalogue, as a person reads it or as JSON."""

from __future__ import annotations

from typing import Any

from cyclopts import App
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from intertie.catalogue.admit import Catalogue
from intertie.catalogue.flow import Channel, Flow, Interface
from intertie.catalogue.load import load_catalogue
from intertie.catalogue.view import (
    actor,
    duration,
    interface_data,
    latency,
    matrix_data,
    part,
    protect_for,
)
from intertie.cli._shared import Json, print_json
from intertie.model.errors import SettingsError
from intertie.model.ids import InterfaceCode
from intertie.model.message import Mode
from intertie.model.party import Role

app = App(name="interfaces", help="The interfaces of the mission: who sends what to whom, and how protected.")

_SIGNS = {"both": "↔", "sends": "→", "receives": "←", "": "·"}
_MODES = {Mode.REGISTRATION: "reg", Mode.SCHEDULED: "sched", Mode.REAL_TIME: "real"}
# Narrower, the flow table breaks its words; a pipe or a small terminal scrolls or wraps lines instead.
_WIDTH_MIN = 110


@app.command(name="list")
def list_(*, json: Json = False) -> None:
    """All interfaces, one line each."""
    catalogue = load_catalogue()
    if json:
        print_json([_summary(interface) for interface in catalogue.interfaces.values()])
        return
    table = Table("code", "actors", "flows", "documents", "same as", "doubts", box=box.SIMPLE_HEAD)
    for interface in catalogue.interfaces.values():
        row = _summary(interface)
        actors = f"{actor(interface.actors[0])} - {actor(interface.actors[1])}"
        counts = (str(row["flows"]), str(len(row["documents"])), interface.same_as or "", str(row["doubts"]))
        table.add_row(interface.code, actors, *counts)
    _console().print(table)


@app.command
def show(code: str, *, json: Json = False) -> None:
    """One interface with everything the catalogue says of it.

    Parameters
    ----------
    code
        The interface's code, as `list` prints it.
    """
    interface = _find(load_catalogue(), code)
    if json:
        print_json(interface_data(interface))
        return
    console = _console()
    console.print(
        f"[bold]{interface.code}[/bold]  {escape(interface.title)}  [dim]({interface.source})[/dim]"
    )
    if interface.same_as:
        console.print(f"The same as {interface.same_as}.")
    console.print(escape("\n" + " ".join(interface.description.split())))
    sources = list(dict.fromkeys(flow.source for flow in interface.flows))
    for first, second in (interface.actors, interface.actors[::-1]):
        flows = [f for f in interface.flows if f.sender in first and f.recipient in second]
        for sender, recipient in sorted({(f.sender, f.recipient) for f in flows}):
            console.print(f"\n[bold]{sender} → {recipient}[/bold]")
            between = [f for f in flows if (f.sender, f.recipient) == (sender, recipient)]
            console.print(_flow_table(between, sources))
        if not flows:
            console.print(f"\n[bold]{actor(first)} → {actor(second)}[/bold]: nothing, see the doubts below")
    console.print("[bold]sources of the flows[/bold]")
    for number, source in enumerate(sources, 1):
        console.print(escape(f"{number}. {source}"))
    for title in ("media", "requirements", "constraints", "threats", "doubts"):
        sentences: tuple[str, ...] = getattr(interface, title)
        console.print(f"\n[bold]{title}[/bold]" if sentences else f"\n[bold]{title}[/bold]: none named")
        for sentence in sentences:
            console.print(escape(f"- {sentence}"))


@app.command
def matrix(*, json: Json = False) -> None:
    """Which role has which part on which interface; with --json, every flow and its needs."""
    catalogue = load_catalogue()
    if json:
        print_json(matrix_data(catalogue))
        return
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("role", no_wrap=True)
    for code in catalogue.interfaces:
        table.add_column(f"{code[:2]}\n{code[2:]}", justify="center", no_wrap=True)
    for role in Role:
        signs = [_SIGNS[part(interface, role)] for interface in catalogue.interfaces.values()]
        table.add_row(role, *signs)
    console = _console()
    console.print(table)
    console.print("\n→ sends  ← receives  ↔ both  · no part")
    for line in _ranges(catalogue):
        console.print(line)


def _summary(interface: Interface) -> dict[str, Any]:
    """One interface as a line of `list --json`."""
    return {
        "code": interface.code,
        "title": interface.title,
        "source": interface.source,
        "actors": [[str(role) for role in side] for side in interface.actors],
        "flows": len(interface.flows),
        "documents": sorted({flow.document for flow in interface.flows}),
        "same_as": interface.same_as,
        "doubts": len(interface.doubts),
    }


def _flow_table(flows: list[Flow], sources: list[str]) -> Table:
    """Flows between two roles, most urgent first; the source is a number in the list below."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("document", "mode", "prio", "C", "I", "N", "within", "holds for"):
        table.add_column(name, no_wrap=True)
    table.add_column("also")
    table.add_column("source", justify="right")
    for flow in sorted(flows, key=lambda f: f.priority):
        levels = (flow.confidentiality, flow.integrity, "yes" if flow.non_repudiation else "no")
        times = (latency(flow), protect_for(flow))
        row = (flow.document, _MODES[flow.mode], str(flow.priority), *levels, *times)
        table.add_row(*row, _also(flow), str(sources.index(flow.source) + 1))
    return table


def _also(flow: Flow) -> str:
    """The needs that are yes or no."""
    said = {
        "agreement": flow.agreement,
        "relay": flow.relay,
        "one-way": flow.direction == "one_way",
        "hybrid channel": flow.channel is Channel.HYBRID,
    }
    return ", ".join(word for word, holds in said.items() if holds)


def _ranges(catalogue: Catalogue) -> list[str]:
    """What the flows of each mode ask for, from the least to the most."""
    lines = []
    for mode in Mode:
        flows = [flow for flow in catalogue.flows() if flow.mode is mode]
        seconds = sorted(flow.latency_seconds for flow in flows)
        days = sorted(flow.protect_for_days for flow in flows)
        held = _span(days[0] * 86400, days[-1] * 86400)
        lines.append(
            f"{mode}: {len(flows)} flows, within {_span(seconds[0], seconds[-1])}, protected for {held}"
        )
    return lines


def _span(least: int, most: int) -> str:
    """Two durations in words; one where they are the same."""
    return duration(least) if least == most else f"{duration(least)} to {duration(most)}"


def _find(catalogue: Catalogue, code: str) -> Interface:
    interface = catalogue.interfaces.get(InterfaceCode(code.upper()))
    if interface is None:
        raise SettingsError(
            f"there is no interface {code!r}", do=f"the codes are {', '.join(catalogue.interfaces)}"
        )
    return interface


def _console() -> Console:
    """A terminal's own width where it has one; a pipe gets wide lines."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=max(console.width, _WIDTH_MIN))
