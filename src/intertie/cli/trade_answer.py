"""`intertie trade answer`: our answer to a confirmation."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json
from intertie.cli._trade import book_with, say
from intertie.model.contract import ConfirmationAnswer, ConfirmationResponse, Objection, ObjectionReason
from intertie.model.errors import SettingsError
from intertie.model.ids import ConfirmationId, PartyId
from intertie.run import opened


def answer(
    partner: PartyId,
    deal: ConfirmationId,
    /,
    *,
    object: Annotated[ObjectionReason | None, Parameter(help="Object for this reason; else accept.")] = None,
    detail: str = "",
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Accept a confirmation, or object to it."""
    with opened(dir) as it:
        known = book_with(it, partner).deals.get(deal)
        if known is None:
            raise SettingsError(f"no deal {deal} with {partner}", do="see `intertie trade show`")
        reasons = () if object is None else (Objection(reason=object, detail=detail),)
        said = ConfirmationAnswer.ACCEPTED if object is None else ConfirmationAnswer.OBJECTED
        body = ConfirmationResponse(
            confirmation=deal, answer=said, reasons=reasons, revision=known.terms.revision
        )
        say(it, partner, body, known.terms.agreement, json=json)
