"""Messages that are queued or on their way, to one partner or to all: of all that are kept a handful, found without a look at the
rest."""

from __future__ import annotations

from collections.abc import Callable

from intertie.exchange.outbound import State
from intertie.gateway.ports import Query

_OPEN = frozenset({State.QUEUED, State.SENDING})


def is_open(query: Query) -> bool:
    """Whether it asks for nothing but these."""
    return query.outgoing and query.states is not None and _OPEN.issuperset(query.states)


def open_messages(query: Query, mark: Callable[[str], str]) -> str:
    """A condition on messages AS m that holds for them; `mark` writes a named value. Each half has an index: what waits by
    its recipient, what is on its way by the parcel that has no receipt."""
    to = of = ""
    if query.partner is not None:
        to, of = f" AND q.recipient = {mark('partner')}", f" AND w.partner = {mark('partner')}"
    return f"""m.seq IN (
        SELECT q.seq FROM messages AS q WHERE q.outgoing = 1 AND q.state = 'queued'{to}
        UNION ALL SELECT s.seq FROM parcels AS w JOIN messages AS s ON s.parcel = w.number
        WHERE w.outgoing = 1 AND w.state = 'waiting'{of})"""  # noqa: S608 - constants
