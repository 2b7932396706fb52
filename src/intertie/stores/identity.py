"""What every store asks of certificate chains before it keeps them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from intertie.model.errors import StoreError
from intertie.seal.certificates import Chain


def check_chains(chains: Mapping[bytes, Chain]) -> None:
    """StoreError unless each chain is there and its thumbprint is the SHA-256 of its leaf: evidence is found by it."""
    for thumbprint, chain in chains.items():
        if not chain or hashlib.sha256(chain[0]).digest() != thumbprint:
            raise StoreError("a certificate chain is kept under another thumbprint", do="report this")
