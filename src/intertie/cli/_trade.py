"""What the commands of `intertie trade` share."""

from __future__ import annotations

from intertie.cli._shared import print_json
from intertie.gateway.send_message import Outgoing, send
from intertie.market.book import Book
from intertie.market.contract import Contract
from intertie.model.documents import document_of
from intertie.model.errors import SettingsError
from intertie.model.ids import AgreementId, PartyId
from intertie.model.record import Record
from intertie.run import Opened


def book_with(it: Opened, partner: PartyId) -> Book:
    """The book of a partner, as both hold it."""
    return it.gateway.books.of(it.gateway.store, partner).ledger.book


def contract_in(book: Book, agreement: AgreementId) -> Contract:
    """The contract of this name; SettingsError if there is none."""
    known = book.contracts.get(agreement)
    if known is None:
        raise SettingsError(f"no contract {agreement} was proposed", do="see `intertie trade show`")
    return known


def say(it: Opened, partner: PartyId, body: Record, agreement: AgreementId | None, *, json: bool) -> None:
    """Queue one document, and print its message's id."""
    flow = it.gateway.catalogue.find_flows(document_of(body).name)[
        0
    ]  # each of them is on one interface, in one mode
    out = Outgoing(
        body=body,
        recipient=partner,
        interface=flow.interface,
        mode=flow.mode,
        agreement=agreement,
    )
    (message,) = send(it.gateway, [out], it.clock())
    print_json({"message": message}) if json else print(f"Queued as {message}.")
