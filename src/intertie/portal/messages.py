"""Messages: send, list, look at one, its evidence, take back, send again; and the inbox."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar import Response
from litestar.params import JSONBody, QueryParameter, RawBody

from intertie.exchange.outbound import State
from intertie.gateway.export_evidence import export_row
from intertie.gateway.office_acts import find_message, send_again, send_document, take_back
from intertie.gateway.office_lists import dead_letters, message_line, messages, whole_message
from intertie.gateway.office_rights import Right
from intertie.gateway.ports import Query
from intertie.model.ids import NAME, PARTY, WORD, ConversationId, DocumentName, MessageId, PartyId
from intertie.model.office import (
    PAGE,
    Message,
    MessageLine,
    MessagePage,
    Queued,
    Resend,
    SendMessage,
)
from intertie.portal.acting import Asked, act
from intertie.portal.door import After, KeyHeader, Limit, MessagePath, OfficeDep
from intertie.portal.routes import acts, reads

Partner = Annotated[
    PartyId | None, QueryParameter(pattern=PARTY, max_length=120, description="Only this partner's.")
]
Document = Annotated[DocumentName | None, QueryParameter(pattern=WORD, description="Only this document.")]
Talk = Annotated[ConversationId | None, QueryParameter(pattern=NAME, description="Only this conversation.")]

Direction = Annotated[Literal["in", "out"], QueryParameter(description="From partners, or to them.")]


@reads("/inbox", Right.LOOK, tags=["messages"])
def list_inbox(
    office: OfficeDep,
    after: After = 0,
    limit: Limit = PAGE,
    partner: Partner = None,
    document: Document = None,
    conversation: Talk = None,
) -> MessagePage:
    """What partners sent and this gateway accepted, after a seq, oldest first."""
    query = Query(
        outgoing=False,
        after=after,
        limit=limit,
        partner=partner,
        document=document,
        conversation=conversation,
    )
    return messages(office.gateway, query)


@reads("/messages", Right.LOOK, tags=["messages"])
def list_messages(
    office: OfficeDep,
    direction: Direction = "out",
    after: After = 0,
    limit: Limit = PAGE,
    partner: Partner = None,
    document: Document = None,
    conversation: Talk = None,
    message_state: Annotated[
        State | None, QueryParameter(name="state", description="Only in this state.")
    ] = None,
) -> MessagePage:
    """Messages in the order of seq, with filters."""
    query = Query(
        outgoing=direction == "out",
        after=after,
        limit=limit,
        partner=partner,
        document=document,
        states=None if message_state is None else (message_state,),
        conversation=conversation,
    )
    return messages(office.gateway, query)


@reads("/dead-letters", Right.LOOK, tags=["messages"])
def list_dead_letters(
    office: OfficeDep, after: After = 0, limit: Limit = PAGE, partner: Partner = None
) -> MessagePage:
    """What came to nothing and was not sent again."""
    return dead_letters(office.gateway, after, limit, partner)


@reads("/messages/{message:str}", Right.READ, tags=["messages"])
def get_message(office: OfficeDep, message: MessagePath) -> Message:
    """One message: header, body, state, receipt."""
    return whole_message(office.gateway, find_message(office.gateway, MessageId(message), body=True))


@reads(
    "/messages/{message:str}/evidence",
    Right.PROVE,
    also=(409,),
    tags=["messages"],
    media_type="application/octet-stream",
)
def get_evidence(office: OfficeDep, message: MessagePath) -> bytes:
    """The evidence file of a message: `intertie evidence verify` checks it without this gateway."""
    row = find_message(office.gateway, MessageId(message), body=True)
    return export_row(office.gateway, row, office.clock())


@acts("/messages", Right.SEND, tags=["messages"])
def send_message(
    office: OfficeDep, request: Asked, idempotency_key: KeyHeader, data: JSONBody[SendMessage], body: RawBody
) -> Response[Queued]:
    """Send a document. It is checked as the partner will check it, and on disk when this answers."""
    role = request.auth.role
    return act(
        office,
        request,
        idempotency_key,
        body,
        lambda stamp: Queued(messages=list(send_document(office.gateway, role, data, body, stamp))),
    )


@acts("/messages/{message:str}/cancel", Right.REPAIR, status=200, tags=["messages"])
def cancel_message(
    office: OfficeDep, request: Asked, idempotency_key: KeyHeader, message: MessagePath, body: RawBody
) -> Response[MessageLine]:
    """Take back a message that is still queued."""
    role, id = request.auth.role, MessageId(message)

    def doing(stamp: Any) -> MessageLine:
        return message_line(take_back(office.gateway, role, id, stamp))

    return act(office, request, idempotency_key, body, doing, 200)


@acts("/messages/{message:str}/resend", Right.REPAIR, tags=["messages"])
def resend_message(
    office: OfficeDep,
    request: Asked,
    idempotency_key: KeyHeader,
    message: MessagePath,
    data: JSONBody[Resend],
    body: RawBody,
) -> Response[Queued]:
    """Send the content of a dead letter again, once, as a new message."""
    role, id = request.auth.role, MessageId(message)
    return act(
        office,
        request,
        idempotency_key,
        body,
        lambda stamp: Queued(messages=list(send_again(office.gateway, role, id, data, stamp))),
    )


ROUTES = [
    list_inbox,
    list_messages,
    list_dead_letters,
    get_message,
    get_evidence,
    send_message,
    cancel_message,
    resend_message,
]
