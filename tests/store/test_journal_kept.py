"""What every store promises of its journal, of partners' heads, and of waiting for changes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from store_builders import (
    NOW,
    OTHER,
    THEM,
    act,
    message_id,
    outgoing,
    queued_entries,
    refusal,
    sqlite_store,
    take_in,
    verify,
)

from intertie.gateway.ports import Query, Store
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry, Kind, entry_bytes
from intertie.model.errors import EvidenceError, StoreError
from intertie.seal.tree import leaf_hash, root


def test_empty_journal(store: Store) -> None:
    assert store.head() == Head(0, root([]))
    assert store.entries() == []
    assert verify_journal(store) == store.head()


def test_note(store: Store) -> None:
    first, second, third = act("a"), act("b"), act("c")
    assert store.note([first]) == Head(1, leaf_hash(entry_bytes(first)))
    head = store.note([second, third])
    leaves = [leaf_hash(entry_bytes(e)) for e in (first, second, third)]
    assert head == store.head() == Head(3, root(leaves))
    assert store.entries() == [
        (i, entry_bytes(e), leaf)
        for i, (e, leaf) in enumerate(zip((first, second, third), leaves, strict=True))
    ]
    assert [i for i, _, _ in store.entries(after=1)] == [1, 2]
    assert [i for i, _, _ in store.entries(after=1, limit=1)] == [1]
    assert store.note([]) == head


def test_an_entry_that_could_not_be_read_back_is_not_written(store: Store) -> None:
    bad = Entry(kind=Kind.ACT, at=NOW, digest="nothing")
    with pytest.raises(EvidenceError):
        store.note([act("a"), bad])
    with pytest.raises(EvidenceError):
        store.add_outgoing([outgoing(1)], [bad], NOW)
    assert store.head().size == 0
    assert store.message(message_id(1)) is None


def test_every_earlier_head_lies_on_the_way(store: Store) -> None:
    heads = [store.note([act(str(n))]) for n in range(20)]
    assert verify(store, heads) == heads[-1]
    forged = [Head(7, b"\0" * 32)]
    with pytest.raises(EvidenceError, match="size 7"):
        verify(store, forged)


def test_partner_heads(store: Store) -> None:
    one, two, fork = Head(5, b"1" * 32), Head(3, b"2" * 32), Head(5, b"3" * 32)
    for head in (one, two, one, fork):
        store.add_partner_head(THEM, head, NOW)
    assert store.partner_heads(THEM) == [one, two, fork]
    assert store.partner_heads(OTHER) == []


WRITES = {
    "queue": lambda store: store.add_outgoing([outgoing(1)], queued_entries([outgoing(1)]), NOW),
    "accept": lambda store: take_in(store, 1, [1]),
    "refuse": lambda store: store.refuse(refusal(1)),
    "note": lambda store: store.note([act()]),
    "number": lambda store: store.next_seq(THEM),
    "head": lambda store: store.add_partner_head(THEM, Head(1, b"1" * 32), NOW),
}


@pytest.mark.parametrize("write", sorted(WRITES))
def test_changed_after_each_write_and_not_without(store: Store, write: str) -> None:
    before = store.changed()
    store.head()
    store.messages(Query(outgoing=True))
    store.expire(NOW)
    assert store.changed() == before
    WRITES[write](store)
    assert store.changed() != before


def test_closed_store_says_so(store: Store) -> None:
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.head()
    with pytest.raises(StoreError, match="closed"):
        store.note([act()])
    with pytest.raises(StoreError, match="closed"):
        store.changed()
    store.close()


def test_many_threads_make_one_tree(store: Store) -> None:
    def work(thread: int) -> None:
        for n in range(10):
            number = thread * 100 + n
            take_in(store, number, [number])
            store.add_outgoing([outgoing(number)], [act(str(number))], NOW)
            store.head()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert store.counts() == {(False, "accepted"): 80, (True, "queued"): 80}
    assert verify(store).size == 80 * 3
    rows = store.messages(Query(outgoing=False, limit=1000))
    assert len({row.seq for row in rows}) == 80
    assert all(row.leaf == leaf_hash(row.body) for row in rows)


def test_two_openings_of_one_file_make_one_tree(tmp_path: Path) -> None:
    first, second = sqlite_store(tmp_path / "s.db"), sqlite_store(tmp_path / "s.db")
    seen = second.changed()
    heads = [(first if n % 2 else second).note([act(str(n))]) for n in range(10)]
    assert second.changed() != seen
    take_in(first, 1, [1, 2])
    assert second.find_incoming(THEM, [message_id(1)])
    assert take_in(second, 1, [1, 2]) == take_in(first, 1, [1, 2])
    assert verify(second, heads) == first.head()
    first.close()
    assert second.head().size == 13
    second.close()
