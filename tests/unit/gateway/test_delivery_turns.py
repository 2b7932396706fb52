"""Who delivers to a partner, of several processes over one store."""

from __future__ import annotations

import pytest

from intertie.gateway.sending.turns import HOUSEKEEPING, Turns
from intertie.model.errors import StoreError
from intertie.model.ids import PartyId
from intertie.stores.memory import MemoryStore

US, THEM = PartyId("a.example"), PartyId("b.example")


class Database:
    """Claims as a database keeps them: of one process at a time."""

    def __init__(self) -> None:
        self.held: dict[str, object] = {}
        self.away = False


class Process(MemoryStore):
    """One process's store over it."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database

    def claim(self, what: str) -> bool:
        if self.database.away:
            raise StoreError("the database cannot be reached")
        return self.database.held.setdefault(what, self) is self

    def unclaim(self, what: str) -> None:
        if self.database.held.get(what) is self:
            del self.database.held[what]


def two() -> tuple[Database, Turns, Turns]:
    database = Database()
    return database, Turns(Process(database)), Turns(Process(database))


def test_one_process_at_a_time_delivers_to_a_partner() -> None:
    _, one, other = two()
    with one.turn(US) as ours:
        assert ours
        with other.turn(US) as theirs, other.turn(THEM) as another:
            assert not theirs and another
        with other.turn(US) as still:
            assert not still, "being refused gives nothing back"
    with other.turn(US) as theirs:
        assert theirs


def test_the_lanes_of_one_process_share_a_claim_until_the_last_is_done() -> None:
    _, one, other = two()
    first, second = one.turn(US), one.turn(US)
    assert first.__enter__() and second.__enter__()
    first.__exit__(None, None, None)
    with other.turn(US) as theirs:
        assert not theirs
    second.__exit__(None, None, None)
    with other.turn(US) as theirs:
        assert theirs


def test_a_delivery_that_fails_gives_its_turn_back() -> None:
    _, one, other = two()
    with pytest.raises(ZeroDivisionError), one.turn(US):
        raise ZeroDivisionError
    with other.turn(US) as theirs:
        assert theirs


def test_a_store_that_is_away_is_an_error_and_leaves_no_count() -> None:
    database, one, other = two()
    database.away = True
    with pytest.raises(StoreError), one.turn(US):
        raise AssertionError("not reached")
    database.away = False
    with one.turn(US) as ours:
        assert ours
    with other.turn(US) as theirs:
        assert theirs, "the last one was counted out"


def test_one_keeps_house_and_nobody_while_the_store_is_away() -> None:
    database, one, other = two()
    assert one.keeps_house() and one.keeps_house()
    assert not other.keeps_house()
    database.away = True
    assert not one.keeps_house()
    database.away = False
    del database.held[HOUSEKEEPING]  # its session ended
    assert other.keeps_house() and not one.keeps_house()


def test_a_store_of_one_process_refuses_nobody() -> None:
    turns = Turns(MemoryStore())
    with turns.turn(US) as ours, turns.turn(US) as again:
        assert ours and again and turns.keeps_house()
