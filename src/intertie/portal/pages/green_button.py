"""Green Button: customers who wait for consent, consents that were given, and their end."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice

from intertie.gateway.espi.espi_customers import CODE_DAYS, CODE_DAYS_MAX
from intertie.gateway.espi.espi_grants import ASKING_LIFE, Grants
from intertie.gateway.office.office_acts import NotHere
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.portal.pages.reading import Fields
from intertie.portal.pages.visit import Done, View, Visit
from intertie.portal.pages.web import act, page

SELF = "/green-button"
# What a page shows; `intertie espi consents` lists all.
SHOWN_MAX = 200
DAYS, DAYS_MAX = 365, 3660
# A customer has a few meters; a landlord some tens.
METERS_MAX = 200


def grants_of(visit: Visit) -> Grants:
    """The acts; NotHere where readings are given to nobody."""
    if visit.office.grants is None:
        raise NotHere("readings are given to nobody here", do="Set [espi] of the settings: docs/espi.md.")
    return visit.office.grants


@page(SELF, Right.CONSENT)
def green_button_page(visit: Visit) -> View:
    """Who waits, and who consented."""
    book = grants_of(visit).book
    names = {one.id: one.name for one in book.applications()}
    waiting = [
        one
        for one in book.askings()
        if one.consent is None and not one.denied and visit.now - one.asked <= ASKING_LIFE
    ]
    given = (each for id in names for each in book.consents(id))
    found = list(islice(given, SHOWN_MAX + 1))
    return View(
        "green_button.html",
        "Green Button",
        {
            "waiting": waiting,
            "names": names,
            "consents": found[:SHOWN_MAX],
            "more": len(found) > SHOWN_MAX,
            "days": DAYS,
            "code_days": CODE_DAYS,
            "invites": visit.office.customers is not None,
        },
    )


@act(SELF + "/invite", Right.CONSENT)
def invite_customer(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """A code for a customer, who decides by itself; it is seen this once."""
    customers = visit.office.customers
    if customers is None:
        raise NotHere("customers do not come in here", do="Set [espi] of the settings: docs/espi.md.")
    customer = form.text("customer", "the customer", 100)
    meters = form.text("meters", "the meters").split()[:METERS_MAX]
    days = form.number("days", 1, CODE_DAYS_MAX, CODE_DAYS)
    code = customers.invite(customer, meters, timedelta(days=days), stamp.at, f"by {visit.person}")
    return Done(SELF, f"The code of {customer}, for {days} days and one use: {code}", f"{len(meters)} meters")


@act(SELF + "/{number:str}/consent", Right.CONSENT)
def consent_for_customer(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """On behalf of a customer who waits, and named the number that their page shows."""
    meters = form.text("meters", "the meters").split()[:METERS_MAX]
    until = stamp.at + timedelta(days=form.number("days", 1, DAYS_MAX, DAYS))
    one = grants_of(visit).decide(
        visit.at["number"],
        form.text("customer", "the customer", 100),
        meters,
        until,
        form.maybe("scope", 500),
        stamp.at,
    )
    return Done(SELF, f"Consented, for {len(one.meters)} meters.", one.id)


@act(SELF + "/{number:str}/deny", Right.CONSENT)
def deny_for_customer(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """The third party hears that it was denied."""
    one = grants_of(visit).deny(visit.at["number"], stamp.at)
    return Done(SELF, "Denied.", one.id)


@act(SELF + "/{application:str}/{consent:str}/revoke", Right.CONSENT)
def revoke_consent(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Its tokens open nothing from now on."""
    one = grants_of(visit).revoke(visit.at["application"], visit.at["consent"], stamp.at)
    return Done(SELF, "Over: its tokens open nothing from now on.", one.id)


ROUTES = [green_button_page, invite_customer, consent_for_customer, deny_for_customer, revoke_consent]
