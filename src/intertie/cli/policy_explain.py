"""`intertie policy explain`: how a document is protected, step by step, for a person or a program."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Annotated, Any

from cyclopts import Parameter
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from intertie.bindings.clock import system_clock
from intertie.catalogue.load import load_catalogue
from intertie.catalogue.view import flow_data
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json
from intertie.gateway.configuration.settings import Places, read_settings
from intertie.gateway.operating.explain_policy import Explained, explain, explain_with, find_flows
from intertie.gateway.sending.send_message import find_partner
from intertie.model.ids import DocumentName, InterfaceCode
from intertie.model.message import Mode
from intertie.run import open_clock, opened
from intertie.seal.algorithm_table import hybrid_groups, parts_of
from intertie.seal.derivation import Derivation
from intertie.seal.policy_settings import DEFAULT, parse_day

# Narrower, a table of four columns of sentences is hard to read; a pipe gets wide lines.
_WIDTH = 140


def explain_flow(
    *,
    interface: Annotated[
        str, Parameter(help="The interface's code, as `intertie interfaces list` prints it.")
    ],
    document: Annotated[str, Parameter(help="The document's name, as `intertie interfaces show` prints it.")],
    mode: Annotated[Mode | None, Parameter(help="Only this mode (default: each).")] = None,
    partner: Annotated[PartyOption | None, Parameter(help="What this partner can do of it.")] = None,
    on: Annotated[str | None, Parameter(help="As if it were this day (default: today).")] = None,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Derive how a document is protected: what it needs, for how long, and which algorithms follow, each with its source.

    Uses the [policy] settings of the gateway in --dir if there is one, else the defaults.
    """
    flows = find_flows(load_catalogue(), InterfaceCode(interface.upper()), DocumentName(document), mode)
    day = parse_day(on) if on else None
    if partner is not None:
        with opened(dir) as it:
            today = day or it.clock().date()
            found = explain_with(it.gateway, find_partner(it.gateway, partner), flows, today)
    else:
        settings = read_settings(dir) if Places(dir).settings.exists() else None
        today = day or (open_clock(dir, settings) if settings else system_clock)().date()
        found = explain(flows, today, settings.policy if settings else DEFAULT)
    if json:
        print_json({"today": today, "flows": [_data(one) for one in found]})
        return
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    for alike in _alike(found):
        _print(console, alike)


def _alike(found: Iterable[Explained]) -> Iterator[list[Explained]]:
    """Flows with the same derivation and the same outcome are explained once."""

    def mark(one: Explained) -> str:
        return repr((one.derivation, one.partner))

    for _, group in groupby(sorted(found, key=mark), key=mark):
        yield list(group)


def _print(console: Console, alike: list[Explained]) -> None:
    first = alike[0]
    derivation = first.derivation
    for one in alike:
        console.print(f"[bold]{escape(one.flow.key)}[/bold]")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("step", no_wrap=True)
    table.add_column("what follows", ratio=5)
    table.add_column("source", ratio=4)
    table.add_column("certainty", no_wrap=True)
    for step in derivation.steps:
        table.add_row(step.about, escape(step.text), escape(step.source), step.certainty)
    console.print(table)
    names = ", ".join(part.name for part in parts_of(derivation.profile))
    until = derivation.protect_until
    console.print(
        f"[bold]{derivation.profile.name}[/bold]: {names}. Protection must reach {until.year} ({until})."
    )
    if first.partner is not None:
        console.print(f"Our keys can do {', '.join(first.partner.ours) or 'nothing'}.")
        console.print(f"The partner's can do {', '.join(first.partner.theirs) or 'nothing'}.")
        console.print(escape(f"So: {first.partner.text}."))
    console.print()


def _data(one: Explained) -> dict[str, Any]:
    derivation = one.derivation
    data: dict[str, Any] = {
        "flow": flow_data(one.flow),
        "profile": derivation.profile.name,
        "suite": derivation.profile.suite,
        "algorithms": [_algorithm(derivation, part.name) for part in parts_of(derivation.profile)],
        "protect_until": derivation.protect_until,
        "protect_until_year": derivation.protect_until.year,
        "holds_until": derivation.holds_until,
        "channel": derivation.channel,
        "groups": sorted(hybrid_groups()) if derivation.channel == "hybrid" else [],
        "steps": [step._asdict() for step in derivation.steps],
    }
    if one.partner is not None:
        with_partner = one.partner._asdict()
        used = one.partner.used
        data["partner"] = with_partner | {"used": used.name if used else None}
    return data


def _algorithm(derivation: Derivation, name: str) -> dict[str, Any]:
    part = next(part for part in parts_of(derivation.profile) if part.name == name)
    return {
        "name": part.name,
        "kind": part.kind,
        "family": part.family,
        "size": part.size,
        "strength": part.strength,
        "quantum_category": part.category,
    }
