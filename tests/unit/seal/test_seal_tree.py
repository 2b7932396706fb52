"""The hash tree against the recursive definitions of RFC 9162, written out naively."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.model.errors import StoreError
from intertie.seal.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(b"%d" % n) for n in range(size)]


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(d: list[bytes]) -> bytes:
    """MTH over leaf hashes, s.2.1.1."""
    if not d:
        return hashlib.sha256(b"").digest()
    if len(d) == 1:
        return d[0]
    k = split(len(d))
    return hashlib.sha256(b"\1" + mth(d[:k]) + mth(d[k:])).digest()


def path(m: int, d: list[bytes]) -> list[bytes]:
    """PATH(m, D), s.2.1.3.1."""
    if len(d) == 1:
        return []
    k = split(len(d))
    if m < k:
        return [*path(m, d[:k]), mth(d[k:])]
    return [*path(m - k, d[k:]), mth(d[:k])]


def subproof(m: int, d: list[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF(m, D, b), s.2.1.4.1."""
    if m == len(d):
        return [] if whole else [mth(d)]
    k = split(len(d))
    if m <= k:
        return [*subproof(m, d[:k], whole), mth(d[k:])]
    return [*subproof(m - k, d[k:], False), mth(d[:k])]


SIZES = st.integers(1, 130)


@given(st.integers(0, 130))
def test_root_is_rfc_9162s(size: int) -> None:
    assert root(leaves_of(size)) == mth(leaves_of(size))


def test_known_hashes() -> None:
    # RFC 6962's reference implementation: the hash of an empty leaf.
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert hashlib.sha256(b"").digest() == EMPTY_ROOT
    assert node_hash(b"a" * 32, b"b" * 32) == hashlib.sha256(b"\1" + b"a" * 32 + b"b" * 32).digest()


@given(SIZES, st.data())
def test_inclusion_proof_is_rfc_9162s_and_verifies(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(leaves, index)
    assert proof == path(index, leaves)
    assert verify_inclusion(leaves[index], index, size, proof, root(leaves))


@given(SIZES, st.data())
def test_inclusion_fails_for_anything_else(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    proof, head = inclusion_proof(leaves, index), root(leaves)
    other = data.draw(st.integers(0, size + 3).filter(lambda n: n != index))
    assert not verify_inclusion(leaves[index], other, size, proof, head)
    assert not verify_inclusion(leaf_hash(b"x"), index, size, proof, head)
    assert not verify_inclusion(leaves[index], index, size, [*proof, bytes(32)], head)
    assert not verify_inclusion(leaves[index], index, size, proof, bytes(32))
    assert not verify_inclusion(leaves[index], index, size, [node[:31] for node in proof] or [b""], head)
    if proof:
        assert not verify_inclusion(leaves[index], index, size, proof[:-1], head)
        assert not verify_inclusion(leaves[index], index, size, [bytes(32), *proof[1:]], head)


@given(SIZES, st.data())
def test_consistency_proof_is_rfc_9162s_and_verifies(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    earlier = data.draw(st.integers(1, size))
    proof = consistency_proof(leaves, earlier)
    assert proof == subproof(earlier, leaves, True)
    assert verify_consistency(earlier, root(leaves[:earlier]), size, root(leaves), proof)


@given(SIZES, st.data())
def test_consistency_fails_for_a_rewritten_past(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    earlier = data.draw(st.integers(1, size))
    proof = consistency_proof(leaves, earlier)
    past, head = root(leaves[:earlier]), root(leaves)
    rewritten = data.draw(st.integers(0, earlier - 1))
    changed = [*leaves[:rewritten], leaf_hash(b"changed"), *leaves[rewritten + 1 :]]
    assert not verify_consistency(earlier, past, size, root(changed), consistency_proof(changed, earlier))
    assert not verify_consistency(earlier, bytes(32), size, head, proof)
    assert not verify_consistency(earlier, past, size, bytes(32), proof)
    assert not verify_consistency(earlier, past, size, head, [*proof, bytes(32)])
    if proof:
        assert not verify_consistency(earlier, past, size, head, proof[:-1])
    assert not verify_consistency(size + 1, past, size, head, proof)


def test_every_tree_extends_the_empty_one_and_no_other() -> None:
    leaves = leaves_of(3)
    assert consistency_proof(leaves, 0) == []
    assert verify_consistency(0, EMPTY_ROOT, 3, root(leaves), [])
    assert not verify_consistency(0, root(leaves), 3, root(leaves), [])
    assert not verify_consistency(0, EMPTY_ROOT, 3, root(leaves), [bytes(32)])
    assert verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    assert not verify_consistency(0, bytes(32), 0, bytes(32), [])


def test_a_consistency_proof_without_hashes_is_none() -> None:
    leaves = leaves_of(7)
    assert not verify_consistency(3, root(leaves[:3]), 7, root(leaves), [])


def test_a_leaf_that_is_not_there_is_an_error() -> None:
    with pytest.raises(StoreError, match="no leaf 3"):
        inclusion_proof(leaves_of(3), 3)
    with pytest.raises(StoreError, match="never had 4"):
        consistency_proof(leaves_of(3), 4)


@given(st.integers(0, 200))
def test_frontier_grows_as_the_tree_and_survives_storage(size: int) -> None:
    leaves = leaves_of(size)
    frontier = Frontier()
    for n, leaf in enumerate(leaves):
        assert frontier.size == n
        frontier.append(leaf)
        if n % 7 == 0:
            frontier = Frontier.from_bytes(frontier.to_bytes())
    assert frontier.size == size
    assert frontier.root() == root(leaves)


@pytest.mark.parametrize("raw", [b"", b"\0" * 7, (3).to_bytes(8, "big") + bytes(32), bytes(8) + bytes(32)])
def test_a_damaged_frontier_is_refused(raw: bytes) -> None:
    with pytest.raises(StoreError, match="not the edge of a tree"):
        Frontier.from_bytes(raw)
