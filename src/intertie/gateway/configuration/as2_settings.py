"""`[as2]` of the settings: who we are in AS2, and the door for partners that speak it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from intertie.gateway.configuration.listening import LOOPBACK, address_of
from intertie.model.record import Record


class As2Door(Record, frozen=True, kw_only=True):
    """Without `name` nobody speaks AS2 here (docs/as2.md)."""

    # Our AS2-From; partners name it, case and all.
    name: Annotated[str, Meta(pattern=r"^([!-~]([ -~]{0,126}[!-~])?)?(?!\n)$")] = ""
    # Our key of this number signs; what is encrypted for those before it is opened until their certificates end. Another one is
    # made by naming it.
    key_number: Annotated[int, Meta(ge=1, le=100)] = 1
    # host:port; empty: nothing is received. Without a certificate it is for something on this machine that ends TLS.
    listen: str = ""
    certificate: str = ""  # PEM: the chain, leaf first
    key: str = ""  # PEM
    # Where partners post receipts that come later: our door as they reach it.
    receipts_url: Annotated[str, Meta(pattern=r"^(https?://[^\s]+)?(?!\n)$", max_length=300)] = ""
    # What a message keeps of a file has to fit a message with it (8 MiB, in base64, and of ours twice).
    body_bytes: Annotated[int, Meta(ge=1024, le=8 * 1024 * 1024)] = 5 * 1024 * 1024
    # What is compressed may become so much.
    file_bytes: Annotated[int, Meta(ge=1024, le=8 * 1024 * 1024)] = 5 * 1024 * 1024
    # Connections at once: partners post one file each.
    connections: Annotated[int, Meta(ge=1, le=10_000)] = 64
    # Of one address, before it is asked to wait: each costs some milliseconds of RSA.
    posts_per_minute: Annotated[float, Meta(gt=0)] = 600.0
    # For a post of ours to be taken, and its receipt to come on the same connection.
    seconds: Annotated[float, Meta(gt=0, le=600)] = 60.0

    def check(self) -> None:
        """ValueError for half a key pair, a door without a name, or one off this machine without a certificate."""
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate: goes with key")
        if self.listen and not self.name:
            raise ValueError("listen: needs our name")
        if self.listen and address_of(self.listen)[0] not in LOOPBACK and not self.certificate:
            raise ValueError("listen: off this machine it needs a certificate")
