"""A journal's head: its size and the root of the tree over its entries. Receipts commit to it; partners keep it."""

from __future__ import annotations

from typing import NamedTuple

from intertie.model.errors import EvidenceError

# SHA-256.
ROOT_BYTES = 32


class Head(NamedTuple):
    """How many entries a journal had, and the RFC 9162 root over them."""

    size: int
    root: bytes


def check_head(size: int, root: bytes, step: int) -> Head:
    """A head whose parts can be one; EvidenceError with the caller's step otherwise."""
    if size < 0 or len(root) != ROOT_BYTES:
        raise EvidenceError(step, f"not a journal head: size {size}, root of {len(root)} bytes")
    return Head(size, root)
