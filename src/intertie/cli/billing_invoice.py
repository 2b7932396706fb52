"""`intertie billing invoice`: charge a partner."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._billing import From, To, decimal, period_of
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_table
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.billing import billing_invoice as act
from intertie.gateway.trading.trade_desk import Desk
from intertie.model.billing import Invoice, LineCode
from intertie.model.errors import SettingsError
from intertie.model.interval import Window


def invoice(
    partner: PartyOption,
    /,
    *,
    statement: Annotated[
        str | None, Parameter(help="The performance statement it rests on (default: the newest without).")
    ] = None,
    line: Annotated[
        tuple[str, ...],
        Parameter(
            negative=(), help="A line of your own: 'text;quantity;unit;rate[;ADJ|TAX|...]'. Again for more."
        ),
    ] = (),
    interest: Annotated[bool, Parameter(negative=(), help="Charge interest for what was paid late.")] = False,
    corrects: Annotated[str | None, Parameter(help="The invoice of ours that this one replaces.")] = None,
    name: Annotated[str | None, Parameter(help="Its name (default: from the statement or the day).")] = None,
    first: From = None,
    last: To = None,
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Charge a partner: what a performance statement supports, lines of your own, or interest.

    It is due as the contract says. A correction takes over what was paid of the invoice that it replaces.

    Example:

        intertie billing invoice utility.example --statement S-2026-02
        intertie billing invoice aggregator.example --line 'Meter data;12;meter month;0.35'

    Parameters
    ----------
    partner
        Who is charged.
    """
    with desk_with(dir, partner, agreement) as (it, desk):
        period = period_of(desk, first, last)
        body = _drafted(desk, statement, line, interest, corrects, name, period)
        message = act.issue(desk, body)
        if not json:
            print_invoice(body)
        return told(it, [message], wait, json=json, invoice=body)


def _drafted(
    desk: Desk,
    statement: str | None,
    lines: tuple[str, ...],
    interest: bool,
    corrects: str | None,
    name: str | None,
    period: Window | None,
) -> Invoice:
    if sum((statement is not None, bool(lines), interest)) > 1:
        raise SettingsError(
            "--statement, --line and --interest are three kinds of invoice", do="Make an invoice of each."
        )
    if interest:
        return act.of_interest(desk, name)
    if lines:
        return act.from_lines(desk, period, [charge(text) for text in lines], name, corrects)
    return act.from_statement(desk, act.find_statement(desk, statement), name, corrects)


def charge(text: str) -> act.Charge:
    """A line as a person wrote it; SettingsError if it is none."""
    said, *rest = [part.strip() for part in text.split(";")]
    if len(rest) not in (3, 4) or (len(rest) == 4 and rest[3] not in set(LineCode)):
        raise SettingsError(
            f"--line: {text!r} is not 'text;quantity;unit;rate[;code]'",
            do=f"Codes: {', '.join(LineCode)}.",
        )
    code = LineCode(rest[3]) if len(rest) == 4 else LineCode.ADJUSTMENT
    return act.Charge(said, decimal(rest[0], "quantity"), rest[1], decimal(rest[2], "rate"), code)


def print_invoice(body: Invoice) -> None:
    """Its lines as a table."""
    rows = [
        [one.line, one.code, one.text, f"{one.quantity:f}", one.unit, f"{one.rate:f}", f"{one.amount:,.2f}"]
        for one in body.lines
    ]
    columns = ["line", "code", "text", "quantity", "unit", "rate", "amount"]
    print_table(f"Invoice {body.invoice}, due {body.due}: {body.total}", columns, rows, empty="No lines.")
