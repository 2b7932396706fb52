"""`intertie settle dispute`: check an invoice by working it out again, and dispute what differs."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._settle import Minutes, settling
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_table
from intertie.cli._trade import Under, Wait, told
from intertie.gateway.settlement.settle_dispute import Checked, check_invoice, dispute
from intertie.model.billing import DisputedLine

LINES = ("line", "what", "claimed", "expected", "because of", "theirs", "ours")


def dispute_invoice(
    partner: PartyOption,
    invoice: str,
    /,
    *,
    send: Annotated[
        bool, Parameter(negative=(), help="Send the dispute; without it nothing leaves.")
    ] = False,
    name: Annotated[str, Parameter(help="The dispute's (default: X-INVOICE).")] = "",
    reply_days: Annotated[int, Parameter(help="Days that the partner has to answer.")] = 10,
    minutes: Minutes = 15,
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Work an invoice out again from what this gateway holds. Lines beyond tolerance are shown, and disputed with --send.

    Where an older revision of a reading explains the invoice to the cent, the dispute names it.

    Parameters
    ----------
    partner
        Who sent the invoice.
    invoice
        Its name.
    """
    with settling(dir, partner, agreement) as held:
        checked = check_invoice(held.desk, held.readings, invoice, minutes=minutes)
        if not json:
            show(checked)
        if send and checked.lines:
            reply_by = held.desk.now + timedelta(days=reply_days)
            sent = dispute(held.desk, checked, name or f"X-{invoice}", reply_by)
            return told(held.it, sent, wait, json=json, lines=len(checked.lines))
    if json:
        print_json(
            {"invoice": invoice, "lines": [dict(zip(LINES, row(one), strict=True)) for one in checked.lines]}
        )
    return 0


def show(checked: Checked) -> None:
    """The lines that differ, and what is payable all the same."""
    deal = checked.settled.held.deal
    print_table(
        f"{checked.invoice.invoice}: beyond {deal.tolerance_percent.normalize():f} %",
        LINES,
        [row(one) for one in checked.lines],
        empty="No line differs by more than the tolerance.",
    )
    wrong = {one.line for one in checked.lines}
    payable = sum(line.amount for line in checked.invoice.lines if line.line not in wrong)
    print(
        f"Of {checked.invoice.total.amount:,.2f} {deal.currency}, {payable:,.2f} {deal.currency} is not in question."
    )


def row(one: DisputedLine) -> tuple[object, ...]:
    """A row of LINES."""
    first = one.inputs[0] if one.inputs else None
    inputs = ("", "", "") if first is None else (first.input, first.theirs, first.ours)
    return (one.line, one.text, f"{one.claimed:.2f}", f"{one.expected:.2f}", *inputs)
