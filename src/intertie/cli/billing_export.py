"""`intertie billing export`: an invoice or a statement of account as a file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from intertie.cli._shared import HERE, Dir, PartyOption, write_file
from intertie.cli._trade import Under, desk_with
from intertie.formats.account_pdf import account_pdf
from intertie.formats.billing_csv import account_csv, invoice_csv
from intertie.formats.invoice_pdf import Envelope, Named, invoice_pdf
from intertie.gateway.trade_desk import Desk
from intertie.market.event import Event
from intertie.model.account import AccountStatement
from intertie.model.billing import Invoice
from intertie.model.errors import SettingsError

KINDS = (".pdf", ".csv", ".json")


def export(
    partner: PartyOption,
    name: str,
    file: Path,
    /,
    *,
    agreement: Under = None,
    dir: Dir = HERE,
) -> None:
    """Write an invoice or a statement of account as PDF, CSV or JSON: what the file's name ends in.

    The same document gives the same bytes, on either side.

    Example:

        intertie billing export aggregator.example I-2026-02 I-2026-02.pdf

    Parameters
    ----------
    partner
        The other side.
    name
        The invoice, or the statement of account.
    file
        The file; it must not be there yet.
    """
    if file.suffix.lower() not in KINDS:
        raise SettingsError(
            f"{file} is none of {', '.join(KINDS)}", do="Name the file so that it ends in one."
        )
    with desk_with(dir, partner, agreement) as (_, desk):
        event = find(desk, name)
        data = written(event, file.suffix.lower(), envelope_of(desk, event))
    write_file(file, data)
    print(f"{file}: {len(data)} bytes")


def find(desk: Desk, name: str) -> Event:
    """The message with the document of this name that both hold; SettingsError if there is none."""
    for event in reversed(desk.events):
        body = event.body
        if name == getattr(body, "invoice" if isinstance(body, Invoice) else "account", None):
            return event
    raise SettingsError(
        f"no invoice or statement of account {name} with {desk.partner}",
        do=f"`intertie billing show {desk.partner}` lists the invoices; what waits for its receipt is not there yet.",
    )


def envelope_of(desk: Desk, event: Event) -> Envelope:
    """What a page says around the document: both parties by name, and the zone of the contract's calendar."""
    names = {desk.us: desk.gateway.party.name, desk.partner: desk.known.name}
    sender, recipient = (Named(party, names[party]) for party in (event.sender, event.recipient))
    return Envelope(event.message, sender, recipient, event.agreement, desk.text.calendar.zone)


def written(event: Event, kind: str, envelope: Envelope) -> bytes:
    """The document as a file of a kind."""
    body = event.body
    if kind == ".json":
        return msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n"
    if isinstance(body, Invoice):
        return invoice_pdf(body, envelope) if kind == ".pdf" else invoice_csv(body)
    assert isinstance(body, AccountStatement)
    return account_pdf(body, envelope) if kind == ".pdf" else account_csv(body)
