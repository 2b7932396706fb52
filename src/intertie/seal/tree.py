"""The hash tree of RFC 9162 s.2.1 (SHA-256): over a parcel's messages and over a journal's entries."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from intertie.model.errors import StoreError

# Of one node: SHA-256.
HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()  # RFC 9162 s.2.1.1: MTH({}) = HASH()


def leaf_hash(data: bytes) -> bytes:
    """HASH(0x00 || data), RFC 9162 s.2.1.1."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """HASH(0x01 || left || right), RFC 9162 s.2.1.1."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The tree head over leaf hashes, in order."""
    level = list(leaves)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        level = _level_above(level)
    return level[0]


def _level_above(level: Sequence[bytes]) -> list[bytes]:
    """Pairs joined; a last one without a partner moves up as it is, which yields RFC 9162's tree."""
    above = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    if len(level) % 2:
        above.append(level[-1])
    return above


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The sibling hashes from leaf `index` up (RFC 9162 s.2.1.3.1); StoreError if there is no such leaf."""
    if not 0 <= index < len(leaves):
        raise StoreError(f"the tree has {len(leaves)} leaves, there is no leaf {index}")
    proof = []
    level = list(leaves)
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            proof.append(level[sibling])
        level = _level_above(level)
        index //= 2
    return proof


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof leads from the leaf at `index` to the root of a tree of `size` (RFC 9162 s.2.1.3.2)."""
    if not 0 <= index < size or any(len(h) != HASH_BYTES for h in (leaf, root, *proof)):
        return False
    here, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if here & 1 or here == last:
            value = node_hash(sibling, value)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        here, last = here >> 1, last >> 1
    return last == 0 and value == root


def consistency_proof(leaves: Sequence[bytes], earlier: int) -> list[bytes]:
    """The hashes that show that the tree grew from its first `earlier` leaves (RFC 9162 s.2.1.4.1).

    Empty for `earlier` 0 (every tree extends the empty one) and for the whole. StoreError beyond the tree.
    """
    if not 0 <= earlier <= len(leaves):
        raise StoreError(f"the tree has {len(leaves)} leaves, it never had {earlier}")
    return [root(leaves[start:end]) for start, end in consistency_spans(earlier, len(leaves))]


Span = tuple[int, int]  # leaves from, up to and without


def inclusion_spans(index: int, size: int) -> list[Span]:
    """Over which leaves the hashes of an inclusion proof are the roots, in the proof's order. `index` is below `size`."""
    spans = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
    spans.reverse()
    return spans


def consistency_spans(earlier: int, size: int) -> list[Span]:
    """Over which leaves the hashes of a consistency proof are the roots, in the proof's order. `earlier` is within
    `size`."""
    if earlier in (0, size):
        return []
    spans = []
    whole, start, end = True, 0, size
    while earlier != end - start:  # SUBPROOF(earlier, D[start:end], whole), its tail first
        split = _split(end - start)
        if earlier <= split:
            spans.append((start + split, end))
            end = start + split
        else:
            spans.append((start, start + split))
            start, earlier, whole = start + split, earlier - split, False
    if not whole:
        spans.append((start, end))
    spans.reverse()
    return spans


def peaks_of(span: Span) -> list[tuple[int, int]]:
    """The perfect subtrees, as (level, place at that level), that make up a span of a proof, from left to right."""
    start, end = span
    peaks = []
    for level in reversed(range((end - start).bit_length())):
        if end - start >> level & 1:
            at = start + ((end - start) >> level + 1 << level + 1)
            peaks.append((level, at >> level))
    return peaks


def fold(peaks: Sequence[bytes]) -> bytes:
    """The root over perfect subtrees, from left to right, each smaller than the one before it."""
    if not peaks:
        return EMPTY_ROOT
    value = peaks[-1]
    for peak in reversed(peaks[:-1]):
        value = node_hash(peak, value)
    return value


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1


def verify_consistency(earlier: int, root1: bytes, later: int, root2: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree with `root2` begins with the leaves of the tree with `root1` (RFC 9162 s.2.1.4.2)."""
    if not 0 <= earlier <= later or any(len(h) != HASH_BYTES for h in (root1, root2, *proof)):
        return False
    if earlier == later:
        return not proof and root1 == root2 and (later > 0 or root1 == EMPTY_ROOT)
    if earlier == 0:
        return not proof and root1 == EMPTY_ROOT
    path = list(proof)
    if earlier & (earlier - 1) == 0:
        path.insert(0, root1)
    if not path:
        return False
    here, last = earlier - 1, later - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        here, last = here >> 1, last >> 1
    return last == 0 and first == root1 and second == root2


class Frontier:
    """The right edge of a growing tree: enough to append and to know the root, in log2(size) hashes."""

    __slots__ = ("_peaks", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._peaks: list[bytes] = []  # of the perfect subtrees, largest (leftmost) first

    @property
    def size(self) -> int:
        """How many leaves were appended."""
        return self._size

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash."""
        value, size = leaf, self._size
        while size & 1:
            value = node_hash(self._peaks.pop(), value)
            size >>= 1
        self._peaks.append(value)
        self._size += 1

    def root(self) -> bytes:
        """The tree head over all leaves so far."""
        return fold(self._peaks)

    def to_bytes(self) -> bytes:
        """Size as 8 bytes, then the peaks: what a store keeps."""
        return self._size.to_bytes(8, "big") + b"".join(self._peaks)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Frontier:
        """What `to_bytes` wrote; StoreError if it is damaged."""
        frontier = cls()
        size = int.from_bytes(raw[:8], "big")
        if len(raw) != 8 + HASH_BYTES * size.bit_count():
            raise StoreError(
                f"not the edge of a tree: {len(raw)} bytes", do="Verify the journal, then rebuild its edge."
            )
        frontier._size = size
        frontier._peaks = [raw[i : i + HASH_BYTES] for i in range(8, len(raw), HASH_BYTES)]
        return frontier
