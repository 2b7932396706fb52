"""Proofs from rows are the proofs from all leaves, and read little."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intertie.journal import rows as journal_rows
from intertie.journal.checkpoint import Head
from intertie.journal.rows import STEP, WIDTH, TreeRows, check_rows
from intertie.model.errors import EvidenceError
from intertie.seal.tree import (
    HASH_BYTES,
    consistency_proof,
    consistency_spans,
    fold,
    inclusion_proof,
    inclusion_spans,
    leaf_hash,
    peaks_of,
    root,
)

LEAVES = [leaf_hash(b"%d" % n) for n in range(WIDTH * 5 + 77)]


class Kept:
    """Rows in a dictionary, and how much was read of them."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.rows: dict[int, list[bytes]] = {0: list(leaves)}
        self.read = 0

    def tree_row(self, level: int, start: int, end: int) -> bytes:
        found = self.rows.get(level, [])[start:end]
        self.read += len(found)
        return b"".join(found)

    def tree_row_size(self, level: int) -> int:
        return len(self.rows.get(level, []))

    def add_tree_row(self, level: int, start: int, hashes: bytes) -> None:
        row = self.rows.setdefault(level, [])
        assert start == len(row)
        row.extend(hashes[i : i + HASH_BYTES] for i in range(0, len(hashes), HASH_BYTES))


@given(size=st.integers(0, 300), data=st.data())
def test_spans_are_what_the_proofs_are_made_of(size: int, data: st.DataObject) -> None:
    leaves = LEAVES[:size]
    earlier = data.draw(st.integers(0, size))
    assert [root(leaves[a:b]) for a, b in consistency_spans(earlier, size)] == consistency_proof(
        leaves, earlier
    )
    if size:
        index = data.draw(st.integers(0, size - 1))
        assert [root(leaves[a:b]) for a, b in inclusion_spans(index, size)] == inclusion_proof(leaves, index)
    for span in [(0, size), *consistency_spans(earlier, size)]:
        parts = [root(leaves[place << level : place + 1 << level]) for level, place in peaks_of(span)]
        assert fold(parts) == root(leaves[span[0] : span[1]])


@settings(deadline=None, max_examples=60)
@given(size=st.integers(1, len(LEAVES)), data=st.data())
def test_proofs_from_rows_are_the_proofs_from_leaves(size: int, data: st.DataObject) -> None:
    tree = TreeRows(Kept(LEAVES[:size]))
    index = data.draw(st.integers(0, size - 1))
    earlier = data.draw(st.integers(0, size))
    assert tree.root(size) == root(LEAVES[:size])
    assert tree.root(earlier) == root(LEAVES[:earlier])
    assert tree.inclusion(index, size) == inclusion_proof(LEAVES[:size], index)
    assert tree.consistency(earlier, size) == consistency_proof(LEAVES[:size], earlier)


def test_the_tree_grows_under_the_same_view() -> None:
    kept = Kept(LEAVES[:10])
    tree = TreeRows(kept)
    for size in (10, 200, WIDTH, WIDTH + 1, 3 * WIDTH - 1, len(LEAVES)):
        kept.rows[0] = LEAVES[:size]
        assert tree.root(size) == root(LEAVES[:size])
        assert tree.consistency(9, size) == consistency_proof(LEAVES[:size], 9)


def test_several_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """With tiles of four hashes a few hundred leaves make five rows."""
    for name, value in {"STEP": 2, "WIDTH": 4, "TOP": 8, "PAGE": 3, "CACHE": 5}.items():
        monkeypatch.setattr(journal_rows, name, value)
    kept = Kept(LEAVES[:700])
    tree = TreeRows(kept)
    for earlier in range(1, 700, 13):
        assert tree.consistency(earlier, 700) == consistency_proof(LEAVES[:700], earlier)
        assert tree.inclusion(earlier, 700) == inclusion_proof(LEAVES[:700], earlier)
    assert [len(kept.rows[level]) for level in (2, 4, 6, 8)] == [175, 43, 10, 2]
    assert len(tree._tiles) <= 5
    check_rows(kept)


def test_a_proof_reads_a_few_tiles_once_the_rows_are_there() -> None:
    kept = Kept(LEAVES)
    TreeRows(kept).root(len(LEAVES))
    kept.read = 0
    TreeRows(kept).consistency(700, len(LEAVES))
    assert kept.read <= 4 * WIDTH
    kept.read = 0
    warm = TreeRows(kept)
    warm.inclusion(3, 2 * WIDTH)
    before = kept.read
    warm.inclusion(7, 2 * WIDTH)
    assert kept.read - before <= 5  # the leaves come from memory; of the row above, one that is not complete


def test_an_earlier_head_is_given_only_if_the_present_one_extends_it() -> None:
    present = Head(len(LEAVES), root(LEAVES))
    assert TreeRows(Kept(LEAVES)).head(300, present) == Head(300, root(LEAVES[:300]))
    assert TreeRows(Kept(LEAVES)).head(present.size, present) == present
    changed = [*LEAVES[:5], b"\0" * 32, *LEAVES[6:]]
    with pytest.raises(EvidenceError, match="size 300"):
        TreeRows(Kept(changed)).head(300, present)
    with pytest.raises(EvidenceError, match="never had"):
        TreeRows(Kept(LEAVES)).head(present.size + 1, present)


def test_what_is_not_there_is_said() -> None:
    tree = TreeRows(Kept(LEAVES[:20]))
    with pytest.raises(EvidenceError, match="lacks"):
        tree.root(21)
    for index, size in ((-1, 5), (5, 5)):
        with pytest.raises(EvidenceError):
            tree.inclusion(index, size)
    with pytest.raises(EvidenceError):
        tree.consistency(6, 5)


@pytest.mark.parametrize("level", [0, STEP])
def test_a_changed_hash_in_a_row_is_found(level: int) -> None:
    kept = Kept(LEAVES)
    TreeRows(kept).root(len(LEAVES))
    check_rows(kept)
    kept.rows[level][2] = b"\0" * 32
    with pytest.raises(EvidenceError, match="stored tree"):
        check_rows(kept)
