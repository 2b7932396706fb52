"""kill -9 of either side at each turn of the exchange: the same commands again make partners, once."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command.gateways import AGGREGATOR, PROGRAM, UTILITY
from tests.command.test_onboarding import Two, inside, make_two, wait_open
from tests.ports import free_port

from intertie.exchange.joining import State
from intertie.gateway.configuration.settings import Places
from intertie.gateway.partners.join_partner import Joining
from intertie.run import opened
from intertie.stores.joining_files import JoiningFiles

# Each time the line turns round something is said; the first two turns are the handshake.
TURNS = {"hello": 3, "offer": 4, "answer": 5, "done": 6}
NEVER = 1_000_000


class Line:
    """A wire that counts how often it turns round, and holds back what would be said at a given turn."""

    def __init__(self, there: int, turn: int) -> None:
        self.port = free_port()
        self.reached = threading.Event()
        self._there, self._turn = there, turn
        self._turns, self._last = 0, ""
        self._lock = threading.Lock()
        self._mended = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", self.port))

    @contextlib.contextmanager
    def up(self) -> Iterator[Line]:
        threading.Thread(target=self._serve, daemon=True).start()
        try:
            yield self
        finally:
            self.mend()
            self._listening.close()

    def mend(self) -> None:
        """Say what was held back, if anybody still listens, and hold nothing any more."""
        self._turn = NEVER
        self._mended.set()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._there))
                for pair in ((near, far, "out"), (far, near, "back")):
                    threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, way: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self._holds(way):
                    self._mended.wait(60)
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _holds(self, way: str) -> bool:
        with self._lock:
            if way != self._last:
                self._turns, self._last = self._turns + 1, way
            if self._turns < self._turn:
                return False
            self.reached.set()
            return True


@contextlib.contextmanager
def door(directory: Path, port: int) -> Iterator[None]:
    """The joining door of a gateway, in this process."""
    loops: list[asyncio.AbstractEventLoop] = []
    tasks: list[asyncio.Task[None]] = []

    async def stand() -> None:
        with opened(directory) as it:
            loops.append(asyncio.get_running_loop())
            tasks.append(asyncio.create_task(it.joining_door().watch()))
            await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(stand()))
    thread.start()
    try:
        wait_open(port)
        yield
    finally:
        loops[0].call_soon_threadsafe(tasks[0].cancel)
        thread.join(30)


def begun(*arguments: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*PROGRAM, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(30)


def records(two: Two) -> list[Joining]:
    return [one for place in two[:2] for one in JoiningFiles(Places(place).joining).all()]


@pytest.fixture
def two(tmp_path: Path) -> Two:
    return make_two(tmp_path, inside)


def invitation(two: Two, line: Line) -> str:
    """A code that leads to the line, which leads to the door."""
    settings = two.utility / "intertie.toml"
    settings.write_text(
        settings.read_text().replace("[joining]", f'[joining]\naddress = "127.0.0.1:{line.port}"')
    )
    code: str = inside("partner", "invite", "--dir", two.utility, "--json").json["code"]
    return code


def check(two: Two, code: str) -> None:
    """The door stands: the same command again, and both sides have each other once."""
    assert {one.state for one in records(two)} <= {State.INVITED, State.JOINED}
    joined = inside("partner", "join", code, "--dir", two.aggregator)
    assert joined.code == 0, joined.err
    ours, theirs = records(two)
    assert ours.other is not None and theirs.other is not None
    assert (ours.state, theirs.state) == (State.JOINED, State.JOINED)
    assert (ours.other.party, theirs.other.party) == (AGGREGATOR, UTILITY)
    assert ours.other.words == theirs.other.words
    for directory, other in ((two.utility, AGGREGATOR), (two.aggregator, UTILITY)):
        confirm = ("partner", "confirm", other, "--words", ours.other.words, "--dir", directory)
        for _ in range(2):
            assert inside(*confirm).code == 0


@pytest.mark.parametrize("said", TURNS)
def test_the_joiner_dies(two: Two, said: str) -> None:
    with Line(two.door, TURNS[said]).up() as line:
        code = invitation(two, line)
        with door(two.utility, two.door):
            joiner = begun("partner", "join", code, "--dir", two.aggregator)
            try:
                assert line.reached.wait(60)
            finally:
                kill(joiner)
            line.mend()
            check(two, code)


@pytest.mark.parametrize("said", TURNS)
def test_the_inviter_dies(two: Two, said: str) -> None:
    with Line(two.door, TURNS[said]).up() as line:
        code = invitation(two, line)
        server = begun("serve", "--dir", two.utility)
        try:
            wait_open(two.door)
            join = ("partner", "join", code, "--dir", two.aggregator)
            joiner = threading.Thread(target=inside, args=join)
            joiner.start()
            assert line.reached.wait(60)
        finally:
            kill(server)
        line.mend()
        joiner.join(60)
        assert not joiner.is_alive()
        with door(two.utility, two.door):
            check(two, code)
