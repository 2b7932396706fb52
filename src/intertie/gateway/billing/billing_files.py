"""Documents of billing as files: the same bytes on either side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from intertie.formats.account_pdf import account_pdf
from intertie.formats.billing_csv import account_csv, credit_csv, invoice_csv, remittance_csv
from intertie.formats.invoice_pdf import Envelope, Named, invoice_pdf
from intertie.formats.payment_pdf import credit_pdf, remittance_pdf
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.event import Event
from intertie.model.account import AccountStatement, CreditMemo
from intertie.model.billing import Invoice, RemittanceAdvice
from intertie.model.errors import SettingsError
from intertie.model.record import Record


class _Forms(NamedTuple):
    """Of a document: the field that names it, and its forms."""

    name: str
    pdf: Callable[[Any, Envelope], bytes]
    csv: Callable[[Any], bytes]


# In this order a name is looked for: of an invoice first, should a remittance be called the same.
FORMS: Mapping[type[Record], _Forms] = MappingProxyType(
    {
        Invoice: _Forms("invoice", invoice_pdf, invoice_csv),
        CreditMemo: _Forms("credit", credit_pdf, credit_csv),
        AccountStatement: _Forms("account", account_pdf, account_csv),
        RemittanceAdvice: _Forms("remittance", remittance_pdf, remittance_csv),
    }
)


def find_document(desk: Desk, name: str) -> Event:
    """The message with the document of this name that both hold; SettingsError if there is none."""
    events = desk.events
    for kind, forms in FORMS.items():
        for event in reversed(events):
            if type(event.body) is kind and getattr(event.body, forms.name) == name:
                return event
    raise SettingsError(
        f"no invoice, credit memo, remittance or statement of account {name} with {desk.partner}",
        do=f"`intertie billing show {desk.partner}` lists the invoices; what waits for its receipt is not there yet.",
    )


def envelope_of(desk: Desk, event: Event) -> Envelope:
    """What a page says around the document: both parties by name, and the zone of the contract's calendar."""
    names = {desk.us: desk.gateway.party.name, desk.partner: desk.known.name}
    sender, recipient = (Named(party, names[party]) for party in (event.sender, event.recipient))
    return Envelope(event.message, sender, recipient, event.agreement, desk.text.calendar.zone)


def written(desk: Desk, event: Event, kind: str) -> bytes:
    """The document as a file of a kind: `.pdf`, `.csv` or `.json`."""
    body, forms = event.body, FORMS[type(event.body)]
    if kind == ".json":
        return msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n"
    return forms.pdf(body, envelope_of(desk, event)) if kind == ".pdf" else forms.csv(body)
