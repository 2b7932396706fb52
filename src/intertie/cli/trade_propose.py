"""`intertie trade propose`: a base contract, a counter-proposal, or an amendment."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption, read_file
from intertie.cli._terms import read_terms, record_of, said_of, template, with_set
from intertie.cli._trade import Wait, desk_with, told
from intertie.gateway.trading import trade_contract as act
from intertie.gateway.trading.trade_desk import Desk
from intertie.market import contract
from intertie.model.agreement import BaseContract
from intertie.model.ids import AgreementId
from intertie.model.party import Role

Settings = Annotated[
    tuple[str, ...],
    Parameter(name="--set", negative=(), help="NAME=VALUE, as elections.netting=gross; may be given again."),
]


def propose(
    partner: PartyOption,
    agreement: AgreementId,
    terms: Path | None = None,
    /,
    *,
    settings: Settings = (),
    general_terms: Annotated[
        Path | None, Parameter(help="The file with the general terms: it is named by its hash.")
    ] = None,
    template_only: Annotated[
        bool,
        Parameter(name="--template", negative=(), help="Print the terms with every default; send nothing."),
    ] = False,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Propose a base contract; or another text of one: a counter-proposal while it is not signed, an amendment once it is.

    Without a file the text begins as the newest one that is proposed or in force, or as the defaults. The rules are asked first:
    what one forbids does not leave.

    Example:

        intertie trade propose aggregator.example GSA-7 --template
        intertie trade propose aggregator.example GSA-7 gsa.toml --general-terms terms.pdf --wait 20
        intertie trade propose utility.example GSA-7 --set elections.payment_day_of_month=20

    Parameters
    ----------
    agreement
        Its name.
    terms
        A TOML file of the whole text, as --template prints it; "-" is standard input.
    """
    with desk_with(dir, partner) as (it, desk):
        said = with_set({**_newest(desk, agreement), **read_terms(terms)}, settings)
        if general_terms is not None:
            said["general_terms"] = _named(general_terms, said.get("general_terms", {}))
        if template_only:
            print(template(BaseContract, said), end="")
            return 0
        body = record_of(BaseContract, said)
        before = desk.drafted.contracts.get(agreement)
        messages = [act.propose(desk, body)]
        code = told(it, messages, wait, json=json, agreement=agreement)
    if not json:
        print(next_step(desk, body, before))
    return code


def _newest(desk: Desk, agreement: AgreementId) -> dict[str, Any]:
    """The text to begin with."""
    known = desk.drafted.contracts.get(agreement)
    text = None
    if known is not None:
        text = known.draft.text if known.draft is not None else known.text_at(desk.now)
    if text is not None:
        said = said_of(text)
        said.pop("revision", None)  # the next one is counted
        if known is not None and known.draft is None:
            said["effective"] = desk.now.replace(
                microsecond=0
            )  # an amendment begins later than what it amends
        return said
    us, them = desk.us, desk.partner
    buys = Role.DISTRIBUTION_UTILITY in desk.gateway.party.roles
    return {"agreement": agreement, "buyer": us if buys else them, "seller": them if buys else us}


def _named(file: Path, said: dict[str, Any]) -> dict[str, Any]:
    """The general terms of a file; title and edition as said, or as the file is called."""
    digest = hashlib.sha256(read_file(file)).hexdigest()
    return {"title": file.stem, "edition": "1", **said, "sha256": digest}


def next_step(desk: Desk, body: BaseContract, before: contract.Contract | None) -> str:
    """What happens now, for people."""
    revision = before.revision + 1 if before is not None else 1
    signed = before is not None and before.text_at(desk.now) is not None
    what = "Amendment" if signed else "Proposal" if revision == 1 else "Counter-proposal"
    return (
        f"{what}: revision {revision} of {body.agreement}. It is in force once both have signed it: "
        f"`intertie trade sign {desk.partner} {body.agreement}`; {desk.partner} signs, counters or declines."
    )
