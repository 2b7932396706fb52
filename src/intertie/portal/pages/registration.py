"""Registration: aggregations and their DERs, what was decided on each and why, what happened before; decide, if it is ours."""

from __future__ import annotations

from decimal import Decimal

from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.trading import trade_registration
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.trading.trade_registration import Verdicts
from intertie.gateway.views.view_registration import RegistrationView, Wanted, der_view, registration_view
from intertie.market.registry import Standing
from intertie.model.aggregation import DecisionReason, SuspensionReason
from intertie.model.ids import NAME, AggregationId, DerId, MessageId
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.trading import about, address, chosen, flag, partner_in, say, says
from intertie.portal.pages.visit import Done, View, Visit
from intertie.portal.pages.web import act, page

SELF = "/registration"
TEXT_MAX = 200
DETAIL_MAX = 2_000


@page(SELF, Right.READ)
def registration_page(visit: Visit) -> View:
    """A page of DERs."""
    found = chosen(visit)
    if found is None:
        return View("registration.html", "Registration", {**about(None), "seen": None})
    query = visit.query
    wanted = Wanted(
        _aggregation(query),
        query.one_of("standing", Standing),
        query.maybe("text", TEXT_MAX) or "",
        query.maybe("after", 300) or "",
    )
    seen = registration_view(found.desk, wanted)
    given = {
        "partner": found.partner.party,
        "agreement": query.maybe("agreement", 200),
        "aggregation": wanted.aggregation,
        "standing": wanted.standing.value if wanted.standing else None,
        "text": wanted.text,
    }
    about_one = _decidable(wanted, seen)
    ours = says(visit, found.partner, "registration_decision")
    return View(
        "registration.html",
        "Registration",
        {
            **about(found),
            "seen": seen,
            "given": given,
            "names": [one.name for one in seen.aggregations],
            "standings": list(Standing),
            "next": address(SELF, **{**given, "after": seen.next}) if seen.next else None,
            "filtered": bool(wanted.aggregation or wanted.standing or wanted.text or wanted.after),
            "can_decide": ours and about_one is not None,
            "must_choose": ours and about_one is None and any(one.waits for one in seen.ders),
            "about_one": about_one or "",
            "reasons": list(DecisionReason),
            "can_suspend": says(visit, found.partner, "der_suspension"),
            "suspension_reasons": list(SuspensionReason),
        },
    )


@page(SELF + "/der", Right.READ)
def der_page(visit: Visit) -> View:
    """One DER with all its records."""
    found = chosen(visit)
    if found is None:
        raise FieldError("there is nobody to trade with", do="Go to Registration.")
    query = visit.query
    aggregation = _aggregation(query) or AggregationId(query.text("aggregation"))
    name = DerId(query.matching("der", NAME, "DER") or query.text("der", "DER"))
    return View(
        "der.html",
        name,
        {
            **about(found),
            "seen": der_view(found.desk, aggregation, name),
            "aggregation": aggregation,
            "can_suspend": says(visit, found.partner, "der_suspension"),
            "suspension_reasons": list(SuspensionReason),
        },
    )


@act(SELF + "/decide", Right.REGISTER)
def decide_on_ders(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Accept or refuse the DERs that were ticked, or all of an aggregation that wait."""
    partner = partner_in(visit, form)
    aggregation = _aggregation(form) or AggregationId(form.text("aggregation"))
    accepts = form.text("verdict", "accept or refuse", 20)
    if accepts not in ("accept", "refuse"):
        raise FieldError("neither accepted nor refused", do="Choose one.")
    effective = form.instant("effective", "from") or stamp.at
    named = [DerId(one) for one in dict.fromkeys(form.many("der"))]

    def doing(desk: Desk) -> MessageId:
        ders = named
        if flag(form, "rest"):
            ders = trade_registration.undecided(trade_registration.find_aggregation(desk, aggregation))
        if not ders:
            raise FieldError("no DER is ticked", do="Tick those that are meant.")
        return trade_registration.decide(
            desk, aggregation, _verdicts(form, ders, accepts == "accept"), effective
        )

    say(visit, form, stamp, partner, ["registration_decision"], doing)
    what = "accepted" if accepts == "accept" else "refused"
    count = (
        "All that waited are"
        if flag(form, "rest")
        else f"{len(named)} DER{'s are' if len(named) != 1 else ' is'}"
    )
    to = address(SELF, partner=partner.party, aggregation=aggregation, agreement=form.maybe("agreement", 200))
    return Done(to, f"{count} {what}, as soon as {partner.name} has it.", f"{aggregation} {what}")


def _verdicts(form: Fields, ders: list[DerId], accepts: bool) -> Verdicts:
    detail = form.maybe("detail", DETAIL_MAX) or ""
    if not accepts:
        reason = form.one_of("reason", DecisionReason)
        if reason is None:
            raise FieldError("a refusal has no reason", do="Choose a reason.")
        return Verdicts((), dict.fromkeys(ders, reason), {}, detail)
    limits: dict[DerId, Decimal] = {}
    if "kw" in form:
        limits = dict.fromkeys(ders, form.decimal("kw", "kW"))
    return Verdicts(ders, {}, limits, detail)


def _aggregation(fields: Fields) -> AggregationId | None:
    found = fields.matching("aggregation", NAME, "aggregation")
    return None if found is None else AggregationId(found)


def _decidable(wanted: Wanted, seen: RegistrationView) -> AggregationId | None:
    """A decision is about one aggregation: the one that was chosen, or the only one there is."""
    if wanted.aggregation is not None or len(seen.aggregations) != 1:
        return wanted.aggregation
    return seen.aggregations[0].name


ROUTES = [registration_page, der_page, decide_on_ders]
