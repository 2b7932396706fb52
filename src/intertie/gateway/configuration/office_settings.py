"""`[office]` of the settings: the door for our own staff and systems."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from intertie.gateway.configuration.listening import LOOPBACK, address_of
from intertie.gateway.office.approvals import TwoPeople
from intertie.model.record import Record


class OfficeDoor(Record, frozen=True, kw_only=True):
    """Where the office API listens, and how it is protected. Without `listen` there is none."""

    listen: str = ""
    # "off": plain HTTP, on loopback only. "own": this gateway's TLS certificate. "file": `certificate` and `key`.
    tls: Literal["off", "own", "file"] = "off"
    certificate: str = ""  # PEM: the chain, leaf first
    key: str = ""  # PEM
    # Each is a process of its own. One serves some hundred requests a second; more are for many who read books at once.
    processes: Annotated[int, Meta(ge=1, le=16)] = 1
    # Of one process, streams of events among them.
    connections: Annotated[int, Meta(ge=4, le=10_000)] = 128
    # By how much the office gives way to the processes that serve partners, as nice(1) has it. At 10 it gets a tenth of a core
    # that both want: a parcel goes first, and a page is slow then, but comes. 0: nobody goes first.
    nice: Annotated[int, Meta(ge=0, le=19)] = 10
    # Acts at the portal that one person asks for and another approves.
    two_people: tuple[TwoPeople, ...] = ()

    def check(self) -> None:
        """ValueError for an address that is none, half a key pair, or plain HTTP off this machine."""
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate: goes with key")
        if (self.tls == "file") != bool(self.certificate):
            raise ValueError('tls: "file" goes with certificate and key')
        if self.listen and address_of(self.listen)[0] not in LOOPBACK and self.tls == "off":
            raise ValueError('listen: off this machine it needs tls = "own" or "file"')
