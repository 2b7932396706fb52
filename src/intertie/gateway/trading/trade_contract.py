"""Acts about the contract and its deals: signature, notice, and the answer to a confirmation."""

from __future__ import annotations

from intertie.gateway.trading.trade_desk import Desk
from intertie.market import contract
from intertie.market.contract import Contract
from intertie.model.agreement import (
    BaseContract,
    ContractAction,
    ContractNotice,
    ContractSignature,
    DefaultReason,
)
from intertie.model.contract import (
    Confirmation,
    ConfirmationAnswer,
    ConfirmationResponse,
    Objection,
    ObjectionReason,
)
from intertie.model.errors import SettingsError
from intertie.model.ids import AgreementId, ConfirmationId, MessageId
from intertie.model.made import changed, made


def find_contract(desk: Desk, agreement: AgreementId) -> Contract:
    """The contract of this name; SettingsError if nobody proposed it."""
    known = desk.book.contracts.get(agreement)
    if known is None:
        raise SettingsError(f"no contract {agreement} was proposed", do="see `intertie trade show`")
    return known


def propose(desk: Desk, text: BaseContract) -> MessageId:
    """Propose a contract, or another text of it: its revision is the next one, whatever it says."""
    known = desk.drafted.contracts.get(text.agreement)
    body = changed(text, revision=known.revision + 1 if known else 1)
    return desk.say(body)[0]


def sign(desk: Desk, agreement: AgreementId, signatory: str = "") -> MessageId:
    """Sign the newest text of a contract that was proposed."""
    draft = find_contract(desk, agreement).draft
    if draft is None:
        raise SettingsError(f"no text of {agreement} waits to be signed", do="see `intertie trade show`")
    terms = contract.terms_hash(draft.text)
    body = made(
        ContractSignature,
        agreement=agreement,
        revision=draft.text.revision,
        terms=terms,
        signatory=signatory,
    )
    return desk.say(body)[0]


def give_notice(
    desk: Desk,
    agreement: AgreementId,
    action: ContractAction,
    reason: DefaultReason | None = None,
    text: str = "",
) -> MessageId:
    """Decline a proposed text; suspend, resume or terminate; declare a default, or that it is cured."""
    known = find_contract(desk, agreement)
    held = known.text_at(desk.now)
    revision = known.revision if action is ContractAction.DECLINE or held is None else held.revision
    effective = None
    if action is ContractAction.TERMINATE and held is not None and known.default is None:
        effective = contract.earliest_end(held, desk.now)
    body = made(
        ContractNotice,
        agreement=agreement,
        revision=revision,
        action=action,
        reason=reason,
        effective=effective,
        text=text,
    )
    return desk.say(body)[0]


def confirm(desk: Desk, terms: Confirmation) -> MessageId:
    """Confirm a deal, or revise one that was objected to: its revision is the next one, whatever it says."""
    known = desk.drafted.deals.get(terms.confirmation)
    body = changed(terms, revision=known.terms.revision + 1 if known else 1)
    return desk.say(body)[0]


def answer_deal(
    desk: Desk, deal: ConfirmationId, objection: ObjectionReason | None = None, detail: str = ""
) -> MessageId:
    """Accept a confirmation, or object to it."""
    known = desk.book.deals.get(deal)
    if known is None:
        raise SettingsError(f"no deal {deal} with {desk.partner}", do="see `intertie trade show`")
    reasons = () if objection is None else (Objection(reason=objection, detail=detail),)
    said = ConfirmationAnswer.ACCEPTED if objection is None else ConfirmationAnswer.OBJECTED
    body = made(
        ConfirmationResponse,
        confirmation=deal,
        answer=said,
        reasons=reasons,
        revision=known.terms.revision,
    )
    return desk.under(known.terms.agreement).say(body)[0]
