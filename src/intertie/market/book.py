"""The book of two parties: every message that both hold, folded in one order, so that both have the same state.

A message that breaks a rule in this order is void: kept, without effect, and both sides say so. The book is the same whoever
folds it: it names the parties and never says "we". A digest over it lets both sides compare.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from intertie.market import (
    availability,
    billing,
    billing_state,
    commitment,
    confirmation,
    contract,
    dispatch,
    dispute,
    elsewhere,
    grid,
    offer_rules,
    offers,
    registering,
    registry,
    services,
    settling,
)
from intertie.market.billing_state import Accounts
from intertie.market.dispatch_rules import Deal, Ground
from intertie.market.dispatch_state import Dispatches
from intertie.market.dispute import Disputes
from intertie.market.event import Broken, Event, Rule
from intertie.market.feeder import tree_at
from intertie.market.grid import Grid
from intertie.market.offer_state import Offers
from intertie.market.offer_terms import grounds_of, setting_of
from intertie.market.registry import Registry
from intertie.model.aggregation import (
    AggregationRegistration,
    CompositionChange,
    DerResumption,
    DerSuspension,
    RegistrationDecision,
)
from intertie.model.agreement import BaseContract, ContractNotice, ContractSignature
from intertie.model.availability import AvailabilityDeclaration
from intertie.model.contract import Confirmation, ConfirmationResponse
from intertie.model.dispatch import (
    DispatchCancel,
    DispatchInstruction,
    DispatchReport,
    DispatchResponse,
    DispatchTelemetry,
)
from intertie.model.documents import DOCUMENTS
from intertie.model.errors import SettingsError
from intertie.model.feeder import FeederModel
from intertie.model.ids import AgreementId, DocumentName, MessageId, PartyId
from intertie.model.record import Record
from intertie.model.settlement import PerformanceStatement
from intertie.model.system import (
    AssetOutage,
    AssetReturn,
    OutageNotice,
    OutageUpdate,
    RestorationNotice,
    SystemCondition,
)

# A snapshot is kept after so many events: what arrives late is folded in from the one before it.
SNAPSHOT_EVERY = 64

Order = tuple[datetime, MessageId, PartyId]


class Book(NamedTuple):
    """The state of everything between two parties, one field for each family. The keys of all mappings are text."""

    contracts: contract.Contracts = contract.EMPTY
    deals: confirmation.Deals = confirmation.EMPTY
    registry: Registry = registry.EMPTY
    counted: commitment.Counted = commitment.NOTHING
    grid: Grid = grid.EMPTY
    dispatches: Dispatches = dispatch.EMPTY
    availability: availability.Availability = availability.EMPTY
    offers: Offers = offers.EMPTY
    accounts: Accounts = billing_state.EMPTY
    disputes: Disputes = dispute.EMPTY


def _contract(book: Book, event: Event) -> Book:
    return book._replace(contracts=contract.apply(book.contracts, event))


def _confirmation(book: Book, event: Event) -> Book:
    under = contract.check_in_force(book.contracts, event.agreement, event.received)
    after = book._replace(deals=confirmation.apply(book.deals, event, under))
    if isinstance(event.body, Confirmation):
        _sold_once(after, event, event.body)
    return after


def _sold_once(book: Book, event: Event, deal: Confirmation) -> None:
    """A deal that is proposed beside all that are agreed or proposed."""
    beside = [
        terms
        for one in book.deals.values()
        if one.state is not confirmation.State.OBJECTED and (terms := _bounded(book, one.terms)) is not None
    ]
    commitment.check_deal(deal, beside, book.registry, tree_at(book.grid.models, event.received))


def _bounded(book: Book, terms: Confirmation) -> Confirmation | None:
    """A deal ends with its contract; None if it is over before it begins."""
    under = book.contracts.get(terms.agreement)
    term = terms.term if under is None else contract.within(under, terms.term)
    return None if term is None else msgspec.structs.replace(terms, term=term)


def _registration(book: Book, event: Event) -> Book:
    return book._replace(registry=registering.apply(book.registry, event))


def _statement(book: Book, event: Event) -> Book:
    assert isinstance(event.body, PerformanceStatement)
    settling.check_statement(event.body, event.received, book.deals, book.dispatches)
    return book._replace(counted=commitment.settle(book.counted, event, book.registry))


def _grid(book: Book, event: Event) -> Book:
    return book._replace(grid=grid.apply(book.grid, event, book.registry))


def ground_of(book: Book, at: datetime, agreement: AgreementId | None = None) -> Ground:
    """What a dispatch stands on at a time, under one agreement or any."""
    deals = {}
    for name, one in book.deals.items():
        if agreement in (None, one.terms.agreement):
            state, terms = confirmation.status(one, at), _bounded(book, one.terms)
            why = "" if state in confirmation.STANDING else f"is {state}"
            deals[name] = Deal(terms or one.terms, why if terms else "ended with its contract")
    return Ground(deals, book.registry, book.grid)


def _dispatch(book: Book, event: Event) -> Book:
    ground = ground_of(book, event.received, event.agreement)
    return book._replace(dispatches=dispatch.apply(book.dispatches, event, ground))


def _text(book: Book, event: Event) -> BaseContract:
    """The contract that the event stands under, as it reads when the event arrives."""
    under = contract.check_in_force(book.contracts, event.agreement, event.received)
    text = under.text_at(event.received)
    if text is None:
        raise Broken(contract.IN_FORCE, f"agreement {event.agreement} is not signed")
    return text


def _billing(book: Book, event: Event) -> Book:
    under = contract.check_in_force(book.contracts, event.agreement, event.received, settles=True)
    text = under.text_at(event.received)
    assert text is not None  # of what is in force
    setting = billing.Setting(text, book.deals)
    if isinstance(event.body, dispute.BODIES):
        book = book._replace(disputes=dispute.apply(book.disputes, event, book.accounts, text))
    return book._replace(accounts=billing.apply(book.accounts, event, setting))


def _availability(book: Book, event: Event) -> Book:
    grounds = grounds_of(_text(book, event), book.registry, book.grid, event.received)
    return book._replace(availability=availability.apply(book.availability, event, grounds))


def _assets(book: Book, event: Event) -> Book:
    """DERs out of service, and back, are news of the grid, and take from what was declared."""
    return _availability(_grid(book, event), event)


def _offers(book: Book, event: Event) -> Book:
    setting = setting_of(
        _text(book, event), event.received, book.availability, book.registry, book.grid, book.deals
    )
    return book._replace(offers=offers.apply(book.offers, event, setting))


# Which family a document belongs to. To plug one in: its field above, a function like that above, and its lines here.
STEPS: Mapping[type[Record], Callable[[Book, Event], Book]] = MappingProxyType(
    {
        BaseContract: _contract,
        ContractSignature: _contract,
        ContractNotice: _contract,
        Confirmation: _confirmation,
        ConfirmationResponse: _confirmation,
        **dict.fromkeys(
            (
                *(AggregationRegistration, CompositionChange, RegistrationDecision),
                *(DerSuspension, DerResumption),
            ),
            _registration,
        ),
        PerformanceStatement: _statement,
        **dict.fromkeys(
            (
                *(FeederModel, OutageNotice, OutageUpdate, RestorationNotice),
                SystemCondition,
            ),
            _grid,
        ),
        **dict.fromkeys(
            (
                *(DispatchInstruction, DispatchResponse, DispatchCancel),
                *(DispatchReport, DispatchTelemetry),
            ),
            _dispatch,
        ),
        AvailabilityDeclaration: _availability,
        **dict.fromkeys((AssetOutage, AssetReturn), _assets),
        **dict.fromkeys(offers.BODIES, _offers),
        **dict.fromkeys(billing.BODIES, _billing),
    }
)
RECKONED = Rule(
    "trade.reckoned",
    "The times and amounts of a message can be worked with.",
    "the fold has an answer to whatever both hold: a message that it could not take would stop the book for good",
)
RULES: tuple[Rule, ...] = (
    RECKONED,
    *(*contract.RULES, *services.RULES, *confirmation.RULES),
    *(*registry.RULES, *commitment.RULES, *grid.RULES, *dispatch.RULES),
    *(*availability.RULES, *offer_rules.RULES, *elsewhere.RULES, *settling.RULES, *billing.RULES),
    *dispute.RULES,
)

# What settles goes on while a contract rests, and for a while after its end.
_SETTLING: tuple[type[Record], ...] = (PerformanceStatement, *billing.BODIES)
# Documents about the contract itself: they need none in force.
_FOUNDING = (BaseContract, ContractSignature, ContractNotice)
FOUNDING = frozenset(name for name, document in DOCUMENTS.items() if document.type in _FOUNDING)
TRADED: frozenset[DocumentName] = frozenset(
    name for name, document in DOCUMENTS.items() if document.type in STEPS
)


class Void(NamedTuple):
    """A message that both hold and that has no effect: the rule that it breaks, and how."""

    event: Event
    rule: Rule
    detail: str


def place(event: Event) -> Order:
    """Where the event stands: its order, and, should both parties have chosen one id, its sender."""
    return (*event.order, event.sender)


def step(book: Book, event: Event) -> Book:
    """The book after one more event; Broken if a rule forbids it."""
    family = STEPS[type(event.body)]
    try:
        if not isinstance(event.body, _FOUNDING):
            settles = isinstance(event.body, _SETTLING)
            contract.check_in_force(book.contracts, event.agreement, event.received, settles=settles)
        return family(book, event)
    except (SettingsError, ArithmeticError) as error:  # ArithmeticError: also a date after the year 9999
        raise Broken(RECKONED, str(error)) from error


class Ledger:
    """The events of two parties in their order, and the book that they make. Immutable but for `add`, which who made it calls."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._places: list[Order] = []
        self._snapshots: list[tuple[Book, int]] = [
            (Book(), 0)
        ]  # after each SNAPSHOT_EVERY events; with so many voids
        self._voids: list[Void] = []
        self._book = Book()

    @property
    def book(self) -> Book:
        """As of all events."""
        return self._book

    @property
    def events(self) -> Sequence[Event]:
        """All events, also those that are void."""
        return tuple(self._events)

    @property
    def last(self) -> datetime | None:
        """When the newest event was received."""
        return self._events[-1].received if self._events else None

    @property
    def voids(self) -> Sequence[Void]:
        """Those without effect."""
        return tuple(self._voids)

    def add(self, events: Iterable[Event]) -> None:
        """More events, in any order; one that is there already changes nothing."""
        known = first = len(self._events)
        for event in sorted(events, key=place):
            at = bisect_left(self._places, place(event))
            if self._places[at : at + 1] != [place(event)]:
                self._events.insert(at, event)
                self._places.insert(at, place(event))
                first = min(first, at)
        self._fold_from(self._back_to(first) if first < known else known)

    def plus(self, events: Iterable[Event]) -> Ledger:
        """A ledger with more events; this one stays as it is."""
        new = Ledger()
        new._events, new._places = list(self._events), list(self._places)
        new._snapshots, new._voids, new._book = list(self._snapshots), list(self._voids), self._book
        new.add(events)
        return new

    def before(self, order: Order, more: Sequence[Event] = ()) -> Book:
        """The book as of the events before a place, `more` among them: what a new event there will meet."""
        end = bisect_left(self._places, order)
        extra = sorted((event for event in more if place(event) < order), key=place)
        if not extra and end == len(self._events):
            return self._book
        start = bisect_left(self._places, place(extra[0])) if extra else end
        if start == len(self._events):  # all of it comes after what is folded
            return self._after(self._book, extra)
        number = min(start // SNAPSHOT_EVERY, len(self._snapshots) - 1)
        book = self._snapshots[number][0]
        return self._after(book, sorted([*self._events[number * SNAPSHOT_EVERY : end], *extra], key=place))

    @staticmethod
    def _after(book: Book, events: Iterable[Event]) -> Book:
        for event in events:
            book, _ = _try(book, event)
        return book

    def check(self, event: Event, more: Sequence[Event] = ()) -> None:
        """Broken if this event, in its place, breaks a rule."""
        step(self.before(place(event), more), event)

    def digest(self) -> str:
        """The SHA-256 over the book and what is void: equal on both sides once they hold the same messages."""
        return digest(self._book, self._voids)

    def _back_to(self, first: int) -> int:
        """Forget what was folded after the last snapshot before a place; which place that is."""
        number = min(first // SNAPSHOT_EVERY, len(self._snapshots) - 1)
        del self._snapshots[number + 1 :]
        self._book, voids = self._snapshots[number]
        del self._voids[voids:]
        return number * SNAPSHOT_EVERY

    def _fold_from(self, first: int) -> None:
        """Fold the events from a place on into the book of those before it."""
        for count, event in enumerate(self._events[first:], first + 1):
            self._book, void = _try(self._book, event)
            if void is not None:
                self._voids.append(void)
            if count % SNAPSHOT_EVERY == 0:
                self._snapshots.append((self._book, len(self._voids)))


def _try(book: Book, event: Event) -> tuple[Book, Void | None]:
    try:
        return step(book, event), None
    except Broken as broken:
        return book, Void(event, broken.rule, broken.detail)


def fold(events: Iterable[Event]) -> Ledger:
    """The ledger of these events."""
    ledger = Ledger()
    ledger.add(events)
    return ledger


def digest(book: Book, voids: Iterable[Void] = ()) -> str:
    """The SHA-256 over what both sides must agree on."""
    said = {
        "book": book,
        "void": [[void.event.sender, void.event.message, void.rule.name] for void in voids],
    }
    raw = msgspec.json.encode(said, order="sorted", enc_hook=_plain)
    return hashlib.sha256(raw).hexdigest()


def _plain(value: object) -> object:
    """What JSON has no form for."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    raise TypeError(f"{type(value).__name__}: JSON has no form for it")
