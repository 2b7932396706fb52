"""Settings: this gateway, its certificates, and the keys of its API."""

from __future__ import annotations

import intertie
from intertie.gateway.office.api_keys import revoke_key
from intertie.gateway.office.approvals import TwoPeople
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.operating.readiness import certificate_ends
from intertie.portal.pages.reading import Fields
from intertie.portal.pages.visit import Done, View, Visit
from intertie.portal.pages.web import act, page


@page("/settings", Right.KNOW)
def settings_page(visit: Visit) -> View:
    """The page."""
    gateway = visit.gateway
    return View(
        "settings.html",
        "Settings",
        {
            "green_button": visit.office.grants is not None,
            "us": gateway.party,
            "roles": ", ".join(sorted(role.value.replace("_", " ") for role in gateway.party.roles)),
            "version": intertie.__version__,
            "journal": gateway.store.head().size,
            "store": gateway.store.size_bytes(),
            "ends": list(certificate_ends(gateway)),
            "keys": visit.office.keys.all() if visit.may(Right.KEYS) else [],
        },
    )


@act("/settings/keys/{name:str}/revoke", Right.KEYS, TwoPeople.KEY)
def revoke_api_key(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """A key of the API counts no more."""
    name = visit.at["name"]
    revoke_key(visit.gateway, visit.office.keys, name, stamp.at)
    return Done("/settings", f"The key {name} counts no more.", name)


ROUTES = [settings_page, revoke_api_key]
