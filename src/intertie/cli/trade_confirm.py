"""`intertie trade confirm`: a deal under a contract, or a revision of one that was objected to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption
from intertie.cli._terms import read_terms, record_of, said_of, template, with_set
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.cli.trade_propose import Settings
from intertie.gateway.trading import trade_contract as act
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.calendar import add_business_days
from intertie.model.contract import Confirmation
from intertie.model.ids import ConfirmationId


def confirm(
    partner: PartyOption,
    deal: ConfirmationId,
    terms: Path | None = None,
    /,
    *,
    settings: Settings = (),
    template_only: Annotated[
        bool,
        Parameter(name="--template", negative=(), help="Print the terms with every default; send nothing."),
    ] = False,
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Confirm a deal; or, after an objection, its next revision. The rules are asked first: what one forbids does not leave.

    Without a file the terms begin as those of the revision before; agreement, currency, zone and deadline as the contract has
    them.

    Example:

        intertie trade confirm aggregator.example NWS-2 --template
        intertie trade confirm aggregator.example NWS-2 deal.toml --wait 20
        intertie trade confirm aggregator.example NWS-2 --set contracted_kw=40

    Parameters
    ----------
    deal
        Its name.
    terms
        A TOML file, as --template prints it; "-" is standard input.
    """
    with desk_with(dir, partner, agreement) as (it, desk):
        said = with_set({**_begins(desk, deal), **read_terms(terms)}, settings)
        if template_only:
            print(template(Confirmation, said), end="")
            return 0
        body = record_of(Confirmation, said)
        messages = [act.confirm(desk, body)]
        code = told(it, messages, wait, json=json, deal=deal)
        deadline = max(_deadline(desk), body.confirm_deadline)
    if not json:
        print(
            f"{partner} accepts it, or objects (`intertie trade answer`). If it says nothing, the deal is deemed accepted at "
            f"{deadline.isoformat()}; after an objection, confirm {deal} again with other terms."
        )
    return code


def _begins(desk: Desk, deal: ConfirmationId) -> dict[str, Any]:
    """The terms to begin with."""
    known = desk.drafted.deals.get(deal)
    if known is not None:
        said = said_of(known.terms)
        said.pop("revision", None)
        said["confirm_deadline"] = _deadline(desk)
        return said
    text = desk.text
    return {
        "confirmation": deal,
        "agreement": text.agreement,
        "currency": text.elections.currency,
        "zone": text.calendar.zone,
        "tolerance_percent": text.elections.tolerance_percent,
        "confirm_deadline": _deadline(desk),
    }


def _deadline(desk: Desk) -> Any:
    """Until when it may be objected to, by the contract, if it arrives now."""
    text = desk.text
    return add_business_days(text.calendar, desk.now, text.elections.confirm_deadline_business_days)
