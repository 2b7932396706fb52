"""What is queued or on its way to one partner or to all: the same as a look at every message finds, and found by indexes."""

from __future__ import annotations

from datetime import timedelta
from itertools import combinations
from pathlib import Path

import apsw
import pytest
from store_builders import (
    NOW,
    OTHER,
    THEM,
    act,
    outgoing,
    parcel,
    parcel_id,
    queued_entries,
    sqlite_store,
)

from intertie.exchange.outbound import State
from intertie.gateway.ports import Query, Store
from intertie.model.ids import DocumentName, PartyId
from intertie.stores.open_messages import is_open
from intertie.stores.sqlite_read import select_messages

OPEN = (State.QUEUED, State.SENDING)
SUBSETS = [list(some) for count in range(3) for some in combinations(OPEN, count)]


@pytest.fixture
def full(store: Store) -> Store:
    """To each of two partners ten messages in every state that there is, among them some that left a parcel again."""
    for partner, first in ((THEM, 0), (OTHER, 100)):
        new = [
            outgoing(
                first + n,
                to=partner,
                document=("dispatch", "invoice")[n % 2],
                expires=NOW + timedelta(days=9),
            )
            for n in range(1, 41)
        ]
        store.add_outgoing(new, queued_entries(new), NOW)
        for place, ends in enumerate((None, State.ACCEPTED, State.QUEUED, State.REFUSED)):
            some = new[place * 10 : place * 10 + 6]
            number = first + place
            store.add_parcel(parcel(number, some, out=True, partner=partner), [one.id for one in some], NOW)
            if ends is not None:
                said = [(one.id, ends, "so") for one in some]
                store.close_parcel(parcel_id(number), b"receipt", said, [act(str(number))], NOW)
        store.set_state(new[38].id, State.CANCELLED, "", [act("c")], NOW)
        store.set_state(new[39].id, State.FAILED, "", [act("f")], NOW)
    store.retry_parcel(parcel_id(0), NOW + timedelta(minutes=1), "no answer")
    return store


@pytest.mark.parametrize("states", SUBSETS)
@pytest.mark.parametrize("partner", [THEM, OTHER, None, PartyId("nobody.example")])
@pytest.mark.parametrize("document", [None, DocumentName("invoice")])
def test_the_same_as_a_look_at_everything(
    full: Store, states: list[State], partner: PartyId | None, document: DocumentName | None
) -> None:
    query = Query(outgoing=True, partner=partner, states=states, document=document, limit=1000)
    assert is_open(query)
    plain = [
        row
        for row in full.messages(Query(outgoing=True, limit=1000))
        if partner in (None, row.recipient) and row.state in states and document in (None, row.document)
    ]
    assert full.messages(query) == plain and (plain or not states or partner not in (THEM, OTHER, None))
    assert full.messages(query._replace(limit=3)) == plain[:3]
    if plain:
        after = plain[len(plain) // 2].seq
        assert full.messages(query._replace(after=after)) == [row for row in plain if row.seq > after]


def test_what_else_is_asked_for_is_not_open() -> None:
    asked = Query(outgoing=True, partner=THEM, states=OPEN)
    assert is_open(asked) and is_open(asked._replace(states=[State.SENDING], partner=None))
    for other in (
        asked._replace(outgoing=False),
        asked._replace(states=None),
        asked._replace(states=[State.QUEUED, State.ACCEPTED]),
    ):
        assert not is_open(other)


# Each has rows of what is open only: all of it may be looked at.
OF_THE_OPEN = ("messages_queued", "messages_expiring", "parcels_waiting")


@pytest.mark.parametrize("partner", [THEM, None])
def test_no_look_at_every_message(tmp_path: Path, partner: PartyId | None) -> None:
    """SQLite says how it would answer: by the indexes of what is open and by number, never through the whole table."""
    sqlite_store(tmp_path / "store.db").close()
    db = apsw.Connection(str(tmp_path / "store.db"))
    sql, values = select_messages(Query(outgoing=True, partner=partner, states=OPEN))
    plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    led = [
        line for line in plan if line.endswith(OF_THE_OPEN) or any(f"{one} (" in line for one in OF_THE_OPEN)
    ]
    assert len(led) == 2 and sum("parcels_waiting" in line for line in led) == 1, plan
    assert not [line for line in plan if line.startswith("SCAN") and line not in led], plan
    db.close()
