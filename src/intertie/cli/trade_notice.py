"""`intertie trade notice`: a notice under a contract."""

from __future__ import annotations

from intertie.cli._shared import HERE, Dir, Json
from intertie.cli._trade import book_with, contract_in, say
from intertie.market import contract
from intertie.model.agreement import ContractAction, ContractNotice, DefaultReason
from intertie.model.ids import AgreementId, PartyId
from intertie.run import opened


def notice(
    partner: PartyId,
    agreement: AgreementId,
    action: ContractAction,
    /,
    *,
    reason: DefaultReason | None = None,
    text: str = "",
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Decline a proposed text; suspend, resume or terminate a contract; declare a default, or that it is cured."""
    with opened(dir) as it:
        known = contract_in(book_with(it, partner), agreement)
        now = it.clock()
        held = known.text_at(now)
        revision = known.revision if action is ContractAction.DECLINE or held is None else held.revision
        effective = None
        if action is ContractAction.TERMINATE and held is not None and known.default is None:
            effective = contract.earliest_end(held, now)
        body = ContractNotice(
            agreement=agreement,
            revision=revision,
            action=action,
            reason=reason,
            effective=effective,
            text=text,
        )
        say(it, partner, body, None, json=json)
