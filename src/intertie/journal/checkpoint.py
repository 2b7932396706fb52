"""A journal's head: its size and the root of the tree over its entries. Receipts commit to it; partners keep it."""

from __future__ import annotations

from typing import NamedTuple


class Head(NamedTuple):
    """How many entries a journal had, and the RFC 9162 root over them."""

    size: int
    root: bytes
