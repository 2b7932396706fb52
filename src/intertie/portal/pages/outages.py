"""Outages: what is out, who has acknowledged since when, what it reaches; news of it, and its end."""

from __future__ import annotations

from collections.abc import Sequence

from intertie.gateway.gateway import Partner
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.trading import trade_outage
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.views.view_outages import outages_view
from intertie.gateway.views.view_trade import look_at, other_side
from intertie.model.errors import SettingsError
from intertie.model.ids import NAME, DerId, MessageId
from intertie.model.made import made
from intertie.model.system import OutageStatus, OutageUpdate
from intertie.portal.pages.market_say import points_in
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.trading import desks, is_utility, partner_in, say, say_to_all, says
from intertie.portal.pages.visit import Done, View, Visit
from intertie.portal.pages.web import act, page

SELF = "/outages"
TEXT_MAX = 2_000


@page(SELF, Right.READ)
def outages_page(visit: Visit) -> View:
    """The list, with whom it was told to, and what is lacking now."""
    all = other_side(visit.gateway)
    utility = is_utility(visit)
    return View(
        "outages.html",
        "Outages",
        {
            "partners": all,
            "seen": outages_view(desks(visit), ours=utility),
            "utility": utility,
            "tells_grid": any(says(visit, one, "outage_notice") for one in all),
            "tells_ders": any(says(visit, one, "asset_outage") for one in all),
            "statuses": [one for one in OutageStatus if one is not OutageStatus.PARTLY_RESTORED],
        },
    )


@act(SELF + "/update", Right.OUTAGE)
def tell_outage_news(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """News of an outage of the grid, to all that were told of it."""
    name = name_in(form)
    status = form.one_of("status", OutageStatus)
    if status is None:
        raise FieldError("what is the news?", do="Choose one.")
    body = made(
        OutageUpdate,
        outage=name,
        revision=1,
        at=stamp.at,
        status=status,
        starts=form.instant("starts", "from"),
        estimated_restoration=form.instant("expected", "expected back"),
        text=form.maybe("text", TEXT_MAX) or "",
    )

    def doing(desk: Desk) -> MessageId:
        return trade_outage.update(desk, body)

    said = say_to_all(visit, form, stamp, _told(visit, stamp, name), ["outage_update"], doing)
    return Done(SELF, f"News of {name}. {said}", f"{name} {status.value}")


@act(SELF + "/restore", Right.OUTAGE)
def tell_restoration(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Supply is back: everywhere, or at the points that are named, as far as each partner was told of them."""
    name = name_in(form)
    at = form.instant("at", "since") or stamp.at
    named = points_in(form.maybe("points") or "")
    told = _told(visit, stamp, name)
    if named:
        told = [one for one in told if _lost(visit, stamp, one, name) & set(named)]
        if not told:
            raise SettingsError(f"none of these points is in {name}", do="Name some that are out.")

    def doing(desk: Desk) -> MessageId:
        lost = trade_outage.find_outage(desk, name).lost
        here = [point for point in named if point in lost]
        return trade_outage.restore(desk, name, at, points=here, text=form.maybe("text", TEXT_MAX) or "")

    said = say_to_all(visit, form, stamp, told, ["restoration_notice"], doing)
    return Done(SELF, f"{name} is back. {said}", name)


@act(SELF + "/return", Right.OUTAGE)
def tell_return(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """DERs are back: those that are named, or all of the outage."""
    name = name_in(form)
    at = form.instant("at", "since") or stamp.at
    ders = ders_in(form)

    def doing(desk: Desk) -> MessageId:
        return trade_outage.bring_back(desk, name, at, ders, form.maybe("text", TEXT_MAX) or "")

    say(visit, form, stamp, partner_in(visit, form), ["asset_return"], doing)
    return Done(SELF, f"{name}: the DERs are back.", name)


def name_in(form: Fields) -> str:
    """The name of an outage."""
    return form.matching("outage", NAME, "outage") or form.text("outage", "a name")


def ders_in(form: Fields) -> list[DerId]:
    """DERs as a person writes them, divided by commas or blanks."""
    text = " ".join(form.many("ders"))
    return [DerId(one) for one in dict.fromkeys(text.replace(",", " ").split())]


def _told(visit: Visit, stamp: Stamp, name: str) -> Sequence[Partner]:
    """Whom the outage was told to; SettingsError if it was told to nobody."""
    found = [
        one
        for one in other_side(visit.gateway)
        if name in look_at(visit.gateway, one.party, stamp.at).drafted.grid.outages
    ]
    if not found:
        raise SettingsError(f"no outage {name} was told", do="Choose one of the list.")
    return found


def _lost(visit: Visit, stamp: Stamp, partner: Partner, name: str) -> set[str]:
    return set(look_at(visit.gateway, partner.party, stamp.at).drafted.grid.outages[name].lost)


ROUTES = [outages_page, tell_outage_news, tell_restoration, tell_return]
