"""Revoked access tokens, and messages put off: every store keeps these promises."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_builders import NOW, OTHER, THEM, message_id, outgoing, queued_entries

from intertie.exchange.outbound import State
from intertie.gateway.ports import RevokedToken, Store
from intertie.model.errors import StoreError
from intertie.stores.memory import MemoryStore
from intertie.stores.sqlite import SqliteStore

SOON = NOW + timedelta(seconds=330)
SECOND = timedelta(seconds=1)


def revoked(number: int, until: object = SOON) -> RevokedToken:
    return RevokedToken(message_id(number), THEM, until)  # type: ignore[arg-type]


def test_nothing_is_revoked_at_first(store: Store) -> None:
    assert not store.token_revoked(message_id(1), THEM, NOW)
    assert store.revoked_tokens(NOW) == []
    assert store.revoked_partners() == {}


def test_one_token_is_revoked_and_no_other(store: Store) -> None:
    store.revoke_token(revoked(1), NOW)
    assert store.token_revoked(message_id(1), THEM, NOW)
    assert not store.token_revoked(message_id(2), THEM, NOW)
    assert store.revoked_tokens(NOW) == [revoked(1)]


def test_twice_is_once(store: Store) -> None:
    store.revoke_token(revoked(1), NOW)
    store.revoke_token(revoked(1), NOW)
    assert store.revoked_tokens(NOW) == [revoked(1)]


def test_what_has_ended_is_forgotten_with_the_next_one(store: Store) -> None:
    store.revoke_token(revoked(1), NOW)
    store.revoke_token(revoked(2, SOON + SECOND), NOW)
    assert [token.id for token in store.revoked_tokens(SOON)] == [message_id(2)]
    store.revoke_token(revoked(3, SOON + timedelta(hours=1)), SOON)
    assert not store.token_revoked(message_id(1), THEM, NOW)
    assert store.token_revoked(message_id(2), THEM, NOW)


def test_all_of_a_partner_up_to_a_time(store: Store) -> None:
    store.revoke_tokens_of(THEM, NOW)
    assert store.token_revoked(message_id(1), THEM, NOW - SECOND)
    assert store.token_revoked(message_id(1), THEM, NOW)
    assert not store.token_revoked(message_id(1), THEM, NOW + SECOND)
    assert not store.token_revoked(message_id(1), OTHER, NOW - SECOND)
    assert store.revoked_partners() == {THEM: NOW}


def test_an_earlier_time_takes_nothing_back(store: Store) -> None:
    store.revoke_tokens_of(THEM, NOW)
    store.revoke_tokens_of(THEM, NOW - timedelta(hours=1))
    assert store.revoked_partners() == {THEM: NOW}
    store.revoke_tokens_of(THEM, NOW + SECOND)
    assert store.revoked_partners() == {THEM: NOW + SECOND}


def test_revocations_are_no_journal_entries_and_wake_whoever_waits(store: Store) -> None:
    before, size = store.changed(), store.head().size
    store.revoke_token(revoked(1), NOW)
    store.revoke_tokens_of(THEM, NOW)
    assert store.changed() != before
    assert store.head().size == size


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    for ask in (
        lambda: store.token_revoked(message_id(1), THEM, NOW),
        lambda: store.revoke_token(revoked(1), NOW),
        lambda: store.revoke_tokens_of(THEM, NOW),
    ):
        with pytest.raises(StoreError):
            ask()


def test_it_survives_a_restart_and_holds_for_other_processes(tmp_path: Path) -> None:
    here = SqliteStore(tmp_path / "store.db")
    assert not here.token_revoked(message_id(1), THEM, NOW)
    there = (
        "import sys; from pathlib import Path; from datetime import datetime;"
        "from intertie.gateway.ports import RevokedToken; from intertie.stores.sqlite import SqliteStore;"
        "store = SqliteStore(Path(sys.argv[1])); now = datetime.fromisoformat(sys.argv[2]);"
        "store.revoke_token(RevokedToken(sys.argv[3], sys.argv[4], now.replace(year=2030)), now);"
        "store.revoke_tokens_of('other.example', now); store.close()"
    )
    arguments = [str(tmp_path / "store.db"), NOW.isoformat(), message_id(1), THEM]
    subprocess.run([sys.executable, "-c", there, *arguments], check=True, timeout=60)
    assert here.token_revoked(message_id(1), THEM, NOW)
    assert here.token_revoked(message_id(9), OTHER, NOW)
    here.close()
    again = SqliteStore(tmp_path / "store.db")
    assert again.token_revoked(message_id(1), THEM, NOW)
    assert again.revoked_partners() == {OTHER: NOW}
    again.close()


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("token"), st.integers(1, 5), st.integers(0, 60)),
        st.tuples(st.just("partner"), st.sampled_from([THEM, OTHER]), st.integers(0, 60)),
    ),
    max_size=12,
)


@given(ACTS)
@settings(max_examples=25, deadline=None)
def test_the_twins_agree(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, object, int]]
) -> None:
    twins: list[Store] = [MemoryStore(), SqliteStore(tmp_path_factory.mktemp("twin") / "store.db")]
    for store in twins:
        for kind, what, seconds in acts:
            at = NOW + timedelta(seconds=seconds)
            if kind == "token":
                store.revoke_token(revoked(what, at + 20 * SECOND), at)  # type: ignore[arg-type]
            else:
                store.revoke_tokens_of(what, at)  # type: ignore[arg-type]
    said = [
        (
            store.revoked_tokens(NOW),
            store.revoked_partners(),
            [store.token_revoked(message_id(n), who, NOW) for n in range(1, 6) for who in (THEM, OTHER)],
        )
        for store in twins
    ]
    for store in twins:
        store.close()
    assert said[0] == said[1]


# Messages put off


def row_of(store: Store, number: int) -> object:
    row = store.message(message_id(number), outgoing=True)
    assert row is not None
    return row.state, row.attempts, row.next_attempt, row.detail


def test_what_is_put_off_waits_until_its_time(store: Store) -> None:
    queued = [outgoing(1), outgoing(2)]
    store.add_outgoing(queued, queued_entries(queued), NOW)
    later = NOW + timedelta(seconds=10)
    store.defer([message_id(1)], later, "nobody at home")
    assert row_of(store, 1) == (State.QUEUED, 1, later, "nobody at home")
    assert row_of(store, 2) == (State.QUEUED, 0, None, "")
    taken = store.take_outgoing(THEM, NOW, count=10, size=10**6)
    assert [row.id for row in taken] == [message_id(2)]
    store.defer([message_id(1), message_id(2)], later, "again")
    assert store.next_partners(NOW) == []
    assert len(store.next_partners(later)) == 1
    assert row_of(store, 1) == (State.QUEUED, 2, later, "again")


def test_what_has_moved_on_is_not_put_off(store: Store) -> None:
    queued = [outgoing(1)]
    store.add_outgoing(queued, queued_entries(queued), NOW)
    store.set_state(message_id(1), State.CANCELLED, "taken back", [], NOW)
    store.defer([message_id(1), message_id(77)], SOON, "late")
    assert row_of(store, 1) == (State.CANCELLED, 0, None, "taken back")
