"""`intertie trade sign`: our signature under a proposed contract."""

from __future__ import annotations

from intertie.cli._shared import HERE, Dir, Json
from intertie.cli._trade import book_with, contract_in, say
from intertie.market import contract
from intertie.model.agreement import ContractSignature
from intertie.model.errors import SettingsError
from intertie.model.ids import AgreementId, PartyId
from intertie.run import opened


def sign(
    partner: PartyId, agreement: AgreementId, /, *, signatory: str = "", dir: Dir = HERE, json: Json = False
) -> None:
    """Sign the newest text of a contract that was proposed."""
    with opened(dir) as it:
        draft = contract_in(book_with(it, partner), agreement).draft
        if draft is None:
            raise SettingsError(f"no text of {agreement} waits to be signed", do="see `intertie trade show`")
        terms = contract.terms_hash(draft.text)
        body = ContractSignature(
            agreement=agreement, revision=draft.text.revision, terms=terms, signatory=signatory
        )
        say(it, partner, body, None, json=json)
