"""A POST: one act, once for its Idempotency-Key, its answer kept, and whose it was in the log."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from litestar import Request, Response

from intertie.gateway.office.api_keys import ApiKey
from intertie.gateway.office.office_acts import at_desk
from intertie.gateway.office.office_once import Answered, Stamp, once
from intertie.gateway.trading.trade_desk import Desk
from intertie.model.errors import IntertieError
from intertie.model.ids import MessageId, PartyId
from intertie.model.office import Queued
from intertie.portal.door import Office, note
from intertie.portal.problems import PROBLEM_JSON, encode, problem_of

JSON = "application/json"
Asked = Request[ApiKey, ApiKey, Any]


def act(
    office: Office,
    request: Asked,
    key: str,
    body: bytes,
    doing: Callable[[Stamp], msgspec.Struct],
    status: int = 202,
) -> Response[Any]:
    """What the act answers, or answered before. Errors are answers, too: what was refused stays refused for its key, but for
    what may go well later."""
    who: ApiKey = request.auth
    name = request.route_handler.handler_name

    def answered(stamp: Stamp) -> Answered:
        try:
            done = msgspec.json.encode(doing(stamp))
        except IntertieError as error:
            problem = problem_of(error)
            note(who, name, state=str(problem.status), why=problem.code)
            return Answered(problem.status, encode(problem))
        note(who, name, message_id=stamp.message, state=str(status))
        return Answered(status, done)

    digest = hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + body).hexdigest()
    said = once(office.answers, who.id, key, digest, office.clock(), answered)
    headers = {"Idempotent-Replayed": "true"} if said.repeated else {}
    media_type = JSON if said.status < 400 else PROBLEM_JSON
    return Response(said.body, status_code=said.status, media_type=media_type, headers=headers)


def desk_act(
    office: Office,
    request: Asked,
    key: str,
    body: bytes,
    partner: str,
    doing: Callable[[Desk], MessageId | Sequence[MessageId]],
) -> Response[Queued]:
    """An act of the trade with a partner, which queues messages."""
    return act(
        office,
        request,
        key,
        body,
        lambda stamp: Queued(messages=list(at_desk(office.gateway, PartyId(partner), stamp, doing))),
    )
