"""A gateway that serves, and `shapeshifter-uftp` beside it, as processes on this machine."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from bench.peers.environment import installed
from tests.command.gateways import served
from tests.exchange.uftp_world import TEXT
from tests.ports import free_port

from intertie.cli import run
from intertie.exchange.outbound import State
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.market.book import Book
from intertie.model.ids import ConversationId, InterfaceCode, MessageId, PartyId
from intertie.model.message import Mode
from intertie.model.record import Record
from intertie.run import Opened
from intertie.seal.sodium_sign import SodiumKey, write_public

PYTHON = installed("shapeshifter-uftp")
PEER = Path(__file__).parent / "uftp_peer.py"
OURS, THEIRS = PartyId("ours.example"), PartyId("theirs.example")
SEED = "p" * 32
# As long as a process on a loaded machine may need to answer.
PATIENCE = 20.0
ROLES = {"DSO": "distribution_utility", "AGR": "der_aggregator"}


class Peer:
    """The library's process."""

    def __init__(self, role: str, port: int, url: str, key: bytes) -> None:
        settings = {
            "role": role,
            "domain": THEIRS,
            "seed": SEED,
            "port": port,
            # The library takes the 32 bytes of the key alone.
            "partner": {"domain": OURS, "url": url, "key": write_public(key).removeprefix("cs1.")},
        }
        self.process = subprocess.Popen(
            [str(PYTHON), PEER, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self.arrived: list[dict[str, Any]] = []
        threading.Thread(target=self._read, daemon=True).start()
        self.wait("ready")

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def wait(self, what: str, kind: str = "") -> dict[str, Any]:
        """The next line of this kind; others are kept."""
        for place, line in enumerate(self.arrived):
            if what in line and (not kind or line["type"] == kind):
                return self.arrived.pop(place)
        end = time.monotonic() + PATIENCE
        while True:
            line = self.lines.get(timeout=max(0.1, end - time.monotonic()))
            assert "failed" not in line, line
            if what in line and (not kind or line["type"] == kind):
                return line
            self.arrived.append(line)

    def ask(self, **asked: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()

    def send(self, expression: str, **more: str) -> int:
        """The status that the gateway's door gave."""
        self.ask(send=expression, **more)
        return int(self.wait("sent")["sent"])

    def message(self, kind: str) -> dict[str, Any]:
        """The fields of the next message of this type."""
        return dict(self.wait("type", kind)["fields"])


class House:
    """Our gateway, as an operator sees it, and the peer."""

    def __init__(self, directory: Path, it: Opened, peer: Peer) -> None:
        self.directory, self.it, self.peer = directory, it, peer

    def say(self, body: Record, conversation: str) -> MessageId:
        out = Outgoing(
            body=body,
            recipient=THEIRS,
            interface=InterfaceCode("DA"),
            mode=Mode.SCHEDULED,
            agreement=TEXT.agreement,
            conversation=ConversationId(conversation),
        )
        return send(self.it.gateway, [out], datetime.now(UTC))[0]

    def state(self, message: MessageId) -> tuple[State, str]:
        """What became of a message of ours, once it is known."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            row = self.it.store.message(message, outgoing=True)
            assert row is not None
            if row.done_at is not None:
                return row.state, row.detail
            time.sleep(0.02)
        raise AssertionError(f"{message} is {row.state}: {row.detail}")

    def book(self) -> Book:
        return self.it.gateway.books.of(self.it.store, THEIRS).ledger.book


@contextmanager
def house(base: Path, role: str) -> Iterator[House]:
    """We in this role, the library in the other, until the end of the block."""
    directory, their_role = base / "ours", "AGR" if role == "DSO" else "DSO"
    door, their_port = free_port(), free_port()
    url = f"https://127.0.0.1:{free_port()}"
    assert run(["init", OURS, "--role", ROLES[role], "--url", url, "--dir", str(directory)]) == 0
    path = directory / "intertie.toml"
    text = path.read_text().replace("[uftp]", f'[uftp]\ndomain = "{OURS}"\nlisten = "127.0.0.1:{door}"')
    path.write_text(text)
    buyer, seller = (OURS, THEIRS) if role == "DSO" else (THEIRS, OURS)
    contract = msgspec.structs.replace(
        TEXT, buyer=buyer, seller=seller, effective=datetime.now(UTC) - timedelta(days=1)
    )
    legacy = base / "theirs.legacy"
    legacy.write_text(legacy_text(ROLES[their_role], their_role, their_port, contract))
    assert run(["partner", "legacy", THEIRS, str(legacy), "--dir", str(directory)]) == 0
    it = Opened(directory)
    try:
        key = it.uftp.public_key(datetime.now(UTC)) if it.uftp is not None else b""
        with served(directory):
            peer = Peer(their_role, their_port, f"http://127.0.0.1:{door}/shapeshifter/api/v3/message", key)
            try:
                yield House(directory, it, peer)
            finally:
                peer.process.terminate()
                peer.process.wait(20)
    finally:
        it.close()


def legacy_text(role: str, usef: str, port: int, contract: Any) -> str:
    """A legacy file as an operator writes it."""
    terms = contract.general_terms
    return f"""
name = "shapeshifter-uftp"
roles = ["{role}"]
legacy_until = 2099-12-31

[uftp]
domain = "{THEIRS}"
role = "{usef}"
key = "{write_public(SodiumKey.of_seed(SEED.encode()).public)}"
url = "http://127.0.0.1:{port}/shapeshifter/api/v3/message"
currency = "USD"
zone = "America/New_York"
named_responses = true

[contract]
agreement = "{contract.agreement}"
buyer = "{contract.buyer}"
seller = "{contract.seller}"
effective = {contract.effective.isoformat()}

[contract.general_terms]
title = "{terms.title}"
edition = "{terms.edition}"
sha256 = "{terms.sha256}"

[contract.calendar]
name = "none"
zone = "America/New_York"
"""
