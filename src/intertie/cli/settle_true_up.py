"""`intertie settle true-up`: a statement of ours on the readings that count now."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import Parameter

from intertie.cli._settle import Minutes, settling
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_table
from intertie.cli._trade import Wait, told
from intertie.gateway.settlement.settle_true_up import TrueUp, true_up

LINES = ("code", "dispatch", "before", "now", "change")


def true_up_statement(
    partner: PartyOption,
    statement: str,
    /,
    *,
    minutes: Minutes = 15,
    send: Annotated[bool, Parameter(negative=(), help="Send the corrected statement.")] = False,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Work out a statement of ours again on revised readings, while the contract's adjustment window is open.

    The corrected statement names the one that it corrects; the invoice for it is
    `intertie billing invoice --statement NAME --corrects INVOICE`. If nothing changed, nothing is sent.

    Example:

        intertie settle true-up aggregator.example S-NWS-2026-001-2026-07 --send

    Parameters
    ----------
    partner
        The other side.
    statement
        Its name, as it was first sent.
    """
    with settling(dir, partner) as held:
        found = true_up(held.desk, held.readings, statement, minutes=minutes)
        if send and not found.same:
            return told(held.it, held.desk.say(found.new, in_reply_to=found.row.id), wait, json=json)
    if json:
        print_json(
            {
                "same": found.same,
                "change": str(found.change),
                "until": found.until.isoformat(),
                "statement": msgspec.to_builtins(found.new),
            }
        )
        return 0
    print_table(f"{found.old.statement} to {found.new.statement}", LINES, rows(found), empty="No lines.")
    currency = found.compared.held.deal.currency
    said = "Nothing changed" if found.same else f"{found.change:+,.2f} {currency}"
    print(f"{said}. The adjustment window closes on {found.until.date()}.")
    return 0


def rows(found: TrueUp) -> list[tuple[str, ...]]:
    """Rows of LINES."""
    made: list[tuple[str, ...]] = []
    for pair in found.lines:
        line = pair.theirs or pair.ours
        assert line is not None
        before = "" if pair.theirs is None else f"{pair.theirs.amount:.2f}"
        now = "" if pair.ours is None else f"{pair.ours.amount:.2f}"
        made.append((line.code, line.dispatch or "", before, now, f"{-pair.difference:+.2f}"))
    return made
