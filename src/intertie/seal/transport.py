"""How a parcel came: what the connection had negotiated. Kept with each parcel, so that it can be asked for later."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from intertie.model.record import Record


class Transport(Record, frozen=True, kw_only=True):
    """One connection as this end saw it. `group` is "" where the engine cannot say which one was negotiated."""

    binding: Annotated[str, Meta(max_length=32)]
    engine: Literal["openssl", "stdlib"]
    version: Annotated[str, Meta(max_length=16)]
    group: Annotated[str, Meta(max_length=64)]
    cipher: Annotated[str, Meta(max_length=64)]
    certificate: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]  # SHA-256 of the peer's certificate
