"""`intertie settle resolve`: answer a dispute of an invoice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._settle import Minutes, settling
from intertie.cli._shared import HERE, Dir, Json, PartyOption
from intertie.cli._trade import Under, Wait, told
from intertie.gateway.settlement.settle_dispute import Asked, resolve
from intertie.model.billing import Resolution
from intertie.model.errors import SettingsError


def resolve_dispute(
    partner: PartyOption,
    dispute: str,
    how: Resolution,
    /,
    *,
    agreed: Annotated[
        Sequence[str], Parameter(help="To split: LINE=AMOUNT; lines not named are split in the middle.")
    ] = (),
    corrected: Annotated[
        str, Parameter(help="To correct: the new invoice's name (default: OLD-corrected).")
    ] = "",
    due: Annotated[date | None, Parameter(help="To correct: when the new one is due.")] = None,
    text: Annotated[str, Parameter(help="A sentence for the partner.")] = "",
    minutes: Minutes = 15,
    agreement: Under = None,
    wait: Wait = 0.0,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """Answer a dispute: concede what was expected, correct the invoice, split the difference, or reject it.

    A correction is worked out again from what this gateway holds now; if that does not come to what the partner expects,
    nothing is sent. Lines that are not disputed stay payable whatever the answer.

    Parameters
    ----------
    partner
        Who disputed.
    dispute
        Its name.
    how
        conceded, corrected, split or rejected.
    """
    said = Asked(amounts(agreed), corrected, due, text, minutes)
    with settling(dir, partner, agreement) as held:
        sent = resolve(held.desk, held.readings, dispute, how, said)
        return told(held.it, sent, wait, json=json, resolution=how)


def amounts(given: Sequence[str]) -> dict[int, Decimal]:
    """LINE=AMOUNT as numbers; SettingsError."""
    found: dict[int, Decimal] = {}
    for one in given:
        line, _, amount = one.partition("=")
        try:
            found[int(line)] = Decimal(amount)
        except (ValueError, InvalidOperation) as error:
            raise SettingsError(f"{one} is not LINE=AMOUNT", do="Write it as 3=12.50.") from error
    return found
