"""What the commands of the trade share."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._receipts import wait_for
from intertie.cli._shared import PartyOption, print_json
from intertie.exchange.outbound import DELIVERED
from intertie.gateway.trading.trade_desk import Desk
from intertie.model.errors import IntertieError
from intertie.model.ids import AgreementId, MessageId, PartyId
from intertie.run import Opened, opened

PartnerOption = Annotated[PartyOption, Parameter(help="The partner.")]
Under = Annotated[
    AgreementId | None, Parameter(name="--agreement", help="Default: the only one in force with the partner.")
]
Wait = Annotated[
    float,
    Parameter(
        name="--wait",
        help="Seconds to wait for what is answered, and the receipt; 1 is the exit without.",
    ),
]
# How often a desk is looked at, while what is waited for has not come.
LOOK_SECONDS = 0.1


@contextlib.contextmanager
def desk_with(
    dir: Path,
    partner: PartyId,
    agreement: AgreementId | None = None,
    *,
    wait: float = 0.0,
    ready: Callable[[Desk], object] | None = None,
) -> Iterator[tuple[Opened, Desk]]:
    """The gateway of a directory, opened, and the trade with a partner: as it is, or, with a wait, once it is `ready`."""
    end = time.monotonic() + wait
    with opened(dir) as it:
        while True:
            desk = Desk(it.gateway, partner, it.clock(), agreement)
            if ready is None or time.monotonic() >= end or ready(desk):
                break
            time.sleep(LOOK_SECONDS)
        yield it, desk


def has_agreement(desk: Desk) -> bool:
    """Whether there is one to speak under."""
    try:
        return bool(desk.agreement)
    except IntertieError:
        return False


def told(it: Opened, messages: Sequence[MessageId], wait: float, *, json: bool, **more: object) -> int:
    """Print what was queued, and what became of it if there is a wait; the exit code. `more` is for programs."""
    found = wait_for(it.gateway.store, messages, wait)
    states = {id: row.state for id, row in found.items()}
    if json:
        print_json({**more, "messages": [{"id": id, "state": states[id].value} for id in messages]})
    for id in () if json else messages:
        why = f": {found[id].detail}" if found[id].detail else ""
        print(f"{id} {states[id]}{why}" if wait > 0 else f"Queued as {id}.")
    return int(wait > 0 and any(state not in DELIVERED for state in states.values()))
