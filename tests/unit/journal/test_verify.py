"""A journal read back and proved: every tampering is found, and the error says where."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry, Kind, entry_bytes, entry_leaf
from intertie.journal.growth import grow
from intertie.journal.proof import check_entry, check_growth, prove_entry, prove_growth
from intertie.journal.verify import verify_entries
from intertie.model.errors import EvidenceError
from intertie.seal.tree import Frontier, leaf_hash, root

EMPTY = Frontier().to_bytes()


def entry(number: int) -> Entry:
    return Entry(kind=Kind.ACT, at=datetime(2026, 7, 1, tzinfo=UTC), digest=f"{number:064x}")


def journal(size: int) -> tuple[list[tuple[bytes, bytes]], Head]:
    growth = grow(EMPTY, [entry(n) for n in range(size)])
    return [(raw, leaf) for _, raw, leaf in growth.lines], growth.head


@given(size=st.integers(0, 70), cuts=st.lists(st.integers(0, 70), max_size=5))
def test_growing_in_steps_is_growing_at_once(size: int, cuts: list[int]) -> None:
    nodes, lines, at = EMPTY, [], 0
    for cut in sorted({min(cut, size) for cut in cuts} | {size}):
        growth = grow(nodes, [entry(n) for n in range(at, cut)])
        lines += growth.lines
        nodes, at = growth.nodes, cut
        assert growth.head == Head(cut, root([leaf for _, _, leaf in lines]))
    assert [index for index, _, _ in lines] == list(range(size))
    assert [(raw, leaf) for _, raw, leaf in lines] == journal(size)[0]


@given(size=st.integers(0, 40))
def test_a_sound_journal_with_all_its_earlier_heads(size: int) -> None:
    lines, head = journal(size)
    assert verify_entries(lines, head, [journal(n)[1] for n in range(size + 1)]) == head


@given(size=st.integers(1, 20), data=st.data())
def test_any_changed_bit_is_found(size: int, data: st.DataObject) -> None:
    lines, head = journal(size)
    index = data.draw(st.integers(0, size - 1))
    part = data.draw(st.integers(0, 1))
    changed = bytearray(lines[index][part])
    place = data.draw(st.integers(0, len(changed) - 1))
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    line = list(lines[index])
    line[part] = bytes(changed)
    lines[index] = (line[0], line[1])
    with pytest.raises(EvidenceError, match=f"entry {index} "):
        verify_entries(lines, head)


def test_a_rewritten_entry_with_its_own_leaf_is_found_by_the_head() -> None:
    lines, head = journal(5)
    raw = entry_bytes(entry(99))
    lines[2] = (raw, entry_leaf(raw))
    with pytest.raises(EvidenceError, match="size 5"):
        verify_entries(lines, head)


def test_an_entry_that_is_none_is_found_even_under_a_matching_head() -> None:
    raw = b'{"at":"yesterday"}'
    leaf = leaf_hash(raw)
    with pytest.raises(EvidenceError, match="entry 0"):
        verify_entries([(raw, leaf)], Head(1, root([leaf])))


@pytest.mark.parametrize("size", [0, 3, 6])
def test_a_missing_or_an_additional_entry_is_found(size: int) -> None:
    lines, head = journal(4)
    longer, _ = journal(7)
    with pytest.raises(EvidenceError):
        verify_entries(longer[:size], head)
    swapped = [lines[1], lines[0], *lines[2:]]
    with pytest.raises(EvidenceError):
        verify_entries(swapped, head)


def test_a_rewritten_journal_does_not_pass_a_witnessed_head() -> None:
    lines, head = journal(8)
    verify_entries(lines, head, [journal(3)[1]])
    with pytest.raises(EvidenceError, match="size 3") as caught:
        verify_entries(lines, head, [Head(3, b"\1" * 32), journal(5)[1]])
    assert "backup" in caught.value.do
    with pytest.raises(EvidenceError, match="size 9"):
        verify_entries(lines, head, [journal(9)[1]])
    with pytest.raises(EvidenceError, match="size 0"):
        verify_entries(lines, head, [Head(0, b"\1" * 32)])
    with pytest.raises(EvidenceError, match="size 3"):
        verify_entries(lines, head, [journal(3)[1], Head(3, b"\1" * 32)])


@given(size=st.integers(1, 50), data=st.data())
def test_proof_of_an_entry(size: int, data: st.DataObject) -> None:
    lines, head = journal(size)
    leaves = [leaf for _, leaf in lines]
    index = data.draw(st.integers(0, size - 1))
    proof = prove_entry(leaves, index)
    check_entry(lines[index][0], index, proof, head)
    with pytest.raises(EvidenceError):
        check_entry(lines[index][0] + b" ", index, proof, head)
    with pytest.raises(EvidenceError):
        check_entry(lines[index][0], index, proof, Head(size, b"\0" * 32))
    with pytest.raises(EvidenceError):
        check_entry(lines[index][0], index, [*proof, b"\0" * 32], head)


@given(later=st.integers(1, 50), data=st.data())
def test_proof_of_growth(later: int, data: st.DataObject) -> None:
    earlier = data.draw(st.integers(1, later))
    lines, head = journal(later)
    before = journal(earlier)[1]
    proof = prove_growth([leaf for _, leaf in lines], earlier)
    check_growth(before, head, proof)
    with pytest.raises(EvidenceError, match=f"size {later}"):
        check_growth(Head(earlier, b"\7" * 32), head, proof)


@pytest.mark.parametrize("index", [-1, 3, 10**9])
def test_no_proof_of_what_is_not_there(index: int) -> None:
    leaves = [leaf for _, leaf in journal(3)[0]]
    with pytest.raises(EvidenceError):
        prove_entry(leaves, index)
    with pytest.raises(EvidenceError):
        prove_growth(leaves, index + 1 if index > 0 else index)
