"""Under which agreement a message stands whose format has no word for it."""

from __future__ import annotations

from datetime import datetime

from intertie.gateway.translating.foreign import Foreign
from intertie.market.book import FOUNDING, Book
from intertie.market.contract import STANDING, status
from intertie.model.ids import AgreementId, DocumentName


def implied_agreement(
    foreign: Foreign, book: Book, document: DocumentName, at: datetime
) -> AgreementId | None:
    """The contract on paper, else the only one that was made through the gateways and is in force; none for what makes one."""
    if document in FOUNDING:
        return None
    if foreign.agreement is not None:
        return foreign.agreement
    standing = [one.agreement for one in book.contracts.values() if status(one, at) in STANDING]
    return standing[0] if len(standing) == 1 else None
