"""`[sftp]` of the settings: whether files go by SFTP, and the mailbox for partners that come."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from intertie.gateway.configuration.listening import address_of
from intertie.model.record import Record


class SftpDoor(Record, frozen=True, kw_only=True):
    """Without `enabled` nobody speaks SFTP here (docs/sftp.md)."""

    enabled: bool = False
    # host:port; empty: nobody comes, and we go to partners' servers alone.
    listen: str = ""
    # Where the mailboxes are. What lies in them is not encrypted by us.
    folder: str = "sftp"
    # A file has to fit a message, in base64, with its translation beside.
    file_bytes: Annotated[int, Meta(ge=1024, le=5 * 1024 * 1024)] = 5 * 1024 * 1024
    # Files of one partner that are being uploaded, or were not taken in yet.
    files: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    # What one partner may write, before it is asked to try later.
    uploads_per_minute: Annotated[float, Meta(gt=0)] = 120.0
    # Connections in all, and of one partner.
    connections: Annotated[int, Meta(ge=1, le=10_000)] = 64
    connections_per_partner: Annotated[int, Meta(ge=1, le=1000)] = 8
    # Of one address: each costs some milliseconds of key exchange.
    connections_per_minute: Annotated[float, Meta(gt=0)] = 60.0
    # For whoever connects to say who it is.
    login_seconds: Annotated[float, Meta(gt=0, le=600)] = 20.0
    # A session in which nothing is asked for so long is closed.
    idle_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 600.0
    # An upload that was begun and is not gone on with is put aside after this.
    unfinished_hours: Annotated[float, Meta(gt=0, le=8760)] = 24.0
    # Receipts, refused files, and what was fetched and not removed go after this.
    keep_days: Annotated[float, Meta(gt=0, le=3660)] = 30.0
    # For a partner's server to answer.
    seconds: Annotated[float, Meta(gt=0, le=600)] = 30.0

    def check(self) -> None:
        """ValueError for a door that is not enabled, or not host:port."""
        if self.listen:
            address_of(self.listen)
            if not self.enabled:
                raise ValueError("listen: needs enabled = true")
