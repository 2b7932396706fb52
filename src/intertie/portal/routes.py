"""How a route of the office API is declared: what it does, the right it needs, and every answer that it may give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from intertie.gateway.office.office_rights import Right
from intertie.portal.problems import specs

READ_ERRORS = (400, 401, 403, 404, 422, 429, 500, 503)
ACT_ERRORS = (400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503)


def reads(
    path: str, right: Right, *, also: tuple[int, ...] = (), **more: Any
) -> Callable[[Any], HTTPRouteHandler]:
    """A GET, in a thread: the store may make it wait."""
    more.setdefault("sync_to_thread", True)
    return get(path, right=right, responses=specs(*READ_ERRORS, *also), **more)


def acts(path: str, right: Right, *, status: int = 202, **more: Any) -> Callable[[Any], HTTPRouteHandler]:
    """A POST, in a thread."""
    return post(
        path, right=right, status_code=status, responses=specs(*ACT_ERRORS), sync_to_thread=True, **more
    )
