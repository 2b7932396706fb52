"""`[upload]` of the settings: the door at which partners' people and scripts upload files."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from intertie.gateway.configuration.listening import LOOPBACK, address_of
from intertie.model.record import Record


class UploadDoor(Record, frozen=True, kw_only=True):
    """Without `listen` there is none (docs/upload.md)."""

    # host:port. Without a certificate it is for something on this machine that ends TLS.
    listen: str = ""
    certificate: str = ""  # PEM: the chain, leaf first
    key: str = ""  # PEM
    # Where our files wait for partners. What lies there is not encrypted by us.
    folder: str = "upload"
    # A file has to fit a message, in base64, with its translation beside.
    file_bytes: Annotated[int, Meta(ge=1024, le=5 * 1024 * 1024)] = 5 * 1024 * 1024
    # In one upload.
    files: Annotated[int, Meta(ge=1, le=100)] = 10
    connections: Annotated[int, Meta(ge=1, le=10_000)] = 64
    # Of one address, before it is asked to wait.
    requests_per_minute: Annotated[float, Meta(gt=0)] = 120.0

    @property
    def enabled(self) -> bool:
        """Whether anybody may come."""
        return bool(self.listen)

    def check(self) -> None:
        """ValueError for half a key pair, or a door off this machine without a certificate."""
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate: goes with key")
        if self.listen and address_of(self.listen)[0] not in LOOPBACK and not self.certificate:
            raise ValueError("listen: off this machine it needs a certificate")
