"""What every store promises for proofs: the tree in rows, signed parcels, partners' heads, time stamps."""

from __future__ import annotations

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
    refusal,
    sqlite_store,
    take_in,
)

from intertie.gateway.ports import Store
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Kind, read_entry
from intertie.journal.rows import TreeRows, check_rows
from intertie.model.errors import StoreError
from intertie.seal.tree import consistency_proof, leaf_hash, root
from intertie.stores.sqlite_proof import PARCEL_ENTRIES

START = Head(-1, b"")


def test_rows_of_the_tree(store: Store) -> None:
    store.note([act(str(n)) for n in range(700)])
    leaves = [leaf for _, _, leaf in store.entries(limit=1000)]
    assert store.tree_row(0, 3, 6) == b"".join(leaves[3:6])
    assert store.tree_row(0, 698, 9999) == b"".join(leaves[698:])
    assert (store.tree_row_size(8), store.tree_row(8, 0, 5)) == (0, b"")
    assert TreeRows(store).consistency(300, 700) == consistency_proof(leaves, 300)
    assert store.tree_row_size(8) == 2
    assert store.tree_row(8, 0, 5) == root(leaves[:256]) + root(leaves[256:512])
    check_rows(store)


def test_what_is_in_a_row_stays(store: Store) -> None:
    store.add_tree_row(8, 0, b"1" * 32 + b"2" * 32)
    store.add_tree_row(8, 1, b"9" * 32 + b"3" * 32)
    assert store.tree_row(8, 0, 9) == b"1" * 32 + b"2" * 32 + b"3" * 32


def test_signed_parcels_in_and_out(store: Store) -> None:
    receipt = take_in(store, 1, [1, 2])
    messages = [outgoing(3)]
    store.add_outgoing(messages, [], NOW)
    store.add_parcel(parcel(2, messages, out=True), [messages[0].id], NOW)
    take_in(store, 3, [4], sender=OTHER)
    found = store.signed_parcels()
    assert [(p.number, p.id, p.outgoing, p.partner) for p in found] == [
        (1, parcel_id(1), False, THEM),
        (2, parcel_id(2), True, THEM),
        (3, parcel_id(3), False, OTHER),
    ]
    assert (found[0].receipt, found[1].receipt, found[0].at) == (receipt, None, NOW)
    assert found[0].manifest == b'{"manifest":1}'
    assert store.signed_parcels(after=1, limit=1) == found[1:2]
    assert store.signed_parcels(outgoing=False) == [found[0], found[2]]
    assert store.signed_parcels(partner=THEM, outgoing=True) == [found[1]]


def test_entries_of_a_parcel(store: Store) -> None:
    store.note([act()])
    take_in(store, 1, [1, 2])
    store.refuse(refusal(9))
    take_in(store, 2, [3])
    found = store.parcel_entries(parcel_id(1))
    assert [(index, read_entry(raw).kind) for index, raw in found] == [
        (1, Kind.MESSAGE_IN),
        (2, Kind.MESSAGE_IN),
        (3, Kind.RECEIPT_OUT),
    ]
    assert [index for index, _ in store.parcel_entries(parcel_id(9))] == [4]
    assert store.parcel_entries(parcel_id(1), limit=2) == found[:2]
    assert store.parcel_entries(parcel_id(77)) == []
    assert leaf_hash(found[0][1]) == store.tree_row(0, 1, 2)


def test_heads_by_size_and_what_was_proven(store: Store) -> None:
    heads = [Head(3, b"1" * 32), Head(5, b"1" * 32), Head(5, b"2" * 32), Head(9, b"0" * 32)]
    for head in reversed(heads):
        store.add_partner_head(THEM, head, NOW)
    store.add_partner_head(OTHER, Head(4, b"7" * 32), NOW)
    assert store.witnessed_heads(THEM, after=START, limit=9) == heads
    assert store.witnessed_heads(THEM, after=heads[1], limit=1) == heads[2:3]
    assert store.unproven_heads(THEM, after=START, limit=9) == heads
    assert store.proven_head(THEM) is None
    new = Head(12, b"4" * 32)
    store.mark_proven(THEM, [heads[0], heads[3], new], NOW)
    assert store.proven_head(THEM) == new
    assert store.unproven_heads(THEM, after=START, limit=9) == heads[1:3]
    assert store.witnessed_heads(THEM, after=START, limit=9) == [*heads, new]
    assert store.partner_heads(THEM)[-1] == new
    store.add_partner_head(THEM, new, NOW)
    assert store.proven_head(THEM) == new
    assert store.proven_head(OTHER) is None


def test_a_partners_word_for_a_head(store: Store) -> None:
    one, two = Head(3, b"1" * 32), Head(8, b"2" * 32)
    store.add_partner_head(THEM, one, NOW)
    assert store.kept_checkpoint(THEM, one) is None
    store.keep_checkpoint(THEM, one, b"signed", NOW)
    store.keep_checkpoint(THEM, one, b"signed again", NOW)
    store.keep_checkpoint(THEM, two, b"signed too", NOW)
    assert [store.kept_checkpoint(THEM, head) for head in (one, two)] == [b"signed", b"signed too"]
    assert store.kept_checkpoint(OTHER, one) is None
    assert (store.proven_head(THEM), store.partner_heads(THEM)) == (two, [one, two])


def test_stamps(store: Store) -> None:
    small, large = Head(3, b"1" * 32), Head(8, b"2" * 32)
    one, two = store.add_stamp(small, b"ask", NOW), store.add_stamp(large, b"ask again", NOW)
    assert [s.number for s in store.stamps()] == [one, two]
    assert store.stamps(answered=True) == []
    assert store.last_stamp() is None
    store.answer_stamp(two, b"reply")
    assert [(s.head, s.request, s.reply, s.at) for s in store.stamps(answered=True)] == [
        (large, b"ask again", b"reply", NOW)
    ]
    assert [s.number for s in store.stamps(answered=False)] == [one]
    assert [s.number for s in store.stamps(least=4)] == [two]
    assert [s.number for s in store.stamps(limit=1)] == [one]
    assert store.last_stamp() == store.stamps(answered=True)[0]
    store.answer_stamp(one, b"late")
    assert [s.number for s in store.stamps(answered=True, limit=1)] == [one]
    last = store.last_stamp()
    assert last is not None and last.number == two
    with pytest.raises(StoreError):
        store.answer_stamp(99, b"reply")


def test_looking_for_a_parcel_uses_its_index(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path / "s.db")
    take_in(store, 1, [1])
    store.close()
    db = apsw.Connection(str(tmp_path / "s.db"))
    plan = str(list(db.execute(f"EXPLAIN QUERY PLAN {PARCEL_ENTRIES}", (b"x", 1))))
    assert "journal_parcel" in plan
    db.execute(
        "UPDATE journal SET entry = ? WHERE idx = 0", (b"no json",)
    )  # whoever changes a line can do so
    db.close()


def test_a_note_that_looks_like_a_parcel_is_none(store: Store) -> None:
    take_in(store, 1, [1])
    other = parcel_id(2)
    store.note([act(f'"parcel":"{other}"'), act(f'parcel":"{other}')])
    assert store.parcel_entries(other) == []
    assert len(store.parcel_entries(parcel_id(1))) == 2
