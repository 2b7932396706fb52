"""The trade with a partner: its book, what is void, the digest, the effects of outages; and the acts of contract and deals."""

from __future__ import annotations

from typing import Annotated

from litestar import Response
from litestar.params import JSONBody, QueryParameter, RawBody

from intertie.gateway.office.office_book import read_book, read_digest, read_effects
from intertie.gateway.office.office_rights import Right
from intertie.gateway.trading.trade_contract import answer_deal, give_notice, sign
from intertie.gateway.trading.trade_effects import HOURS_MAX
from intertie.model.ids import AgreementId, ConfirmationId, PartyId
from intertie.model.office import AnswerDeal, Book, Digest, EffectsNow, Notice, Queued, Sign, VoidPage
from intertie.portal.acting import Asked, desk_act
from intertie.portal.door import KeyHeader, NamePath, OfficeDep, PartyPath
from intertie.portal.routes import acts, reads

Hours = Annotated[int, QueryParameter(ge=1, le=HOURS_MAX, description="How far to look ahead.")]


@reads("/trade/{partner:str}", Right.READ, tags=["trade"])
def get_book(office: OfficeDep, partner: PartyPath) -> Book:
    """The book: everything that both parties hold, with its state now."""
    return read_book(office.gateway, PartyId(partner), office.clock())


@reads("/trade/{partner:str}/void", Right.READ, tags=["trade"])
def list_void(office: OfficeDep, partner: PartyPath) -> VoidPage:
    """Messages that have no effect, and the rule."""
    book = read_book(office.gateway, PartyId(partner), office.clock())
    return VoidPage(items=book.void, next=None)


@reads("/trade/{partner:str}/digest", Right.READ, tags=["trade"])
def get_digest(office: OfficeDep, partner: PartyPath) -> Digest:
    """The digest that must be equal on both sides."""
    return read_digest(office.gateway, PartyId(partner))


@reads("/trade/{partner:str}/effects", Right.READ, tags=["trade"])
def get_effects(office: OfficeDep, partner: PartyPath, hours: Hours = 24) -> EffectsNow:
    """What outages and suspensions do to what was agreed, by quarter hours."""
    return read_effects(office.gateway, PartyId(partner), hours, office.clock())


@acts("/trade/{partner:str}/contracts/{agreement:str}/sign", Right.CONTRACT, tags=["trade"])
def sign_contract(
    office: OfficeDep,
    request: Asked,
    idempotency_key: KeyHeader,
    partner: PartyPath,
    agreement: NamePath,
    data: JSONBody[Sign],
    body: RawBody,
) -> Response[Queued]:
    """Sign the newest text of a contract that was proposed."""
    return desk_act(
        office,
        request,
        idempotency_key,
        body,
        partner,
        lambda desk: sign(desk, AgreementId(agreement), data.signatory),
    )


@acts("/trade/{partner:str}/contracts/{agreement:str}/notice", Right.CONTRACT, tags=["trade"])
def notify(
    office: OfficeDep,
    request: Asked,
    idempotency_key: KeyHeader,
    partner: PartyPath,
    agreement: NamePath,
    data: JSONBody[Notice],
    body: RawBody,
) -> Response[Queued]:
    """Decline a text; suspend, resume or terminate; declare a default, or that it is cured."""
    return desk_act(
        office,
        request,
        idempotency_key,
        body,
        partner,
        lambda desk: give_notice(desk, AgreementId(agreement), data.action, data.reason, data.text),
    )


@acts("/trade/{partner:str}/confirmations/{deal:str}/answer", Right.CONTRACT, tags=["trade"])
def answer_confirmation(
    office: OfficeDep,
    request: Asked,
    idempotency_key: KeyHeader,
    partner: PartyPath,
    deal: NamePath,
    data: JSONBody[AnswerDeal],
    body: RawBody,
) -> Response[Queued]:
    """Accept a confirmation, or object to it."""
    return desk_act(
        office,
        request,
        idempotency_key,
        body,
        partner,
        lambda desk: answer_deal(desk, ConfirmationId(deal), data.objection, data.detail),
    )


ROUTES = [
    get_book,
    list_void,
    get_digest,
    get_effects,
    sign_contract,
    notify,
    answer_confirmation,
]
