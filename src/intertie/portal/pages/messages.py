"""Messages: looked for among all there are, newest first, by party, flow, document, state, time and text."""

from __future__ import annotations

from urllib.parse import urlencode

from intertie.exchange.outbound import State
from intertie.gateway.office.office_rights import Right
from intertie.gateway.office.search import TEXT_MAX, search
from intertie.gateway.ports import Search
from intertie.model.documents import DOCUMENTS
from intertie.model.ids import (
    INTERFACE,
    NAME,
    PARTY,
    WORD,
    AgreementId,
    ConversationId,
    DocumentName,
    InterfaceCode,
    PartyId,
)
from intertie.portal.pages.reading import Fields
from intertie.portal.pages.visit import View, Visit
from intertie.portal.pages.web import page

# What fits on a screen or two.
PAGE = 50


@page("/messages", Right.LOOK)
def messages_page(visit: Visit) -> View:
    """The list, and its filters."""
    query = visit.query
    asked, text = wanted(query), query.maybe("text", TEXT_MAX) or ""
    with visit.office.turns.taken():
        found = search(visit.gateway, asked, text)
    given = {name: value for name, value in query.given().items() if name != "after"}
    older = f"/messages?{urlencode({**given, 'after': found.older})}" if found.older is not None else None
    return View(
        "messages.html",
        "Messages",
        {
            "rows": found.rows,
            "older": older,
            "given": given,
            "partners": sorted(partner.party for partner in visit.gateway.partners.all()),
            "documents": sorted(DOCUMENTS),
            "interfaces": list(visit.gateway.catalogue.interfaces),
            "states": [state.value for state in State],
        },
    )


def wanted(query: Fields) -> Search:
    """The filters of an address; FieldError names the one that cannot be read."""
    party = query.matching("partner", PARTY)
    interface = query.matching("interface", INTERFACE)
    document = query.matching("document", WORD)
    agreement = query.matching("agreement", NAME)
    conversation = query.matching("conversation", NAME)
    state = query.one_of("state", State)
    direction = query.matching("direction", "in|out")
    return Search(
        before=query.number("after", 0, 2**63 - 1, 0) or None,
        limit=PAGE,
        outgoing=None if direction is None else direction == "out",
        partner=None if party is None else PartyId(party),
        interface=None if interface is None else InterfaceCode(interface),
        document=None if document is None else DocumentName(document),
        agreement=None if agreement is None else AgreementId(agreement),
        conversation=None if conversation is None else ConversationId(conversation),
        states=None if state is None else (state,),
        since=query.instant("since"),
        until=query.instant("until"),
    )


ROUTES = [messages_page]
