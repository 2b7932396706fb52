"""The two forms of outages: of the grid, composed from the feeder with what it reaches in view; of DERs, by their aggregator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from intertie.gateway.gateway import Partner
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.trading import trade_outage
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.views.view_outages import Place, Reach, affected, place_of, preview
from intertie.gateway.views.view_trade import look_at, other_side
from intertie.model.errors import SettingsError
from intertie.model.ids import NAME, AggregationId, ConnectionPointId, DerId, MessageId
from intertie.model.made import made
from intertie.model.quantity import Kilowatts
from intertie.model.system import AssetOutageCause, OutageCause, OutageKind, OutageNotice
from intertie.portal.pages.market_say import points_in
from intertie.portal.pages.outages import SELF, TEXT_MAX, ders_in, name_in
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.trading import (
    about,
    chosen,
    field_time,
    partner_in,
    partners_in,
    say,
    say_to_all,
    says,
)
from intertie.portal.pages.visit import Done, View, Visit
from intertie.portal.pages.web import act, page

# Points and sections of one form: a feeder's. A substation is told of by `intertie outage notice --section`.
PLACES_MAX = 1_000


class Concerned(NamedTuple):
    """A partner that knows some of the place, and what the outage would reach there."""

    partner: Partner
    place: Place
    ders: tuple[DerId, ...]
    reach: Reach | None
    why: str  # not, if not


@page(SELF + "/new", Right.READ)
def new_outage_page(visit: Visit) -> View:
    """An outage of the grid that is being composed; nothing is said yet."""
    points, sections = _place(visit.query)
    starts = visit.query.instant("starts", "from") or visit.now
    expected = visit.query.instant("expected", "expected back")
    concerned = [
        _concerned(look_at(visit.gateway, one.party, visit.now), one, points, sections, starts, expected)
        for one in other_side(visit.gateway)
        if says(visit, one, "outage_notice")
    ]
    return View(
        "outage_new.html",
        "Tell of an outage",
        {
            "points": points,
            "sections": sections,
            "concerned": [one for one in concerned if one.place.points],
            "may_tell": bool(concerned),
            "name": f"OUT-{visit.now:%Y%m%d-%H%M}",
            "starts": field_time(starts),
            "expected": field_time(expected) if expected is not None else "",
            "planned": starts > visit.now,
            "causes": list(OutageCause),
            "kinds": list(OutageKind),
        },
    )


@act(SELF + "/new", Right.OUTAGE)
def tell_outage(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Tell those that were ticked, each of the points that it knows."""
    name = name_in(form)
    points, sections = _place(form)
    if not points and not sections:
        raise FieldError("nothing is out", do="Name a point or a section.")
    starts = form.instant("starts", "from") or stamp.at
    cause = form.one_of("cause", OutageCause) or OutageCause.UNKNOWN
    kind = form.one_of("kind", OutageKind) or _kind(starts, stamp.at)
    expected = form.instant("expected", "expected back")

    def doing(desk: Desk) -> MessageId:
        place = place_of(desk, points, sections)
        if not place.points:
            raise SettingsError(f"{desk.partner} knows none of these points", do="Name points that it knows.")
        text = form.maybe("text", TEXT_MAX) or ""
        return trade_outage.tell(desk, _notice(name, kind, cause, place, starts, expected, text))

    said = say_to_all(visit, form, stamp, partners_in(visit, form), ["outage_notice"], doing)
    return Done(SELF, f"{name}: {said}", name)


@page(SELF + "/ders", Right.READ)
def new_der_outage_page(visit: Visit) -> View:
    """DERs that their aggregator reports out."""
    found = chosen(visit)
    if found is None:
        raise FieldError("there is nobody to tell", do="Partners says how somebody is invited.")
    return View(
        "outage_ders.html",
        "DERs are out",
        {
            **about(found),
            "can_tell": says(visit, found.partner, "asset_outage"),
            "aggregations": sorted(found.desk.book.registry),
            "name": f"A-{visit.now:%Y%m%d-%H%M}",
            "starts": field_time(visit.now),
            "causes": list(AssetOutageCause),
            "kinds": list(OutageKind),
        },
    )


@act(SELF + "/ders", Right.OUTAGE)
def tell_der_outage(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Tell of DERs that are out, or again with news of them."""
    name = name_in(form)
    aggregation = form.matching("aggregation", NAME, "aggregation") or form.text(
        "aggregation", "the aggregation"
    )
    ders = ders_in(form)
    if not ders:
        raise FieldError("no DER is named", do="Name those that are out.")
    starts = form.instant("starts", "from") or stamp.at
    kind = form.one_of("kind", OutageKind) or _kind(starts, stamp.at)
    cause = form.one_of("cause", AssetOutageCause) or AssetOutageCause.UNKNOWN
    missing = Kilowatts(form.decimal("kw", "missing")) if "kw" in form else None
    expected = form.instant("expected", "expected back")

    def doing(desk: Desk) -> MessageId:
        return trade_outage.lose(
            desk,
            name,
            AggregationId(aggregation),
            ders,
            kind,
            cause,
            starts,
            kw=missing,
            expected=expected,
            text=form.maybe("text", TEXT_MAX) or "",
        )

    say(visit, form, stamp, partner_in(visit, form), ["asset_outage"], doing)
    return Done(SELF, f"{name} is told.", name)


def _kind(starts: datetime, now: datetime) -> OutageKind:
    return OutageKind.PLANNED if starts > now else OutageKind.UNPLANNED


def _place(fields: Fields) -> tuple[tuple[ConnectionPointId, ...], tuple[str, ...]]:
    """Those that were ticked, and those that were written."""
    points = (*map(ConnectionPointId, fields.many("point")), *points_in(fields.maybe("points") or ""))
    sections = tuple(dict.fromkeys(fields.many("section")))
    if len(points) + len(sections) > PLACES_MAX:
        raise FieldError(
            f"more than {PLACES_MAX} points and sections", do="Name sections in place of points."
        )
    return tuple(dict.fromkeys(points)), sections


def _concerned(
    desk: Desk,
    partner: Partner,
    points: Sequence[ConnectionPointId],
    sections: Sequence[str],
    starts: datetime,
    expected: datetime | None,
) -> Concerned:
    place = place_of(desk, points, sections)
    ders = affected(desk, set(place.points))
    if not place.points:
        return Concerned(partner, place, ders, None, "")
    try:
        kind = _kind(starts, desk.now) if expected is not None else OutageKind.UNPLANNED
        name = f"preview-{desk.now:%Y%m%dT%H%M%S.%f}"
        body = _notice(name, kind, OutageCause.UNKNOWN, place, starts, expected, "")
        return Concerned(partner, place, ders, preview(desk, body), "")
    except SettingsError as error:
        return Concerned(partner, place, ders, None, error.why)


def _notice(
    name: str,
    kind: OutageKind,
    cause: OutageCause,
    place: Place,
    starts: datetime,
    expected: datetime | None,
    text: str,
) -> OutageNotice:
    return made(
        OutageNotice,
        outage=name,
        kind=kind,
        points=place.points,
        starts=starts,
        cause=cause,
        estimated_restoration=expected,
        sections=place.sections,
        text=text,
    )


ROUTES = [new_outage_page, tell_outage, new_der_outage_page, tell_der_outage]
