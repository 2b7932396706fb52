"""`[ftps]` of the settings: the mailbox for partners that come by FTP over TLS, and whether we go to partners' servers."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from intertie.gateway.configuration.listening import address_of
from intertie.model.record import Record

Port = Annotated[int, Meta(ge=1024, le=65_535)]


class FtpsDoor(Record, frozen=True, kw_only=True):
    """Without `listen` there is no mailbox (docs/ftps.md)."""

    listen: str = ""  # host:port
    certificate: str = ""  # PEM: the chain, leaf first
    key: str = ""  # PEM
    # Ports for data, first and last: what a firewall has to let in. Without them any.
    data_ports: Annotated[tuple[Port, ...], Meta(max_length=2)] = ()
    # Whether FTP may go without TLS with partners whose legacy file says so: for sealed parcels, and nothing else (docs/ftps.md).
    plain: bool = False
    # Whether we go to the servers of partners.
    visits: bool = False
    # How long a partner's server may be silent.
    seconds: Annotated[float, Meta(gt=0, le=600)] = 30.0
    # The address that partners are told for data, where something translates ours.
    address: Annotated[str, Meta(max_length=64)] = ""
    # Where the mailboxes are. What lies in them is not encrypted by us.
    folder: str = "ftps"
    # A file has to fit a message, in base64, with its translation beside.
    file_bytes: Annotated[int, Meta(ge=1024, le=5 * 1024 * 1024)] = 5 * 1024 * 1024
    # Files of one partner that are being uploaded, or were not taken in yet.
    files: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    uploads_per_minute: Annotated[float, Meta(gt=0)] = 120.0
    connections: Annotated[int, Meta(ge=1, le=10_000)] = 64
    connections_per_address: Annotated[int, Meta(ge=1, le=1000)] = 8
    # A session in which nothing is asked for so long is closed.
    idle_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 300
    # An upload that was begun and is not gone on with is put aside after this.
    unfinished_hours: Annotated[float, Meta(gt=0, le=8760)] = 24.0
    # Receipts, refused files, and what was fetched and not removed go after this.
    keep_days: Annotated[float, Meta(gt=0, le=3660)] = 30.0

    @property
    def enabled(self) -> bool:
        """Whether anybody may come, or is gone to."""
        return bool(self.listen) or self.visits

    def check(self) -> None:
        """ValueError for a door without a certificate, or ports in the wrong order."""
        if self.listen:
            address_of(self.listen)
            if not (self.certificate and self.key):
                raise ValueError("listen: needs certificate and key; most may not come without TLS")
        if self.data_ports and (len(self.data_ports) != 2 or self.data_ports[0] > self.data_ports[1]):
            raise ValueError("data_ports: the first and the last")
