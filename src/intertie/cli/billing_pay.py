"""`intertie billing pay`: say what was paid."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._billing import amounts, pairs
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_table
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.billing import billing_pay as act
from intertie.model.billing import PaymentMethod
from intertie.model.errors import SettingsError

COLUMNS = ["invoice", "from", "due", "open", "held back", "dispute", "paid now"]


def pay(
    partner: PartyOption,
    /,
    *,
    reference: Annotated[
        str | None, Parameter(help="The bank's trace number, or the cheque's. Never an account number.")
    ] = None,
    method: PaymentMethod = PaymentMethod.ACH,
    invoice: Annotated[
        tuple[str, ...], Parameter(negative=(), help="Only this invoice; may be given again.")
    ] = (),
    amount: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="NAME=AMOUNT: so much of an invoice instead of all that is payable."),
    ] = (),
    by: Annotated[date | None, Parameter(help="Only what is due by this day.")] = None,
    on: Annotated[date | None, Parameter(help="When it was paid (default: today).")] = None,
    name: Annotated[str | None, Parameter(help="The remittance's name.")] = None,
    dry_run: Annotated[
        bool, Parameter(name="--dry-run", negative=(), help="Show what would be paid, and say nothing.")
    ] = False,
    text: str = "",
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Send the remittance advice for what is open and not disputed: netted, if the contract says so.

    It says what a payment was for; the money itself moves by your bank.

    Example:

        intertie billing pay aggregator.example --dry-run
        intertie billing pay aggregator.example --method ach --reference TRACE-0042

    Parameters
    ----------
    partner
        Who is paid.
    """
    with desk_with(dir, partner, agreement) as (it, desk):
        lines = act.payable(desk, invoice, by, dict(pairs(amount, "--amount")))
        rows: list[dict[str, object]] = [_row(one) for one in lines]
        total = act.total_of(lines)
        if not json:
            table = [amounts(list(row.values())) for row in rows]
            title = f"To {partner}: {total:,.2f} {desk.text.elections.currency}"
            print_table(title, COLUMNS, table, empty=f"Nothing is payable to {partner}.")
        if dry_run:
            if json:
                print_json({"lines": rows, "total": total})
            return 0
        if reference is None:
            raise SettingsError(
                "a payment has a bank reference", do="Name it with --reference, or --dry-run."
            )
        message = act.pay(desk, lines, method, reference, on, name, text)
        return told(it, [message], wait, json=json, lines=rows, total=total)


def _row(one: act.Payable) -> dict[str, object]:
    return {
        "invoice": one.item.invoice.invoice,
        "from": one.item.issuer,
        "due": one.item.invoice.due,
        "open": one.item.open,
        "held": one.held,
        "dispute": one.dispute or "",
        "amount": one.amount,
    }
