"""The office door as one ASGI application: the API with its served description, and the portal's pages beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import Litestar, Request, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

import intertie
from intertie.model.errors import IntertieError
from intertie.model.message import MESSAGE_BYTES_MAX
from intertie.portal import events, knowing, messages, trade, trade_acts
from intertie.portal.door import Office, guard, office_of
from intertie.portal.events import Streams
from intertie.portal.pages import failing
from intertie.portal.pages.guarding import add_headers
from intertie.portal.pages.pages import page_routers
from intertie.portal.problems import on_any, on_deep, on_ours, on_theirs

BASE = "/api/v1"
# A message, and the few fields around its body.
BODY_BYTES_MAX = MESSAGE_BYTES_MAX + 64 * 1024
ROUTES = [*knowing.ROUTES, *messages.ROUTES, *trade.ROUTES, *trade_acts.ROUTES, *events.ROUTES]
ABOUT = (
    "The office API of an Intertie gateway: for the staff and the systems of the organisation that runs it. Every request "
    "needs an API key; every POST an Idempotency-Key; every error is problem+json with a code and what to do next."
)


def office_app(office: Office, streams: Streams) -> Litestar:
    """The application."""
    handlers: dict[Any, Any] = {
        IntertieError: on_ours,
        HTTPException: _by_path(on_theirs, failing.on_theirs),
        RecursionError: on_deep,
        Exception: _by_path(on_any, failing.on_any),
    }
    return Litestar(
        [
            Router(
                BASE,
                route_handlers=ROUTES,
                guards=[guard],
                dependencies={"office": Provide(office_of, sync_to_thread=False)},
                security=[{"key": []}],
            ),
            *page_routers(),
        ],
        openapi_config=OpenAPIConfig(
            title="Intertie office API",
            version=intertie.__version__,
            description=ABOUT,
            use_handler_docstrings=True,
            path=f"{BASE}/openapi.json",
            render_plugins=[JsonRenderPlugin(path="/")],
            components=Components(
                security_schemes={
                    "key": SecurityScheme(type="http", scheme="bearer", description="An API key.")
                }
            ),
        ),
        before_send=[add_headers],
        exception_handlers=handlers,
        state=State({"office": office, "streams": streams}),
        request_max_body_size=BODY_BYTES_MAX,
        logging_config=None,
        debug=False,
    )


def _by_path(api: Callable[..., Any], pages: Callable[..., Any]) -> Callable[..., Any]:
    """Programs get a problem, people a page."""

    def chosen(request: Request[Any, Any, Any], error: Any) -> Any:
        return (api if request.url.path.startswith(BASE) else pages)(request, error)

    return chosen
