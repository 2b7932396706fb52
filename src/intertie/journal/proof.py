"""Proofs over a journal's leaves, for whoever holds only a head: an entry is in it, a later head extends it."""

from __future__ import annotations

from collections.abc import Sequence

from intertie.journal.checkpoint import Head
from intertie.journal.entry import JOURNAL_STEP, entry_leaf
from intertie.model.errors import EvidenceError
from intertie.seal.tree import consistency_proof, inclusion_proof, verify_consistency, verify_inclusion


def prove_entry(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes that lead from entry `index` to the root over all `leaves`; EvidenceError if there is no such entry."""
    if not 0 <= index < len(leaves):
        raise EvidenceError(JOURNAL_STEP, f"the journal has {len(leaves)} entries, there is no entry {index}")
    return list(inclusion_proof(leaves, index))


def check_entry(raw: bytes, index: int, proof: Sequence[bytes], head: Head) -> None:
    """EvidenceError unless these bytes are entry `index` of the journal with this head."""
    if not verify_inclusion(entry_leaf(raw), index, head.size, proof, head.root):
        raise EvidenceError(
            JOURNAL_STEP, f"the proof does not lead from entry {index} to the head of size {head.size}"
        )


def prove_growth(leaves: Sequence[bytes], earlier: int) -> list[bytes]:
    """The hashes that show the journal with these leaves to extend the one of size `earlier`."""
    if not 0 <= earlier <= len(leaves):
        raise EvidenceError(JOURNAL_STEP, f"the journal has {len(leaves)} entries, it never had {earlier}")
    return list(consistency_proof(leaves, earlier))


def check_growth(earlier: Head, later: Head, proof: Sequence[bytes]) -> None:
    """EvidenceError unless the later head's journal begins with the earlier one's: nothing was rewritten."""
    if not verify_consistency(earlier.size, earlier.root, later.size, later.root, proof):
        raise EvidenceError(
            JOURNAL_STEP, f"the head of size {later.size} does not extend the one of size {earlier.size}"
        )
