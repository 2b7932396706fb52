"""The groups that TLS may agree keys over, and which of them a quantum computer does not break."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta

from intertie.model.record import Record

# draft-ietf-tls-ecdhe-mlkem: ML-KEM and an elliptic curve, secret while either of them holds.
HYBRID_GROUPS = frozenset({"X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024"})
# The order of preference. X25519MLKEM768 is what browsers and clouds use; P-256 is for partners held to FIPS curves.
DEFAULT_GROUPS = ("X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024", "x25519", "secp256r1")

GroupName = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,40}$")]


class TlsOptions(Record, frozen=True, kw_only=True):
    """The section [tls] of the settings: which engine, and which groups, best first."""

    engine: Literal["auto", "openssl", "stdlib"] = "auto"
    groups: tuple[GroupName, ...] = DEFAULT_GROUPS

    def check(self) -> None:
        """A connection needs a group."""
        if not self.groups or len(set(self.groups)) != len(self.groups):
            raise ValueError("groups: at least one, and each once")


def is_hybrid(group: str) -> bool:
    """Whether a negotiated group is secret from a later quantum computer; no, if the engine could not name it."""
    return group in HYBRID_GROUPS


def hybrid_only(groups: Sequence[str]) -> tuple[str, ...]:
    """The hybrid ones, in their order."""
    return tuple(group for group in groups if is_hybrid(group))
