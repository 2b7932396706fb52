"""Somebody becomes a partner: invited by a code, known by words that people compare, proven flow by flow, then live."""

from __future__ import annotations

from datetime import timedelta

from intertie.exchange.joining import FINAL, State
from intertie.gateway.gateway import Agreement
from intertie.gateway.office.approvals import TwoPeople
from intertie.gateway.office.office_acts import NotHere
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.partners.join_partner import Joining
from intertie.gateway.partners.onboarding_ports import Asked, Onboarding
from intertie.gateway.partners.prove_partner import unproven
from intertie.model.errors import SettingsError
from intertie.model.ids import NAME, PARTY, AgreementId, PartyId
from intertie.portal.pages.reading import Fields
from intertie.portal.pages.visit import Done, View, Visit
from intertie.portal.pages.web import act, page

SELF = "/partners/joining"
ONE = SELF + "/{joining:str}"
# A working day to reach the right person, and one more.
HOURS, HOURS_MAX = 48, 14 * 24


def onboarding_of(visit: Visit) -> Onboarding:
    """The acts; NotHere where this office has no directory to do them on."""
    found = visit.office.onboarding
    if found is None:
        raise NotHere("partners are not made here", do="`intertie partner invite` makes them.")
    return found


def _joining(visit: Visit) -> Joining:
    wanted = visit.at["joining"]
    for one in onboarding_of(visit).joinings():
        if one.id == wanted:
            return one
    raise NotHere("there is no such invitation", do="The list shows those there are.")


@page(SELF, Right.PARTNERS)
def joinings_page(visit: Visit) -> View:
    """Invitations that are out, joinings that wait, and forms to begin one."""
    found = list(reversed(onboarding_of(visit).joinings()))
    return View(
        "joinings.html",
        "New partners",
        {
            "open": [one for one in found if one.state not in FINAL],
            "over": [one for one in found if one.state in FINAL][:20],
            "interfaces": list(visit.gateway.catalogue.interfaces.values()),
            "hours": HOURS,
        },
    )


@act(SELF + "/invite", Right.PARTNERS, TwoPeople.PARTNER)
def invite_partner(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """A code for somebody, seen this once."""
    party = form.matching("party", PARTY, "the party")
    name = form.matching("agreement", NAME, "the agreement")
    start = form.instant("start", "the beginning") or stamp.at
    asked = Asked(
        party=None if party is None else PartyId(party),
        agreement=None
        if name is None
        else Agreement(id=AgreementId(name), start=start, end=form.instant("until", "the end")),
        covers=tuple(form.many("covers")),
        until=stamp.at + timedelta(hours=form.number("hours", 1, HOURS_MAX, HOURS)),
    )
    made = onboarding_of(visit).invite(asked, stamp.at, visit.person)
    said = f"Give them this code, by any way; it works once and is not shown again: {made.code}"
    return Done(f"{SELF}/{made.joining.id}", said, made.joining.id)


@act(SELF + "/join", Right.PARTNERS, TwoPeople.PARTNER)
def join_partner(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """By a code that somebody gave us."""
    party = form.matching("party", PARTY, "the party")
    joined = onboarding_of(visit).join(
        form.text("code", "the code", 500), None if party is None else PartyId(party), stamp.at
    )
    return Done(f"{SELF}/{joined.id}", "Joined. Now compare the words.", joined.id)


@page(ONE, Right.PARTNERS)
def joining_page(visit: Visit) -> View:
    """One of them, and what comes next."""
    one, acts = _joining(visit), onboarding_of(visit)
    lines = acts.proof(one.other.party) if one.other is not None and one.state is State.PROVING else []
    return View(
        "joining.html",
        f"New partner: {one.other.party if one.other is not None else one.terms.party or one.id}",
        {
            "one": one,
            "lines": lines,
            "left": len(unproven(list(lines))),
            "over": one.state in FINAL,
            "expired": one.state is State.INVITED and visit.now >= one.end,
        },
    )


@act(ONE + "/confirm", Right.PARTNERS, TwoPeople.PARTNER)
def confirm_partner(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """The words that the other side read out are ours."""
    one = _joining(visit)
    if one.other is None:
        raise SettingsError("nobody has joined yet", do="Wait until they used the code.")
    onboarding_of(visit).confirm(
        PartyId(one.other.party), form.text("words", "what they read out", 500), stamp.at, visit.person
    )
    return Done(f"{SELF}/{one.id}", "Confirmed here. Once both sides have, prove the flows.", one.other.party)


@act(ONE + "/prove", Right.PARTNERS)
def prove_partner(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Send an example of every agreed flow that is not proven yet."""
    one = _joining(visit)
    if one.other is None:
        raise SettingsError("nobody has joined yet", do="Wait until they used the code.")
    lines = onboarding_of(visit).prove(PartyId(one.other.party), stamp.at)
    return Done(f"{SELF}/{one.id}", f"Proving {len(lines)} flows: the table follows.", one.other.party)


@act(ONE + "/live", Right.PARTNERS, TwoPeople.PARTNER)
def make_partner_live(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Business may begin."""
    one = _joining(visit)
    if one.other is None:
        raise SettingsError("nobody has joined yet", do="Wait until they used the code.")
    onboarding_of(visit).live(PartyId(one.other.party), stamp.at, visit.person)
    return Done(f"/partners/{one.other.party}", "Live: business may begin.", one.other.party)


@act(ONE + "/cancel", Right.PARTNERS)
def cancel_joining(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Nothing of it is trusted any more."""
    done = onboarding_of(visit).cancel(_joining(visit).id, stamp.at, visit.person)
    return Done(SELF, "Cancelled: nothing of it is trusted any more.", done.id)


ROUTES = [
    joinings_page,
    invite_partner,
    join_partner,
    joining_page,
    confirm_partner,
    prove_partner,
    make_partner_live,
    cancel_joining,
]
