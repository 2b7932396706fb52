"""`intertie billing show`: invoices with a partner, and how each stands."""

from __future__ import annotations

from intertie.cli._billing import amounts
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_pairs, print_table
from intertie.cli._trade import Under, desk_with
from intertie.gateway.billing.billing_desk import find_item, items_of, today
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.billing_state import Item, allocation, standing

COLUMNS = ["invoice", "from", "issued", "due", "amount", "paid", "open", "held back", "interest", "state"]
LINES = ["line", "code", "text", "claimed", "agreed", "credited", "held back", "paid"]


def show(
    partner: PartyOption,
    invoice: str | None = None,
    /,
    *,
    agreement: Under = None,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Show the invoices with a partner, in both directions; or one of them, line by line.

    What has been sent and is not receipted yet is in it. Interest is what has run up by today, charged or not.

    Example:

        intertie billing show aggregator.example
        intertie billing show aggregator.example I-2026-02 --json

    Parameters
    ----------
    partner
        The other side.
    invoice
        One invoice.
    """
    with desk_with(dir, partner, agreement) as (_, desk):
        if invoice is None:
            _show_all(desk, items_of(desk), json=json)
        else:
            _show_one(desk, find_item(desk, invoice), json=json)


def _row(desk: Desk, item: Item) -> dict[str, object]:
    day = today(desk)
    return {
        "invoice": item.invoice.invoice,
        "from": item.issuer,
        "issued": item.invoice.issued,
        "due": item.invoice.due,
        "amount": item.amount,
        "paid": item.paid,
        "open": item.open,
        "held": item.held,
        "interest": item.interest(day, desk.text.elections),
        "state": standing(item, day) + (f" by {item.replaced_by}" if item.replaced_by else ""),
    }


def _show_all(desk: Desk, items: tuple[Item, ...], *, json: bool) -> None:
    rows = [_row(desk, item) for item in items]
    if json:
        print_json({"agreement": desk.agreement, "invoices": rows})
        return
    title = f"Invoices with {desk.partner} under {desk.agreement}, {desk.text.elections.currency}"
    print_table(title, COLUMNS, [amounts(list(row.values())) for row in rows], empty="No invoice.")


def _show_one(desk: Desk, item: Item, *, json: bool) -> None:
    paid = allocation(item)
    lines: list[dict[str, object]] = [
        {
            "line": said.line,
            "code": said.code,
            "text": said.text,
            "claimed": line.claimed,
            "agreed": "" if line.agreed is None else line.agreed,
            "credited": line.credited,
            "held": line.held,
            "paid": part,
        }
        for said, line, part in zip(item.invoice.lines, item.lines, paid, strict=True)
    ]
    payments = [
        {"remittance": one.remittance, "on": one.paid_on, "amount": one.amount} for one in item.payments
    ]
    found = _row(desk, item)
    if json:
        more = {"lines": lines, "payments": payments, "disputes": item.disputes, "credits": item.credits}
        print_json({**found, **more})
        return
    print_pairs(zip(found, amounts(list(found.values())), strict=True))
    print_table("Lines", LINES, [amounts(list(row.values())) for row in lines], empty="No lines.")
    rows = [amounts(list(row.values())) for row in payments]
    print_table("Payments", ["remittance", "on", "amount"], rows, empty="Nothing is paid.")
    for what, names in (("Disputes", item.disputes), ("Credit memos", item.credits)):
        if names:
            print(f"{what}: {', '.join(names)}")
