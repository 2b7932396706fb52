"""Partners: how each link stands, what waits for it, how fast it answers, and its keys with their ends."""

from __future__ import annotations

from intertie.gateway.office.approvals import TwoPeople
from intertie.gateway.office.office_acts import NotHere
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.sending.choosing import choose
from intertie.gateway.views.view_partner import read_link, read_links
from intertie.model.ids import PartyId
from intertie.portal.pages.onboarding import onboarding_of
from intertie.portal.pages.reading import Fields
from intertie.portal.pages.visit import Done, View, Visit
from intertie.portal.pages.web import act, page

ONE = "/partners/{partner:str}"


@page("/partners", Right.LOOK)
def partners_page(visit: Visit) -> View:
    """The list."""
    return View("partners.html", "Partners", {"links": read_links(visit.gateway, visit.now)})


@page(ONE, Right.LOOK)
def partner_page(visit: Visit) -> View:
    """One of them."""
    partner = visit.gateway.partners.find(PartyId(visit.at["partner"]))
    if partner is None:
        raise NotHere("there is no such partner", do="Partners lists those there are.")
    spoken = [name for name, one in visit.gateway.translators.items() if one is not None]
    return View(
        "partner.html",
        partner.name,
        {
            "partner": partner,
            "link": read_link(visit.gateway, partner, visit.now),
            "way": choose(partner, spoken, visit.now.date()),
        },
    )


@act(ONE + "/suspend", Right.PARTNERS)
def suspend_partner(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Nothing goes or comes, within a second. One person is enough: it must be fast."""
    party = PartyId(visit.at["partner"])
    onboarding_of(visit).suspend(party, True, stamp.at, visit.person)
    return Done(f"/partners/{party}", "Suspended: its parcels are refused, and nothing is sent to it.", party)


@act(ONE + "/unsuspend", Right.PARTNERS, TwoPeople.PARTNER)
def resume_partner(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Business goes on."""
    party = PartyId(visit.at["partner"])
    onboarding_of(visit).suspend(party, False, stamp.at, visit.person)
    return Done(f"/partners/{party}", "No longer suspended.", party)


ROUTES = [partners_page, partner_page, suspend_partner, resume_partner]
