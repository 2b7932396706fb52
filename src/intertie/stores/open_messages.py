"""Messages to one partner that are queued or on their way: of all that are kept a handful, found without a look at the rest."""

from __future__ import annotations

from collections.abc import Callable

from intertie.exchange.outbound import State
from intertie.gateway.ports import Query

_OPEN = frozenset({State.QUEUED, State.SENDING})


def is_open(query: Query) -> bool:
    """Whether it asks for nothing but these."""
    asked = query.outgoing and query.partner is not None and query.states is not None
    return asked and _OPEN.issuperset(query.states or ())


def open_messages(mark: Callable[[str], str]) -> str:
    """A condition on messages AS m that holds for them; `mark` writes a named value. Each half has an index: what waits by
    its recipient, what is on its way by the parcel that has no receipt."""
    partner = mark("partner")
    return f"""m.seq IN (
        SELECT q.seq FROM messages AS q WHERE q.outgoing = 1 AND q.state = 'queued' AND q.recipient = {partner}
        UNION ALL SELECT s.seq FROM parcels AS w JOIN messages AS s ON s.parcel = w.number
        WHERE w.outgoing = 1 AND w.state = 'waiting' AND w.partner = {partner})"""  # noqa: S608 - constants
