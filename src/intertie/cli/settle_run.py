"""`intertie settle run`: the statement of a deal's month from what this gateway holds."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import Parameter

from intertie.cli._settle import Minutes, settling, show_statement
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json
from intertie.cli._trade import Under, Wait, told
from intertie.gateway.settlement.settle import statement_of
from intertie.gateway.settlement.settle_inputs import find_deal, period_of
from intertie.model.ids import ConfirmationId


def run(
    partner: PartyOption,
    deal: ConfirmationId,
    month: str,
    /,
    *,
    name: Annotated[str, Parameter(help="The statement's (default: S-DEAL-MONTH).")] = "",
    minutes: Minutes = 15,
    send: Annotated[bool, Parameter(negative=(), help="Send the statement.")] = False,
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Settle a deal's month from what this gateway holds: calls, outages and readings.

    Both sides get the same statement if they hold the same. The utility sends it; the seller's invoice for it is
    `intertie billing invoice --statement`.

    Example:

        intertie settle run aggregator.example NWS-2026-001 2026-07

    Parameters
    ----------
    partner
        The other side.
    deal
        The confirmation.
    month
        As 2026-07; of a month in which the deal begins or ends, the days in its term.
    """
    with settling(dir, partner, agreement) as held:
        terms = find_deal(held.desk, deal)
        period = period_of(terms, month)
        settled = statement_of(held.desk, held.readings, terms, period, name=name, minutes=minutes)
        if not json:
            show_statement(settled.statement, settled.held.left_out, terms.currency)
        if not send:
            if json:
                print_json(
                    {
                        "statement": msgspec.to_builtins(settled.statement),
                        "left_out": dict(settled.held.left_out),
                    }
                )
            return 0
        return told(held.it, held.desk.say(settled.statement), wait, json=json)
