"""820: the remittance advice. The utility pays the aggregator; an RMR loop is an invoice and what is paid for it."""

from __future__ import annotations

from decimal import Decimal

from intertie.formats.x12.invoice_810 import plain
from intertie.formats.x12.stamps import read_date
from intertie.formats.x12.trading import Call, n1, notes, text_of
from intertie.formats.x12.tree import Node, nodes, table, table_of, text
from intertie.model.billing import PaidInvoice, PaymentMethod, RemittanceAdvice
from intertie.model.quantity import Money

METHODS = {PaymentMethod.ACH: "ACH", PaymentMethod.WIRE: "FWT", PaymentMethod.CHEQUE: "CHK"}
_METHODS = {code: method for method, code in METHODS.items()}
# RMR03: payment; what is below zero is an adjustment.
PAYMENT, ADJUSTMENT = "PO", "AJ"


def write_remittance(body: RemittanceAdvice, call: Call) -> Node:
    """The tree of an 820."""
    invoices = [
        {
            "invoice": one.invoice,
            "account": call.trading.account or call.trading.aggregator.number,
            "action": ADJUSTMENT if one.amount < 0 else PAYMENT,
            "amount": plain(one.amount),
            "dispute": one.dispute or "",
        }
        for one in body.invoices
    ]
    return {
        "total": plain(body.total.amount),
        "method": METHODS[body.method],
        "format": call.value("format") if body.method is PaymentMethod.ACH else "",
        "paid_on": body.paid_on.strftime("%Y%m%d"),
        "notes": notes(body.text),
        "trace": body.reference,
        "currency": body.total.currency,
        "remittance": body.remittance,
        "reference": call.message,
        "parties": table_of([n1("PR", call.trading.utility), n1("PE", call.trading.aggregator)]),
        "entities": [{"invoices": table_of(invoices)}],
    }


def read_remittance(node: Node, call: Call) -> RemittanceAdvice:
    """The document of an 820's tree; ValueError if it breaks a rule of its type."""
    [entity] = nodes(node, "entities")
    rows = table(entity, "invoices").rows()
    return RemittanceAdvice(
        remittance=text(node, "remittance"),
        invoices=tuple(
            PaidInvoice(
                invoice=row["invoice"], amount=Decimal(row["amount"]), dispute=row.get("dispute") or None
            )
            for row in rows
        ),
        method=_METHODS[text(node, "method")],
        reference=text(node, "trace"),
        paid_on=read_date(text(node, "paid_on")),
        total=Money(amount=Decimal(text(node, "total")), currency=text(node, "currency")),
        text=text_of(node),
    )
