"""`[internet_et]` of the settings: who we are in Internet ET, and the door for partners that speak it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from intertie.gateway.configuration.listening import LOOPBACK, address_of
from intertie.model.record import Record


class InternetEtDoor(Record, frozen=True, kw_only=True):
    """Without `code` nobody speaks Internet ET here (docs/internet-et.md)."""

    # Our Common Code Identifier: D-U-N-S, or D-U-N-S+4.
    code: Annotated[str, Meta(pattern=r"^([0-9]{9}([0-9A-Za-z]{1,4})?)?(?!\n)$")] = ""
    # `server-id` of our receipts: this door's name.
    server: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,200}(?!\n)$")] = "intertie"
    # Our key of this number signs; what is encrypted for those before it is opened too. Another one is made by naming it.
    key_number: Annotated[int, Meta(ge=1, le=1000)] = 1
    # host:port; empty: nothing is received. Without a certificate it is for something on this machine that ends TLS.
    listen: str = ""
    certificate: str = ""  # PEM: the chain, leaf first
    key: str = ""  # PEM
    # What a message keeps of a file has to fit a message with it (8 MiB, in base64, and of ours twice).
    body_bytes: Annotated[int, Meta(ge=1024, le=16 * 1024 * 1024)] = 7 * 1024 * 1024
    # What is compressed may become so much.
    file_bytes: Annotated[int, Meta(ge=1024, le=8 * 1024 * 1024)] = 5 * 1024 * 1024
    # Connections at once: partners post one file each, and each is opened in a process of its own.
    connections: Annotated[int, Meta(ge=1, le=1_000)] = 32
    # Of one address, before it is asked to wait.
    posts_per_minute: Annotated[float, Meta(gt=0)] = 300.0
    # For a post of ours to be taken, and its receipt to come on the same connection.
    seconds: Annotated[float, Meta(gt=0, le=600)] = 60.0
    # From a failed attempt to the next: three in 30 to 120 minutes (Internet ET, 12.3.10).
    retry_minutes: Annotated[float, Meta(ge=15, le=60)] = 15.0

    def check(self) -> None:
        """ValueError for half a key pair, a door without a code, or one off this machine without a certificate."""
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate: goes with key")
        if self.listen and not self.code:
            raise ValueError("listen: needs our code")
        if self.listen and address_of(self.listen)[0] not in LOOPBACK and not self.certificate:
            raise ValueError("listen: off this machine it needs a certificate")
