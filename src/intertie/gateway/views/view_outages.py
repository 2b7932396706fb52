"""What is out, of the grid and of the DERs, with every partner that was told: who has acknowledged since when, which DERs it
reaches, and what it does to deals and dispatches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from intertie.exchange.outbound import State as Sent
from intertie.gateway.ports import Query, Search
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.views.view_feeder import known_points
from intertie.market import asset_outage, grid, outage
from intertie.market.asset_outage import AssetsOut
from intertie.market.book import Book, ground_of
from intertie.market.effects import Effects, Lack, effects
from intertie.market.event import Broken, Event
from intertie.market.feeder import tree_at
from intertie.market.outage import Outage
from intertie.model.documents import read_message
from intertie.model.errors import Refused, SettingsError
from intertie.model.ids import AggregationId, ConnectionPointId, DerId, DocumentName, MessageId, PartyId
from intertie.model.interval import Window
from intertie.model.record import Record
from intertie.model.system import (
    AssetOutage,
    AssetReturn,
    OutageNotice,
    OutageUpdate,
    RestorationNotice,
)

# What a person reads at once; those that are over are the oldest.
OUTAGES_PAGE = 100
# Messages on their way and messages that did not arrive, looked through for what they say, of one kind and all partners: who has
# more of them has broken lines, and Today says so.
WAITING_MAX, ENDED_MAX = 500, 50
# DERs named on the page; the registration lists all.
LACKS_SHOWN = 200
_QUARTER = timedelta(minutes=15)

_TELLING = (OutageNotice, OutageUpdate, RestorationNotice, AssetOutage, AssetReturn)
_DOCUMENTS = tuple(
    DocumentName(name)
    for name in ("outage_notice", "outage_update", "restoration_notice", "asset_outage", "asset_return")
)
_DEAD = (Sent.REFUSED, Sent.EXPIRED, Sent.FAILED)


class Word(NamedTuple):
    """A message about an outage. `acknowledged`: when its recipient's signed receipt says that it arrived; None: not yet, and
    `state` says how it stands since `said`."""

    message: MessageId
    document: str
    outgoing: bool
    said: datetime
    acknowledged: datetime | None
    state: str
    detail: str = ""


class Told(NamedTuple):
    """An outage as one partner has it: words, the newest last. `state` is empty while nothing arrived."""

    partner: PartyId
    state: str
    words: tuple[Word, ...]

    @property
    def acknowledged(self) -> datetime | None:
        """Since when the partner has the newest word; None while one is on its way."""
        return self.words[-1].acknowledged if self.words else None


class OutageLine(NamedTuple):
    """An outage. `aggregation` names that of DERs, and is None for the grid."""

    name: str
    aggregation: AggregationId | None
    kind: str
    cause: str
    state: str
    news: str
    starts: datetime
    expected: datetime | None
    out: tuple[str, ...]  # points, or DERs
    back: tuple[str, ...]
    sections: tuple[str, ...]
    missing_kw: Decimal | None
    text: str
    told: tuple[Told, ...]
    over: bool


class Harm(NamedTuple):
    """A deal or dispatch whose DERs cannot give what was agreed, at a moment."""

    partner: PartyId
    what: str
    at: datetime
    agreed_kw: Decimal
    able_kw: Decimal
    short_kw: Decimal
    why: tuple[str, ...]


class Reach(NamedTuple):
    """What is lacking at a moment, and what comes of it. `more` DERs lack besides those that are named."""

    lacks: tuple[Lack, ...]
    more: int
    harms: tuple[Harm, ...]


# What was said and nobody has acknowledged, by whom it was said to.
_Unheard = Mapping[PartyId, Sequence[tuple[Word, Record]]]


class OutagesView(NamedTuple):
    """The page: those that are not over first, then the newest."""

    lines: tuple[OutageLine, ...]
    more: int
    reach: Reach


def outages_view(desks: Sequence[Desk], *, ours: bool) -> OutagesView:
    """The page over these desks, of one moment. `ours`: outages of the grid are ours to tell, so that one name is one outage,
    whoever was told of it."""
    lines = [*_of_grid(desks, ours=ours), *_of_ders(desks)]
    lines.sort(key=lambda one: one.starts, reverse=True)
    lines.sort(key=lambda one: one.over)
    found = [reach_of(desk, desk.now, desk.book) for desk in desks]
    lacks = [lack for one in found for lack in one.lacks]
    return OutagesView(
        tuple(lines[:OUTAGES_PAGE]),
        max(len(lines) - OUTAGES_PAGE, 0),
        Reach(
            tuple(lacks[:LACKS_SHOWN]),
            max(len(lacks) - LACKS_SHOWN, 0) + sum(one.more for one in found),
            tuple(harm for one in found for harm in one.harms),
        ),
    )


def reach_of(desk: Desk, at: datetime, book: Book) -> Reach:
    """What is lacking at a time, and the deals and dispatches that it reaches."""
    window = Window(start=at, end=at + _QUARTER)
    found = effects(ground_of(book, desk.now), book.dispatches, (), window, _QUARTER, desk.now)
    return Reach(
        found.lacks[:LACKS_SHOWN], max(len(found.lacks) - LACKS_SHOWN, 0), tuple(_harms(desk, found))
    )


def preview(desk: Desk, notice: OutageNotice) -> Reach:
    """What this notice would do if it was told now; nothing is said. SettingsError with the rule that it would break."""
    event = Event(
        MessageId(""), desk.us, desk.partner, desk.now, desk.now, notice, agreement=None, conversation=None
    )
    before = desk.book
    try:
        after = before._replace(grid=grid.apply(before.grid, event, before.registry))
    except Broken as broken:
        raise SettingsError(broken.why, do=broken.do) from broken
    at = max(notice.starts, desk.now)
    known, found = reach_of(desk, at, before), reach_of(desk, at, after)
    lost = after.grid.outages[notice.outage].lost
    lacks = tuple(one for one in found.lacks if one.point in lost)
    return Reach(lacks, found.more, tuple(one for one in found.harms if one not in known.harms))


def _harms(desk: Desk, found: Effects) -> Iterable[Harm]:
    for deal in found.deals:
        what = f"deal {deal.confirmation}"
        yield Harm(desk.partner, what, deal.start, deal.contracted_kw, deal.able_kw, deal.short_kw, deal.why)
    for one in found.dispatches:
        what = f"dispatch {one.dispatch}"
        yield Harm(desk.partner, what, one.start, one.owed_kw, one.able_kw, one.short_kw, one.why)


_Key = tuple[str, str]


def _of_grid(desks: Sequence[Desk], *, ours: bool) -> list[OutageLine]:
    """One line for each outage: told to several by us, it is one."""
    states: dict[_Key, list[tuple[Desk, Outage | None]]] = {}
    words: dict[_Key, dict[PartyId, tuple[Word, ...]]] = {}
    notices: dict[_Key, OutageNotice] = {}
    kinds = (OutageNotice, OutageUpdate, RestorationNotice)
    unheard = _undelivered(desks, kinds)
    for desk in desks:
        said, first = _words(desk, kinds, unheard.get(desk.partner, ()))
        for name in {*said, *desk.book.grid.outages}:
            key = ("" if ours else desk.partner, name)
            states.setdefault(key, []).append((desk, desk.book.grid.outages.get(name)))
            words.setdefault(key, {})[desk.partner] = said.get(name, ())
            if isinstance(notice := first.get(name), OutageNotice):
                notices[key] = notice
    return [
        line
        for key, known in states.items()
        if (line := _grid_line(key[1], known, words[key], notices.get(key))) is not None
    ]


def _grid_line(
    name: str,
    known: Sequence[tuple[Desk, Outage | None]],
    words: Mapping[PartyId, tuple[Word, ...]],
    notice: OutageNotice | None,
) -> OutageLine | None:
    told = tuple(
        Told(desk.partner, "" if one is None else one.state.value, words[desk.partner]) for desk, one in known
    )
    there = [(desk, one) for desk, one in known if one is not None]
    if not there:
        return None if notice is None else _unheard(name, notice, told)
    one = max((that for _, that in there), key=lambda that: (that.revision, len(that.lost)))
    out = {point for each, that in there for point in _still_out(that, each.now)}
    back = {point for _, that in there for point in that.lost} - out
    return OutageLine(
        name,
        None,
        one.kind.value,
        one.cause.value,
        one.state.value,
        "" if one.status is None else one.status.value,
        one.starts,
        one.expected,
        tuple(sorted(out)),
        tuple(sorted(back)),
        one.sections,
        None,
        one.text,
        told,
        all(that.state in outage.FINAL for _, that in there) and all(_arrived(each) for each in told),
    )


def _unheard(name: str, notice: OutageNotice, told: tuple[Told, ...]) -> OutageLine:
    """One that nobody has acknowledged: what its notice says."""
    return OutageLine(
        name,
        None,
        notice.kind.value,
        notice.cause.value,
        "not_acknowledged",
        "",
        notice.starts,
        notice.estimated_restoration,
        tuple(notice.points),
        (),
        notice.sections,
        None,
        notice.text,
        told,
        False,
    )


def _still_out(one: Outage, now: datetime) -> list[ConnectionPointId]:
    """Points whose time has not come are out all the same."""
    return [
        point for point in one.lost if (span := one.span(point, now)) and (span[1] is None or span[1] > now)
    ]


def _of_ders(desks: Sequence[Desk]) -> Iterable[OutageLine]:
    kinds = (AssetOutage, AssetReturn)
    unheard = _undelivered(desks, kinds)
    for desk in desks:
        said, first = _words(desk, kinds, unheard.get(desk.partner, ()))
        for name in {*said, *desk.book.grid.assets}:
            one, words = desk.book.grid.assets.get(name), said.get(name, ())
            told = (Told(desk.partner, "" if one is None else one.state.value, words),)
            notice = first.get(name)
            if one is not None:
                yield _ders_line(one, desk.now, told, notice if isinstance(notice, AssetOutage) else None)
            elif isinstance(notice, AssetOutage):
                yield _unheard_ders(name, notice, told)


def _ders_line(
    one: AssetsOut, now: datetime, told: tuple[Told, ...], notice: AssetOutage | None
) -> OutageLine:
    out = tuple(der for der, back in one.back.items() if back is None or back > now)
    return OutageLine(
        one.name,
        one.aggregation,
        "" if notice is None else notice.kind.value,
        one.cause.value,
        one.state.value,
        "",
        one.starts,
        one.expected,
        out,
        tuple(der for der in one.back if der not in out),
        (),
        one.missing_kw,
        "" if notice is None else notice.text,
        told,
        one.state in asset_outage.FINAL and all(_arrived(each) for each in told),
    )


def _unheard_ders(name: str, notice: AssetOutage, told: tuple[Told, ...]) -> OutageLine:
    return OutageLine(
        name,
        notice.aggregation,
        notice.kind.value,
        notice.cause.value,
        "not_acknowledged",
        "",
        notice.starts,
        notice.expected_return,
        tuple(notice.ders),
        (),
        (),
        Decimal(notice.unavailable_kw),
        notice.text,
        told,
        False,
    )


def _arrived(told: Told) -> bool:
    return not told.words or told.acknowledged is not None


def _words(
    desk: Desk, kinds: tuple[type[Record], ...], unheard: Iterable[tuple[Word, Record]]
) -> tuple[dict[str, tuple[Word, ...]], dict[str, Record]]:
    """Everything that was said of each outage, in the order in which it was said, and the first of it that can be read."""
    found: dict[str, list[tuple[Word, Record]]] = {}
    for event in desk.events:
        if isinstance(event.body, kinds):
            word = Word(
                event.message,
                _name_of(event.body),
                event.sender == desk.us,
                event.created,
                event.received,
                "acknowledged",
            )
            found.setdefault(event.body.outage, []).append((word, event.body))  # type: ignore[attr-defined]
    for word, body in unheard:
        found.setdefault(body.outage, []).append((word, body))  # type: ignore[attr-defined]
    words: dict[str, tuple[Word, ...]] = {}
    first: dict[str, Record] = {}
    for name, all in found.items():
        all.sort(key=lambda one: (one[0].said, one[0].message))
        words[name] = tuple(word for word, _ in all)
        first[name] = all[0][1]
    return words, first


def _undelivered(desks: Sequence[Desk], kinds: tuple[type[Record], ...]) -> _Unheard:
    """Of all partners at once: a question for each of forty would be most of what the page takes."""
    found: dict[PartyId, list[tuple[Word, Record]]] = {}
    store = desks[0].gateway.store if desks else None
    for name, kind in zip(_DOCUMENTS, _TELLING, strict=True):
        if store is None or kind not in kinds:
            continue
        asked = Query(outgoing=True, document=name, limit=WAITING_MAX, states=(Sent.QUEUED, Sent.SENDING))
        dead = Search(limit=ENDED_MAX, outgoing=True, document=name, states=_DEAD)
        ended = [store.message(row.id, outgoing=True, body=True) for row in store.search(dead).rows]
        for row in (
            *store.messages(asked),
            *ended,
        ):  # each half by an index: not by a look at all that was ever said
            if row is None or not row.body:
                continue
            try:
                _, body = read_message(row.body)
            except Refused:  # of a version that this program does not read
                continue
            if isinstance(body, kind):
                word = Word(row.id, name, True, row.created, None, row.state.value, row.detail)
                found.setdefault(row.recipient, []).append((word, body))
    return found


def _name_of(body: Record) -> str:
    return next(name for name, kind in zip(_DOCUMENTS, _TELLING, strict=True) if type(body) is kind)


class Place(NamedTuple):
    """The part of an outage that a partner knows: points, and sections of its feeder model. Of the rest it is told nothing."""

    points: tuple[ConnectionPointId, ...]
    sections: tuple[str, ...]


def place_of(desk: Desk, points: Collection[ConnectionPointId], sections: Collection[str]) -> Place:
    """What of these points and sections the partner knows, with the points behind the sections."""
    tree = tree_at(desk.book.grid.models, desk.now)
    known = known_points(desk, tree)
    here = tuple(dict.fromkeys(name for name in sections if name in tree.parents))
    named = dict.fromkeys(point for point in points if point in known)
    return Place((*named, *sorted(tree.points_below(here) - set(named))), here)


def affected(desk: Desk, points: Collection[ConnectionPointId]) -> tuple[DerId, ...]:
    """The registered DERs at these points, by name."""
    return tuple(
        sorted(
            der
            for one in desk.book.registry.values()
            for der, version in one.counting(desk.now).items()
            if version.der.point in points
        )
    )
