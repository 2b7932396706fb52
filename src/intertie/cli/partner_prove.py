"""`intertie partner prove`: send the example of every agreed flow, and wait for the receipts of both directions."""

from __future__ import annotations

import sys
import time
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from intertie.cli._onboarding import operator, print_proof
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json
from intertie.exchange.joining import Trial
from intertie.gateway.gateway import Partner
from intertie.gateway.partners.prove_partner import Begun, Line, Result, begin_proof, read_proof, unproven
from intertie.model.errors import Code, SettingsError
from intertie.run import Opened, opened
from intertie.run.onboarding import find_partner_entry, go_live, line_json

# How often the store is read while waiting: a bar that moves five times a second is smooth enough.
LOOK_SECONDS = 0.2
# A gateway reads its partners again within a second.
AGAIN_SECONDS = 1.0


def prove(
    party: PartyOption,
    /,
    *,
    wait: Annotated[float, Parameter(help="Seconds to wait for the receipts of both directions.")] = 120.0,
    go_live_then: Annotated[
        bool, Parameter(name="--go-live", negative=(), help="Go live if everything is proven.")
    ] = False,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Prove every agreed flow with a confirmed partner, over the real door. `serve` must run on both sides, and the
    partner's answers by itself. Run it again after mending something: only what is not proven is sent again.

    Parameters
    ----------
    party
        The partner; its state is `proving`.
    """
    with opened(dir) as it:
        entry = find_partner_entry(it, party)
        partner, trial = entry.partner, entry.partner.trial
        if trial is None:
            raise SettingsError(f"{party} is live: there is nothing to prove", do="`intertie partner show`.")
        if partner.suspended:
            raise SettingsError(f"{party} is suspended", do="Set suspended = false in its .toml first.")
        begun = begin_proof(it.gateway, partner, trial, it.clock())
        lines = [_with_refusal(line, begun) for line in _watch(it, partner, trial, wait)]
        open_lines = unproven(lines)
        if go_live_then and not open_lines:
            go_live(it, party, it.clock(), operator())
    state = "live" if go_live_then and not open_lines else "proving"
    if json:
        proven = not open_lines
        print_json({"party": party, "state": state, "proven": proven, "flows": list(map(line_json, lines))})
    else:
        print_proof(party, lines)
        print(_verdict(party, lines, state))
    return int(bool(open_lines))


def _watch(it: Opened, partner: Partner, trial: Trial, seconds: float) -> list[Line]:
    """The proof, once nothing is awaited any more or the time is over; a bar for people meanwhile."""
    end = time.monotonic() + seconds
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        lines = read_proof(it.gateway, partner, trial)
        task = bar.add_task(f"proving {partner.party}", total=len(lines))
        while True:
            bar.update(task, completed=len(lines) - len(unproven(lines)))
            stranger = any(_is_stranger(line) for line in lines)
            awaited = stranger or any(line.result is Result.WAITING for line in lines)
            if not awaited or time.monotonic() >= end:
                return lines
            time.sleep(AGAIN_SECONDS if stranger else LOOK_SECONDS)
            if stranger:
                begin_proof(it.gateway, partner, trial, it.clock())
            lines = read_proof(it.gateway, partner, trial)


def _with_refusal(line: Line, begun: Begun) -> Line:
    """A message that was refused before it was queued has left no row: here is why."""
    refused = begun.refused.get(line.flow.key) if line.outgoing and line.result is Result.MISSING else None
    return line._replace(result=Result.REFUSED, detail=str(refused)) if refused else line


def _is_stranger(line: Line) -> bool:
    """The partner has not confirmed us yet, or its gateway has not read that yet: so it is asked again."""
    return line.result is Result.REFUSED and Code.UNKNOWN_SENDER in line.detail


def _verdict(party: str, lines: list[Line], state: str) -> str:
    left = unproven(lines)
    if state == "live":
        return f"All {len(lines)} flows are proven; {party} is live."
    if not left:
        return f"All {len(lines)} flows are proven. Next, on both sides: intertie partner live {party}"
    advice = "Mend what the table says and run this again"
    if any(line.result is Result.WAITING for line in left):
        advice = "Is `intertie serve` running on both sides, and have both confirmed? Then run this again"
    return f"{len(left)} of {len(lines)} flows are not proven. {advice}."
