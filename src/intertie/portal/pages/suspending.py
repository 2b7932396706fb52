"""Suspension: either side takes DERs out for a while, with a reason, and whoever did it lets them in again."""

from __future__ import annotations

from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.trading import trade_registration
from intertie.gateway.trading.trade_desk import Desk
from intertie.model.aggregation import SuspensionReason
from intertie.model.ids import NAME, AggregationId, DerId, MessageId
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.trading import address, flag, partner_in, say
from intertie.portal.pages.visit import Done, Visit
from intertie.portal.pages.web import act

SELF = "/registration"
TEXT_MAX = 2_000


@act(SELF + "/suspend", Right.REGISTER)
def suspend_ders(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """The DERs that are named, or all of an aggregation if that is what was ticked: an empty list is nobody's wish."""
    partner, aggregation = partner_in(visit, form), _aggregation(form)
    reason = form.one_of("reason", SuspensionReason)
    if reason is None:
        raise FieldError("no reason is chosen", do="Choose one.")
    ders = [DerId(name) for name in dict.fromkeys((form.maybe("ders") or "").replace(",", " ").split())]
    if bool(ders) == flag(form, "all"):
        raise FieldError("whom?", do="Name DERs, or tick all of them, and not both.")
    effective, until = form.instant("effective", "from") or stamp.at, form.instant("until", "until")
    text = form.maybe("text", TEXT_MAX) or ""

    def doing(desk: Desk) -> MessageId:
        return trade_registration.suspend(
            desk,
            aggregation,
            trade_registration.fresh_suspension(desk, aggregation, effective),
            reason,
            effective,
            ders=ders,
            until=until,
            text=text,
        )

    say(visit, form, stamp, partner, ["der_suspension"], doing)
    who = "All DERs are" if not ders else f"{len(ders)} DER{' is' if len(ders) == 1 else 's are'}"
    return Done(_to(form), f"{who} suspended, as soon as {partner.name} has it.", f"{aggregation} {reason}")


@act(SELF + "/resume", Right.REGISTER)
def resume_ders(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """End a suspension that was ours."""
    partner, aggregation = partner_in(visit, form), _aggregation(form)
    name = form.matching("suspension", NAME, "suspension") or form.text("suspension", "the suspension")
    effective = form.instant("effective", "from") or stamp.at

    def doing(desk: Desk) -> MessageId:
        return trade_registration.resume(desk, aggregation, name, effective)

    say(visit, form, stamp, partner, ["der_resumption"], doing)
    return Done(_to(form), f"{name} ends, as soon as {partner.name} has it.", f"{aggregation} {name}")


def _aggregation(form: Fields) -> AggregationId:
    found = form.matching("aggregation", NAME, "aggregation")
    return AggregationId(found or form.text("aggregation", "the aggregation"))


def _to(form: Fields) -> str:
    """Back to where the form was: the list, or the page of one DER."""
    der = form.matching("back", NAME, "DER")
    given = {
        "partner": form.text("partner"),
        "agreement": form.maybe("agreement", 200),
        "aggregation": form.text("aggregation"),
        "der": der,
    }
    return address(SELF if der is None else SELF + "/der", **given)


ROUTES = [suspend_ders, resume_ders]
