"""What a connection was when a parcel came or went over it, as the binding measured it: kept with the parcel."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from intertie.model.record import Record


class Transport(Record, frozen=True, kw_only=True):
    """One connection. `group` is "" where the engine cannot say; `certificate` is SHA-256 of the peer's leaf, in hex."""

    binding: str
    engine: Literal["openssl", "stdlib"]
    version: str
    group: str
    cipher: str
    certificate: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]
