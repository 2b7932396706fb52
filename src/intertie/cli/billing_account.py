"""`intertie billing account`: the statement of account, made, sent, and compared."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._billing import From, To, amounts, period_of
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_table, when
from intertie.cli._trade import Under, Wait, desk_with, told
from intertie.gateway.billing import billing_account as act
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.billing import statement_hash
from intertie.model.account import AccountStatement

SAME, DIFFERENT = 0, 1


def account(
    partner: PartyOption,
    /,
    *,
    first: From = None,
    last: To = None,
    name: Annotated[str | None, Parameter(help="Its name.")] = None,
    send: Annotated[bool, Parameter(negative=(), help="Send it to the partner.")] = False,
    compare: Annotated[
        bool,
        Parameter(
            negative=(), help="Make the partner's statement (--name, or its newest) again, and compare."
        ),
    ] = False,
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """The statement of account of a period (default: last month): every document with the balance after it.

    With --compare, the statement that the partner sent is made again from our own book. Equal bytes: exit 0; else 1, and
    where the two part.

    Example:

        intertie billing account aggregator.example --from 2026-02-01 --to 2026-02-28 --send
        intertie billing account utility.example --compare

    Parameters
    ----------
    partner
        The other side.
    """
    with desk_with(dir, partner, agreement) as (it, desk):
        if compare:
            return _compared(desk, name, json=json)
        body = act.make(desk, period_of(desk, first, last) or act.month_before(desk), name)
        if not json:
            print_account(body)
        if send:
            message = act.send(desk, body)
            return told(it, [message], wait, json=json, sha256=statement_hash(body), statement=body)
    if json:
        print_json({"statement": body, "sha256": statement_hash(body)})
    return 0


def _compared(desk: Desk, name: str | None, *, json: bool) -> int:
    found = act.compare(desk, act.find(desk, name))
    hashes = statement_hash(found.theirs), statement_hash(found.ours)
    if json:
        said = dict(zip(("theirs", "ours"), hashes, strict=True))
        print_json(
            {"account": found.theirs.account, "same": found.same, **said, "differences": found.differences}
        )
    elif found.same:
        print(f"{found.theirs.account}: the same bytes from both books, SHA-256 {hashes[0]}")
    else:
        print(f"{found.theirs.account} differs: theirs {hashes[0]}, ours {hashes[1]}")
        for one in found.differences:
            print(f"  {one}")
        print("Compare `intertie trade show` on both sides: one book lacks a message of the other.")
    return SAME if found.same else DIFFERENT


def print_account(body: AccountStatement) -> None:
    """Its rows as a table."""
    opening = ["", "", "opening balance", "", f"{body.opening:,.2f}"]
    rows = [
        [when(one.received), one.kind, one.name, *amounts([one.amount, one.balance])] for one in body.entries
    ]
    title = f"Account {body.account}, {body.buyer} owes {body.seller} {body.closing:,.2f} {body.currency}"
    print_table(title, ["received", "what", "name", "amount", "balance"], [opening, *rows], empty="")
