"""What a connection was, as it is kept with every parcel that came or went over it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from intertie.model.record import Record

EngineName = Literal["openssl", "stdlib"]


class Transport(Record, frozen=True, kw_only=True):
    """What was negotiated with the peer (RFC 8446), and which certificate it showed."""

    binding: str
    engine: EngineName
    version: str
    # As IANA's registry of TLS supported groups writes it; empty if the engine cannot say.
    group: str
    cipher: str
    # SHA-256 of the peer's leaf certificate.
    certificate: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]
