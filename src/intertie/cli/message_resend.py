"""`intertie message resend`: a dead letter again, as a new message."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from intertie.cli._shared import HERE, Dir, Json, print_json
from intertie.gateway.sending.resend import resend as send_again
from intertie.model.ids import MessageId
from intertie.run import opened


def resend(
    id: MessageId,
    /,
    *,
    hours: Annotated[
        float | None,
        Parameter(
            help="How long it may live; as long as the first one if not given.",
            validator=Number(gt=0, lte=8784),
        ),
    ] = None,
    may_have_arrived: Annotated[
        bool, Parameter(negative=(), help="Send it even though the partner may have the first one.")
    ] = False,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Send the content of a dead letter (`intertie outbox --dead`) again, once, as a new message that is linked to it.

    A message that left and was never answered may have arrived: it would then take effect twice, so that has to be said.

    Parameters
    ----------
    id
        The dead letter's id.
    """
    life = None if hours is None else timedelta(hours=hours)
    with opened(dir) as it:
        new = send_again(it.gateway, id, it.clock(), life=life, anyway=may_have_arrived)
    print_json({"message": new, "resends": id}) if json else print(f"Queued as {new}.")
