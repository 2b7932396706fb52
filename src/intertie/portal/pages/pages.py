"""All pages, as one router beside the API."""

from __future__ import annotations

from typing import Any

from litestar import Router
from litestar.di import Provide
from litestar.exceptions import HTTPException

from intertie.model.errors import IntertieError
from intertie.portal.door import office_of
from intertie.portal.pages import (
    account,
    ageing,
    approvals,
    auditing,
    availability,
    charging,
    dispatch,
    dispatch_say,
    dispute,
    emergency,
    evidence,
    feeder,
    green_button,
    live,
    market,
    market_say,
    message,
    messages,
    onboarding,
    outage_say,
    outages,
    own_keys,
    own_sign_in,
    partners,
    people,
    policy,
    registration,
    settings,
    settlement,
    settlement_event,
    sign_in,
    sign_in_oidc,
    statement,
    static,
    suspending,
    today,
    uploading,
    uploading_acts,
)
from intertie.portal.pages.failing import on_any, on_ours, on_theirs
from intertie.portal.pages.guarding import guard, stranger_guard

ROUTES = [
    *today.ROUTES,
    *messages.ROUTES,
    *message.ROUTES,
    *partners.ROUTES,
    *onboarding.ROUTES,
    *feeder.ROUTES,
    *availability.ROUTES,
    *registration.ROUTES,
    *suspending.ROUTES,
    *market.ROUTES,
    *market_say.ROUTES,
    *dispatch.ROUTES,
    *dispatch_say.ROUTES,
    *emergency.ROUTES,
    *outages.ROUTES,
    *outage_say.ROUTES,
    *settlement.ROUTES,
    *settlement_event.ROUTES,
    *statement.ROUTES,
    *ageing.ROUTES,
    *charging.ROUTES,
    *account.ROUTES,
    *dispute.ROUTES,
    *evidence.ROUTES,
    *auditing.ROUTES,
    *policy.ROUTES,
    *uploading.ROUTES,
    *uploading_acts.ROUTES,
    *settings.ROUTES,
    *own_keys.ROUTES,
    *approvals.ROUTES,
    *green_button.ROUTES,
    *own_sign_in.ROUTES,
    *people.ROUTES,
    *sign_in.ROUTES,
    *live.ROUTES,
]


def page_routers() -> list[Router]:
    """Pages for who is signed in, those for who is not yet, and the files of both."""
    given: dict[str, Any] = {
        "dependencies": {"office": Provide(office_of, sync_to_thread=False)},
        "exception_handlers": {IntertieError: on_ours, HTTPException: on_theirs, Exception: on_any},
    }
    return [
        Router("/", route_handlers=ROUTES, guards=[guard], **given),
        Router(
            "/",
            route_handlers=[*sign_in.STRANGERS, *sign_in_oidc.STRANGERS],
            guards=[stranger_guard],
            **given,
        ),
        Router("/", route_handlers=static.ROUTES, exception_handlers=given["exception_handlers"]),
    ]
