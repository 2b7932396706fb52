"""Our side in this process, on a clock that a test sets, behind a real door; `shapeshifter-uftp` beside it as a process. What is
settled is over: with the clock of the machine a test would wait until tomorrow."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import uvicorn
from tests.exchange.house import AGGREGATOR, NOW, UTILITY
from tests.exchange.uftp_world import DEAL, KEYS, TEXT, Two, other
from tests.interop.uftp_house import OURS, PATIENCE, SEED, THEIRS, Peer
from tests.ports import free_port

from intertie.bindings.uftp.client import UftpClient
from intertie.bindings.uftp.door import UftpDoorway
from intertie.bindings.uftp.translator import Uftp
from intertie.exchange.outbound import State
from intertie.gateway.configuration.settings import UftpDoor
from intertie.gateway.translating.deliver_translated import deliver_translated
from intertie.model.ids import MessageId, PartyId
from intertie.model.record import Record
from intertie.seal.sodium_keys import only
from intertie.seal.sodium_sign import SodiumKey, write_public

DONE = (State.ACCEPTED, State.REFUSED)


class Clocked:
    """We as one of the two parties of the world of UFTP; the library is the other."""

    def __init__(self, two: Two, us: PartyId, uftp: Uftp, peer: Peer) -> None:
        self.two, self.us, self.uftp, self.peer = two, us, uftp, peer
        self.gateway = two.gateways[us]

    @property
    def now(self) -> datetime:
        return self.two.now

    def say(self, body: Record, conversation: str) -> tuple[MessageId, tuple[State, str]]:
        """A message of ours, and what became of it once the library answered."""
        from_us = self.two.say(self.us, body, conversation)  # type: ignore[arg-type]
        self.deliver()
        end = time.monotonic() + PATIENCE
        while self.two.state(self.us, from_us)[0] not in DONE and time.monotonic() < end:
            time.sleep(0.02)
        return from_us, self.two.state(self.us, from_us)

    def deliver(self) -> None:
        """What we owe, and one message."""
        self.two.now += timedelta(seconds=1)

        async def once() -> None:
            client = UftpClient(self.uftp, PATIENCE)
            try:
                there = other(self.us)
                await deliver_translated(self.gateway, client.post, there, lambda: self.now, lambda: 0.0)
            finally:
                await client.aclose()

        asyncio.run(once())

    def hear(self, expression: str, kind: str) -> dict[str, object]:
        """The library says something on our clock; the fields of our answer."""
        self.two.now += timedelta(seconds=1)
        at = self.now.isoformat().replace("+00:00", "Z")
        assert self.peer.send(f"{expression[:-1]}, time_stamp='{at}')") == 200
        self.deliver()
        return self.peer.message(kind)


@contextmanager
def clocked(us: PartyId) -> Iterator[Clocked]:
    """Until the end of the block."""
    their_port, door = free_port(), free_port()
    their_key = write_public(SodiumKey.of_seed(SEED.encode()).public)
    url = f"http://127.0.0.1:{their_port}/shapeshifter/api/v3/message"
    two = Two(deals=(DEAL,), domain=THEIRS, key=their_key, url=url, named_responses=True)
    uftp = Uftp(OURS, only(KEYS[us]))
    two.gateways[us].translators["uftp"] = uftp
    app = UftpDoorway(two.gateways[us], uftp, UftpDoor(), lambda: two.now, time.monotonic).app()
    server = uvicorn.Server(uvicorn.Config(app, port=door, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + PATIENCE
    while not server.started and time.monotonic() < end:
        time.sleep(0.02)
    role = "AGR" if us == UTILITY else "DSO"
    peer = Peer(role, their_port, f"http://127.0.0.1:{door}/shapeshifter/api/v3/message", KEYS[us].public)
    try:
        yield Clocked(two, us, uftp, peer)
    finally:
        peer.process.terminate()
        peer.process.wait(20)
        server.should_exit = True
        thread.join(20)


__all__ = ["AGGREGATOR", "NOW", "TEXT", "UTILITY", "Clocked", "clocked"]
