"""One dispute: what is claimed and expected line by line, from which inputs, until when, and its answer."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import quote

from intertie.gateway.office.office_acts import at_desk
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.settlement.settling_ports import Answer
from intertie.gateway.views.view_ageing import DisputeView, dispute_view
from intertie.model.billing import Resolution
from intertie.model.ids import NAME
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.settling import ONE, desk_of, name_of, partner_of
from intertie.portal.pages.visit import Done, View, Visit
from intertie.portal.pages.web import act, page


@page(ONE + "/disputes/{name:path}", Right.READ)
def dispute_page(visit: Visit) -> View:
    """The dispute."""
    found = dispute_view(desk_of(visit), name_of(visit))
    answers = found.answers if visit.may(Right.SETTLE) else ()
    return View("dispute.html", f"Dispute {found.dispute}", {"found": found, "answers": answers})


@act(ONE + "/resolve/{name:path}", Right.SETTLE)
def resolve_dispute(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Concede, correct, split or reject."""
    partner, name, settler = partner_of(visit), name_of(visit), visit.office.beside.settler()
    how = form.one_of("how", Resolution)
    if how is None:
        raise FieldError("the answer is missing", do="Choose one.")
    found = dispute_view(desk_of(visit), name)
    answer = Answer(
        how,
        _amounts(form, found) if how is Resolution.SPLIT else {},
        form.matching("corrected", NAME, "the corrected invoice's name") or "",
        form.day("due", "due"),
        form.maybe("text", 1000) or "",
    )
    made = at_desk(visit.gateway, partner, stamp, lambda desk: settler.resolve(desk, name, answer))
    to = f"/settlement/{partner}/disputes/{quote(name)}"
    return Done(to, f"The answer to {name} is queued: {how.value}.", f"{name} {how.value} {made[0]}")


def _amounts(form: Fields, found: DisputeView) -> dict[int, Decimal]:
    """What was agreed of each line; a line that is left empty is met half way."""
    lines = (row.line for row in found.lines)
    return {line: form.decimal(f"line-{line}") for line in lines if f"line-{line}" in form}


ROUTES = [dispute_page, resolve_dispute]
