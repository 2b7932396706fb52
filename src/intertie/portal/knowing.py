"""Who one is, partners, the catalogue, and the keys of the API."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Response
from litestar.params import PathParameter, QueryParameter, RawBody

from intertie.gateway.office.api_keys import revoke_key
from intertie.gateway.office.office_acts import NotHere
from intertie.gateway.office.office_lists import documents, flows, key_lines, partner_line, partners
from intertie.gateway.office.office_rights import Right
from intertie.gateway.sending.send_message import find_partner
from intertie.model.documents import DOCUMENTS, schema
from intertie.model.ids import WORD, DocumentName, PartyId
from intertie.model.office import (
    PAGE,
    DocumentPage,
    FlowPage,
    KeyLine,
    KeyPage,
    PartnerLine,
    PartnerPage,
    Whoami,
)
from intertie.portal.acting import Asked, act
from intertie.portal.door import After, AfterName, DocumentPath, KeyHeader, Limit, OfficeDep, PartyPath
from intertie.portal.routes import acts, reads

Interface = Annotated[
    str | None, QueryParameter(pattern=r"^[A-Z][A-Z0-9]{1,7}$", description="Only this interface's.")
]
Document = Annotated[str | None, QueryParameter(pattern=WORD, description="Only of this document.")]
KeyPath = Annotated[str, PathParameter(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="The key's name.")]


@reads("/whoami", Right.KNOW, tags=["office"])
def get_whoami(office: OfficeDep, request: Asked) -> Whoami:
    """Whose key this is, and whose gateway."""
    key = request.auth
    return Whoami(party=office.gateway.party.id, key=key.name, role=key.role.value, expires=key.expires)


@reads("/partners", Right.LOOK, tags=["partners"])
def list_partners(office: OfficeDep, after: AfterName = "", limit: Limit = PAGE) -> PartnerPage:
    """Partners and how each stands."""
    return partners(office.gateway, after, limit)


@reads("/partners/{partner:str}", Right.LOOK, tags=["partners"])
def get_partner(office: OfficeDep, partner: PartyPath) -> PartnerLine:
    """One partner."""
    one = find_partner(office.gateway, PartyId(partner))
    waiting = sum(
        line.queued + line.sending for line in office.gateway.store.queues() if line.partner == one.party
    )
    return partner_line(one, waiting)


@reads("/flows", Right.KNOW, tags=["catalogue"])
def list_flows(
    office: OfficeDep,
    interface: Interface = None,
    document: Document = None,
    after: After = 0,
    limit: Limit = PAGE,
) -> FlowPage:
    """Who may send which document to whom."""
    return flows(office.gateway, interface, document, after, limit)


@reads("/documents", Right.KNOW, tags=["catalogue"])
def list_documents(office: OfficeDep, after: AfterName = "", limit: Limit = PAGE) -> DocumentPage:
    """The kinds of documents."""
    return documents(after, limit)


@reads("/documents/{document:str}/schema", Right.KNOW, tags=["catalogue"])
def get_schema(office: OfficeDep, document: DocumentPath) -> dict[str, Any]:
    """The JSON Schema of a document's body."""
    if document not in DOCUMENTS:
        raise NotHere(f"there is no document {document}", do="GET /api/v1/documents lists them.")
    return schema(DocumentName(document))


@reads("/keys", Right.KEYS, tags=["keys"])
def list_keys(office: OfficeDep, after: AfterName = "", limit: Limit = PAGE) -> KeyPage:
    """The API keys, without the keys."""
    return key_lines(office.keys, after, limit)


@acts("/keys/{name:str}/revoke", Right.KEYS, status=200, tags=["keys"])
def revoke(
    office: OfficeDep, request: Asked, idempotency_key: KeyHeader, name: KeyPath, body: RawBody
) -> Response[KeyLine]:
    """Let a key count no more, from now on. Keys are made with `intertie api key add` only, at the gateway."""

    def doing(stamp: Any) -> KeyLine:
        if not any(key.name == name for key in office.keys.all()):
            raise NotHere(f"there is no key named {name}", do="GET /api/v1/keys lists them.")
        revoke_key(office.gateway, office.keys, name, stamp.at)
        key = [key for key in office.keys.all() if key.name == name][-1]
        return KeyLine(
            name=key.name, role=key.role.value, made=key.made, expires=key.expires, revoked=key.revoked
        )

    return act(office, request, idempotency_key, body, doing, 200)


ROUTES = [
    get_whoami,
    list_partners,
    get_partner,
    list_flows,
    list_documents,
    get_schema,
    list_keys,
    revoke,
]
