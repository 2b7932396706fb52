"""The book of a partner, laid out for programs: each thing with its name, its state now, and the document it stands in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec

from intertie.gateway.gateway import Gateway
from intertie.gateway.sending.send_message import find_partner
from intertie.gateway.trading.trade_effects import effects_ahead
from intertie.market import book as fold
from intertie.market import confirmation, contract
from intertie.market.dispatch_state import Dispatch
from intertie.market.effects import DealEffect, DispatchEffect
from intertie.market.offer_state import NeedState, OfferState, OrderState, need_standing, offer_standing
from intertie.market.outage import Outage
from intertie.market.registry import Aggregation, Version
from intertie.model.documents import document_of
from intertie.model.ids import PartyId
from intertie.model.office import Book, Digest, EffectsNow, Item, LackLine, ShortLine, VoidLine
from intertie.model.record import Record


def read_digest(gateway: Gateway, partner: PartyId) -> Digest:
    """What both sides compare. Refused if this is no partner."""
    find_partner(gateway, partner)
    standing = gateway.books.of(gateway.store, partner)
    ledger = standing.ledger
    return Digest(
        partner=partner, messages=len(ledger.events), unread=standing.unread, digest=ledger.digest()
    )


def read_book(gateway: Gateway, partner: PartyId, now: datetime) -> Book:
    """All of it, as of now. Refused if this is no partner."""
    find_partner(gateway, partner)
    standing = gateway.books.of(gateway.store, partner)
    book, ledger = standing.ledger.book, standing.ledger
    return Book(
        partner=partner,
        contracts=[_contract(one, now) for one in book.contracts.values()],
        confirmations=[_deal(one, now) for one in book.deals.values()],
        registrations=[_aggregation(one, now) for one in book.registry.values()],
        availability=list(_availability(book)),
        needs=[_need(name, one, now) for name, one in book.offers.needs.items()],
        offers=[_offer(name, one, book, now) for name, one in book.offers.offers.items()],
        orders=[_order(name, one) for name, one in book.offers.orders.items()],
        outages=[_outage(name, one) for name, one in book.grid.outages.items()],
        dispatches=[_dispatch(name, one) for name, one in book.dispatches.items()],
        void=[_void(one) for one in ledger.voids],
        messages=len(ledger.events),
        unread=standing.unread,
        digest=ledger.digest(),
    )


def read_effects(gateway: Gateway, partner: PartyId, hours: int, now: datetime) -> EffectsNow:
    """What is short by what is out, in the hours ahead. Raises as `effects_ahead`."""
    found = effects_ahead(gateway, partner, hours, now)
    return EffectsNow(
        lacks=[
            LackLine(der=one.der, point=one.point, kw=str(one.kw), of_kw=str(one.of_kw), why=one.why)
            for one in found.lacks
        ],
        short=[
            *(_short(f"deal {one.confirmation}", one.contracted_kw, one) for one in found.deals),
            *(_short(f"dispatch {one.dispatch}", one.owed_kw, one) for one in found.dispatches),
        ],
    )


def _short(what: str, agreed_kw: Decimal, one: DealEffect | DispatchEffect) -> ShortLine:
    return ShortLine(
        what=what,
        start=one.start,
        agreed_kw=str(agreed_kw),
        able_kw=str(one.able_kw),
        short_kw=str(one.short_kw),
        why=list(one.why),
    )


def plain(value: object) -> Any:
    """As JSON has it: records and enumerations by their own form, named tuples by their names."""
    if isinstance(value, Record):
        return msgspec.to_builtins(value, enc_hook=plain)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(part) for name, part in value._asdict().items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, (tuple, list, frozenset, set)):
        return [plain(part) for part in value]
    return msgspec.to_builtins(value)


def _item(name: str, state: str, document: object, **more: object) -> Item:
    return Item(
        name=name,
        state=str(state),
        document=plain(document) if document is not None else {},
        more={key: plain(value) for key, value in more.items() if value is not None},
    )


def _contract(one: contract.Contract, now: datetime) -> Item:
    text = one.draft.text if one.draft is not None else one.text_at(now)
    terms = contract.terms_hash(text) if text is not None else None
    return _item(
        one.agreement,
        contract.status(one, now),
        text,
        terms=terms,
        revision=one.revision,
        signed_at=one.signed_at,
        ends=one.ends,
        suspended_by=one.suspended_by,
    )


def _deal(one: confirmation.Deal, now: datetime) -> Item:
    return _item(
        one.terms.confirmation,
        confirmation.status(one, now),
        one.terms,
        confirmer=one.confirmer,
        received=one.received,
        deadline=one.deadline,
        objections=one.objections,
    )


def _aggregation(one: Aggregation, now: datetime) -> Item:
    ended = one.ends is not None and one.ends <= now
    return _item(
        one.name,
        "ended" if ended else "registered",
        None,
        services=one.services,
        revision=one.revision,
        effective=one.effective,
        ends=one.ends,
        ders=[_der(versions[-1], now) for versions in one.ders.values() if versions],
        suspensions=one.suspensions,
        history=one.history,
    )


def _der(version: Version, now: datetime) -> Mapping[str, object]:
    said = {
        "der": version.der,
        "state": version.standing,
        "counts": version.counts(now),
        "revision": version.revision,
        "starts": version.starts,
        "ends": version.ends,
        "accepted_kw": version.accepted_kw,
        "reason": version.reason,
    }
    return {name: value for name, value in said.items() if value is not None}


def _availability(book: fold.Book) -> Iterable[Item]:
    for key, all in book.availability.declared.items():
        for one in all:
            yield _item(key, "declared", one.body, received=one.order[0], message=one.order[1])


def _need(name: str, one: NeedState, now: datetime) -> Item:
    said = {"received": one.received, "message": one.message, "result": one.result}
    return _item(name, one.phase, one.need, standing=need_standing(one, now), **said)


def _offer(name: str, one: OfferState, book: fold.Book, now: datetime) -> Item:
    return _item(
        name,
        one.phase,
        one.offer or one.sealed,
        standing=offer_standing(one, book.offers, now),
        revision=one.revision,
        received=one.received,
        message=one.message,
        opened=one.opened,
        order=one.order,
    )


def _order(name: str, one: OrderState) -> Item:
    said = {"received": one.received, "message": one.message, "need": one.need}
    return _item(name, "ordered", one.order, aggregation=one.aggregation, **said)


def _outage(name: str, one: Outage) -> Item:
    return _item(
        name,
        one.state,
        None,
        kind=one.kind,
        cause=one.cause,
        starts=one.starts,
        expected=one.expected,
        points=one.lost,
        sections=one.sections,
        revision=one.revision,
    )


def _dispatch(name: str, one: Dispatch) -> Item:
    return _item(
        name,
        one.state,
        one.instruction,
        issued=one.issued,
        answered=one.answered,
        late=one.late,
        committed_kw=one.committed_kw,
        reason=one.reason,
        started=one.started,
        finished=one.finished,
        reports=one.reports,
        cancel_reason=one.cancel_reason,
    )


def _void(one: fold.Void) -> VoidLine:
    return VoidLine(
        message=one.event.message,
        sender=one.event.sender,
        document=document_of(one.event.body).name,
        rule=one.rule.name,
        detail=one.detail,
    )
