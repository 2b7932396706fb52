"""What the utility's gateway knows besides the book with one partner: what counts for its other partners."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from intertie.exchange.outbound import FINAL, State
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import Query
from intertie.gateway.trading.trade_books import event_of
from intertie.market import contract, elsewhere
from intertie.market.book import Book, step
from intertie.market.event import Broken, Event
from intertie.market.feeder import tree_at
from intertie.market.registry import Registry
from intertie.model.aggregation import RegistrationDecision
from intertie.model.contract import Confirmation, ConfirmationAnswer, ConfirmationResponse
from intertie.model.ids import DocumentName, PartyId

# By these a DER, or a deal on it, is taken.
ASKED = (RegistrationDecision, Confirmation, ConfirmationResponse)
DECISION = DocumentName("registration_decision")
# Decisions that are written and not answered yet: more than this at once nobody has for one partner.
UNDER_WAY_MAX = 1000
_UNDER_WAY = tuple(state for state in State if state not in FINAL)


def check_elsewhere(
    gateway: Gateway, event: Event, before: Book, beside: Mapping[PartyId, Iterable[Event]], *, sending: bool
) -> None:
    """Whether what an event takes is free with all other partners, if we are the utility. `before` is the book that the event
    meets; `beside` what the same call said to others already. Raises Broken."""
    if not isinstance(event.body, ASKED) or not _we_buy(gateway, event, before):
        return
    partner = event.recipient if sending else event.sender
    others = _others(gateway, partner, event.received, beside)
    if not others:
        return
    try:
        _ask(event, before, others, sending=sending)
    except Broken as broken:
        if sending or broken.rule is not elsewhere.ELSEWHERE:
            raise
        # Whose it is, is not for this partner to know.
        raise Broken(broken.rule) from broken


def _we_buy(gateway: Gateway, event: Event, before: Book) -> bool:
    known = before.contracts.get(event.agreement) if event.agreement is not None else None
    text = None if known is None else known.text_at(event.received)
    return text is not None and text.buyer == gateway.party.id


def _ask(event: Event, before: Book, others: elsewhere.Others, *, sending: bool) -> None:
    body = event.body
    if isinstance(body, RegistrationDecision):
        elsewhere.check_decision(body, step(before, event).registry, others)
        return
    deal = body if isinstance(body, Confirmation) else None
    if isinstance(body, ConfirmationResponse) and sending and body.answer is ConfirmationAnswer.ACCEPTED:
        deal = before.deals[body.confirmation].terms
    if deal is not None:
        tree = tree_at(before.grid.models, event.received)
        elsewhere.check_deal(deal, before.registry, tree, others)


def _others(
    gateway: Gateway, partner: PartyId, at: datetime, beside: Mapping[PartyId, Iterable[Event]]
) -> dict[PartyId, Registry]:
    """What is registered with the other partners that have a contract, with decisions that are on their way to them."""
    found: dict[PartyId, Registry] = {}
    for other in gateway.partners.all():
        if other.party == partner:
            continue
        ledger = gateway.books.of(gateway.store, other.party).ledger
        if not any(contract.status(one, at) in contract.STANDING for one in ledger.book.contracts.values()):
            continue
        more = [*_under_way(gateway, other.party), *beside.get(other.party, ())]
        found[other.party] = (ledger.plus(more) if more else ledger).book.registry
    return found


def _under_way(gateway: Gateway, party: PartyId) -> list[Event]:
    query = Query(outgoing=True, limit=UNDER_WAY_MAX, partner=party, document=DECISION, states=_UNDER_WAY)
    rows = gateway.store.messages(query)
    return [event for row in rows if (event := event_of(row.body, row.created)) is not None]
