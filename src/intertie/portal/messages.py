"""Messages: send, list, look at one, its evidence, take back, send again; and the inbox."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from litestar import Response
from litestar.exceptions import ValidationException
from litestar.params import JSONBody, QueryParameter, RawBody

from intertie.exchange.outbound import State
from intertie.gateway.office.office_acts import find_message, send_again, send_document, take_back
from intertie.gateway.office.office_lists import dead_letters, message_line, messages, whole_message
from intertie.gateway.office.office_rights import Right
from intertie.gateway.office.search import TEXT_MAX, search_page
from intertie.gateway.ports import Query, Search
from intertie.gateway.proving.export_evidence import export_row
from intertie.model.ids import (
    INTERFACE,
    NAME,
    PARTY,
    WORD,
    AgreementId,
    ConversationId,
    DocumentName,
    InterfaceCode,
    MessageId,
    PartyId,
)
from intertie.model.office import (
    PAGE,
    Message,
    MessageLine,
    MessagePage,
    Queued,
    Resend,
    SearchPage,
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


def _aware(name: str, at: datetime | None) -> datetime | None:
    """A time with its offset: without one it is another time for everybody."""
    if at is not None and at.tzinfo is None:
        raise ValidationException(
            extra=[{"key": name, "message": "a time with its offset, as 2026-07-01T12:00:00Z"}]
        )
    return at


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


@reads("/search", Right.LOOK, tags=["messages"])
def search_messages(
    office: OfficeDep,
    text: Annotated[
        str,
        QueryParameter(
            max_length=TEXT_MAX, description="An id, a conversation, or words of ids, names and details."
        ),
    ] = "",
    after: After = 0,
    limit: Limit = PAGE,
    direction: Annotated[
        Literal["in", "out"] | None, QueryParameter(description="From partners, or to them.")
    ] = None,
    partner: Partner = None,
    interface: Annotated[
        InterfaceCode | None, QueryParameter(pattern=INTERFACE, description="Only this interface.")
    ] = None,
    document: Document = None,
    agreement: Annotated[
        AgreementId | None, QueryParameter(pattern=NAME, description="Only this agreement.")
    ] = None,
    conversation: Talk = None,
    message_state: Annotated[
        State | None, QueryParameter(name="state", description="Only in this state.")
    ] = None,
    since: Annotated[datetime | None, QueryParameter(description="Queued or received then or later.")] = None,
    until: Annotated[datetime | None, QueryParameter(description="And before this.")] = None,
) -> SearchPage:
    """Messages of both directions, newest first. A page costs a bounded amount of work, so it may be short: go on with `next`."""
    wanted = Search(
        before=after or None,
        limit=limit,
        outgoing=None if direction is None else direction == "out",
        partner=partner,
        interface=interface,
        document=document,
        agreement=agreement,
        conversation=conversation,
        states=None if message_state is None else (message_state,),
        since=_aware("since", since),
        until=_aware("until", until),
    )
    with office.turns.taken():
        return search_page(office.gateway, wanted, text)


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
    roles = request.auth.roles
    return act(
        office,
        request,
        idempotency_key,
        body,
        lambda stamp: Queued(messages=list(send_document(office.gateway, roles, data, body, stamp))),
    )


@acts("/messages/{message:str}/cancel", Right.REPAIR, status=200, tags=["messages"])
def cancel_message(
    office: OfficeDep, request: Asked, idempotency_key: KeyHeader, message: MessagePath, body: RawBody
) -> Response[MessageLine]:
    """Take back a message that is still queued."""
    roles, id = request.auth.roles, MessageId(message)

    def doing(stamp: Any) -> MessageLine:
        return message_line(take_back(office.gateway, roles, id, stamp))

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
    roles, id = request.auth.roles, MessageId(message)
    return act(
        office,
        request,
        idempotency_key,
        body,
        lambda stamp: Queued(messages=list(send_again(office.gateway, roles, id, data, stamp))),
    )


ROUTES = [
    list_inbox,
    list_messages,
    list_dead_letters,
    search_messages,
    get_message,
    get_evidence,
    send_message,
    cancel_message,
    resend_message,
]
