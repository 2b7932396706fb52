"""Policy: what falls short of it, every flow with the protection that its needs come to, the derivation, the inventory."""

from __future__ import annotations

from intertie.gateway.office.office_rights import Right
from intertie.gateway.views.view_policy import AHEAD_DAYS_MAX, derivations, findings, flow_table
from intertie.model.ids import INTERFACE, PARTY, PartyId
from intertie.model.message import Mode
from intertie.portal.pages.visit import Download, View, Visit
from intertie.portal.pages.web import page

POLICY = "/policy"


@page(POLICY, Right.LOOK)
def policy_page(visit: Visit) -> View:
    """What falls short, and the flows of an interface."""
    query = visit.query
    days = query.number("within", 0, AHEAD_DAYS_MAX, visit.gateway.policy.warn_days)
    on = query.day("on") or visit.now.date()
    held = visit.office.beside.held
    return View(
        "policy.html",
        "Policy",
        {
            "short": None if held is None else findings(visit.gateway, held.dates(), visit.now, days),
            "table": flow_table(visit.gateway, query.matching("interface", INTERFACE) or _largest(visit), on),
            "days": days,
        },
    )


@page(POLICY + "/flows/{interface:str}/{document:str}", Right.LOOK)
def derivation_page(visit: Visit) -> View:
    """How a document is protected, step by step, each with its source."""
    query = visit.query
    interface, document = visit.at["interface"], visit.at["document"]
    partner, mode, on = query.matching("partner", PARTY), query.one_of("mode", Mode), query.day("on")
    found = derivations(
        visit.gateway,
        interface,
        document,
        mode,
        None if partner is None else PartyId(partner),
        on or visit.now.date(),
    )
    return View(
        "derivation.html",
        f"{interface} {document.replace('_', ' ')}",
        {
            "found": found,
            "interface": interface,
            "document": document,
            "partners": sorted(one.party for one in visit.gateway.partners.all()),
            "partner": partner or "",
            "on": on or visit.now.date(),
        },
    )


@page(POLICY + "/inventory", Right.LOOK)
def inventory_file(visit: Visit) -> Download:
    """The cryptographic inventory, as CycloneDX 1.6."""
    raw = visit.office.beside.keys().inventory(visit.now)
    return Download(f"inventory-{visit.now:%Y-%m-%d}.cdx.json", raw, "application/vnd.cyclonedx+json")


def _largest(visit: Visit) -> str:
    """The interface with the most flows: what most people look for."""
    return max(visit.gateway.catalogue.interfaces.values(), key=lambda one: len(one.flows)).code


ROUTES = [policy_page, derivation_page, inventory_file]
