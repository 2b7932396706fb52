"""`[espi]` of the settings: the door of a data custodian, at which third parties fetch the readings of customers who let them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta

from intertie.gateway.configuration.listening import LOOPBACK, address_of
from intertie.model.record import Record

# A year without use ends a refresh token, as custodians have it.
REFRESH_DAYS = 366


class EspiDoor(Record, frozen=True, kw_only=True):
    """Without `listen` there is none (docs/espi.md)."""

    # host:port. Without a certificate it is for something on this machine that ends TLS.
    listen: str = ""
    certificate: str = ""  # PEM: the chain, leaf first
    key: str = ""  # PEM
    # As third parties reach it: what stands in links.
    url: str = ""
    # ESPI 4.0 asks for TLS 1.3; third parties of 3.3 may have no more than 1.2.
    tls_1_2: bool = False
    # Applications, consents and hashes of tokens.
    folder: str = "espi"
    connections: Annotated[int, Meta(ge=1, le=10_000)] = 64
    # Of one address, before it is asked to wait.
    requests_per_minute: Annotated[float, Meta(gt=0)] = 600.0
    # Feeds that are written at once: each holds the readings of a few meters in memory.
    feeds: Annotated[int, Meta(ge=1, le=1000)] = 8
    access_seconds: Annotated[int, Meta(ge=30, le=86_400)] = 3600
    refresh_days: Annotated[int, Meta(ge=1, le=3660)] = REFRESH_DAYS
    # How often it is looked whether third parties are to be told of something.
    notify_seconds: Annotated[float, Meta(ge=0.1, le=86_400)] = 60.0
    # Fetch from custodians whose third party we are (`[green_button]` of a partner's legacy file); with a door, they tell us.
    fetch: bool = False
    fetch_seconds: Annotated[float, Meta(ge=0.1, le=86_400)] = 60.0
    # PEM of the authorities of others' servers; empty: those of this machine.
    ca_file: str = ""

    @property
    def enabled(self) -> bool:
        """Whether anybody may come."""
        return bool(self.listen)

    def check(self) -> None:
        """ValueError for half a key pair, a door off this machine without a certificate, or one that has no address."""
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate: goes with key")
        if not self.listen:
            return
        if address_of(self.listen)[0] not in LOOPBACK and not self.certificate:
            raise ValueError("listen: off this machine it needs a certificate")
        parts = urlsplit(self.url)
        if (
            parts.scheme != "https"
            or not parts.hostname
            or parts.query
            or parts.fragment
            or self.url.endswith("/")
        ):
            raise ValueError(
                "url: as third parties reach the door, https://host:port, without a slash at its end"
            )
