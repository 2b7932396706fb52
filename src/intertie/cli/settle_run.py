"""`intertie settle run`: the statement of a deal's month from what this gateway holds."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from cyclopts import Parameter

from intertie.cli._settle import Minutes, Open, settling, show_statement
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json
from intertie.cli._trade import Under, Wait, told
from intertie.gateway.billing_desk import due_of
from intertie.gateway.settle import Settled, invoice_for, statement_of
from intertie.gateway.settle_inputs import find_deal, period_of
from intertie.model.billing import Invoice
from intertie.model.errors import SettingsError
from intertie.model.ids import ConfirmationId
from intertie.model.party import Role


def run(
    partner: PartyOption,
    deal: ConfirmationId,
    month: str,
    /,
    *,
    name: Annotated[str, Parameter(help="The statement's (default: S-DEAL-MONTH).")] = "",
    minutes: Minutes = 15,
    send: Annotated[bool, Parameter(negative=(), help="Send the statement.")] = False,
    invoice: Annotated[str, Parameter(help="With --send: send an invoice of this name, too.")] = "",
    due: Annotated[date | None, Parameter(help="Of the invoice (default: as the contract says).")] = None,
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Settle a deal's month from what this gateway holds: calls, outages and readings.

    Both sides get the same statement if they hold the same.

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
        bodies = [settled.statement, *_invoices(held, settled, invoice, due)]
        return told(held.it, held.desk.say(*bodies), wait, json=json)


def _invoices(held: Open, settled: Settled, name: str, due: date | None) -> list[Invoice]:
    if not name:
        return []
    if Role.DER_AGGREGATOR not in held.it.gateway.party.roles:
        raise SettingsError("the seller sends the invoice", do="Send the statement without --invoice.")
    issued = held.desk.now.astimezone(ZoneInfo(settled.held.deal.zone)).date()
    return [invoice_for(settled, name, issued, due or due_of(held.desk, settled.statement.period, issued))]
