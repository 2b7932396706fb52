"""`intertie billing credit`: lower an invoice."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._billing import decimal, pairs
from intertie.cli._shared import HERE, Dir, Json, PartyOption
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.billing import billing_invoice as act
from intertie.model.account import CreditReason


def credit(
    partner: PartyOption,
    invoice: str,
    /,
    *,
    line: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="LINE=AMOUNT, by how much a line is lowered (default: all of it)."),
    ] = (),
    reason: CreditReason = CreditReason.OTHER,
    name: Annotated[str | None, Parameter(help="The memo's name.")] = None,
    text: str = "",
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Lower lines of an invoice of ours by a credit memo. What was paid already becomes a credit for the next payment.

    Example:

        intertie billing credit utility.example I-2026-02 --line 2=12.50 --reason meter_data

    Parameters
    ----------
    partner
        Who was charged.
    invoice
        The invoice.
    """
    lines = [(int(decimal(number, "line")), amount) for number, amount in pairs(line, "--line")]
    with desk_with(dir, partner, agreement) as (it, desk):
        message = act.credit(desk, invoice, lines, reason, name, text)
        return told(it, [message], wait, json=json)
