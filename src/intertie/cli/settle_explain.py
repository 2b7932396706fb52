"""`intertie settle explain`: one line of a statement as arithmetic that a person can follow, from its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._settle import Minutes, settling
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_table
from intertie.gateway.settlement.settle import compare, find_statement, sources_of
from intertie.market.explain_line import Explained, explain_line
from intertie.model.errors import SettingsError

Line = Annotated[int, Parameter(help="Which line, from 1, as `settle run` and `compare` list them.")]


def explain(
    partner: PartyOption,
    statement: str,
    line: int,
    /,
    *,
    minutes: Minutes = 15,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Show where a line of a statement comes from: inputs, rule, arithmetic, days and messages; worked out again here.

    Parameters
    ----------
    partner
        The other side.
    statement
        Its name, sent or received.
    line
        Which line, from 1.
    """
    with settling(dir, partner) as held:
        row, body = find_statement(held.desk, statement)
        if not 1 <= line <= len(body.lines):
            raise SettingsError(f"{statement} has {len(body.lines)} lines", do="Name one of them, from 1.")
        found = compare(held.desk, held.readings, body, minutes=minutes)
        said = explain_line(found.theirs, line - 1, found.held.book, found.held.deal)
        sources = [(str(row.id), "performance_statement"), *sources_of(held.desk, body, body.lines[line - 1])]
    if json:
        print_json(
            {"statement": statement, "line": line, **_plain(said), "sources": [list(one) for one in sources]}
        )
        return 0
    for title, steps in said.parts:
        print_table(title, ("", ""), steps, empty="Nothing.")
    if said.intervals:
        print_table("By interval, kWh", said.columns, said.intervals, empty="No interval.")
    print(said.amount)
    print(
        "Here it comes out the same."
        if found.same
        else "Here it comes out otherwise: `intertie settle compare`."
    )
    print_table("Messages", ("id", "document"), sources, empty="None.")
    return 0


def _plain(said: Explained) -> dict[str, object]:
    parts: dict[str, Sequence[object]] = {
        title: [list(step) for step in steps] for title, steps in said.parts
    }
    return {"parts": parts, "intervals": [list(one) for one in said.intervals], "amount": said.amount}
