"""Ports for the servers that tests start, each given to one test only.

The kernel gives a port that was asked for as "any" to the next process that connects somewhere, too, once it is let go: of some
thousand, one is taken by a stranger before its server listens. So these lie below those that it gives (from 32768 on), and each
test process holds a block of its own for as long as it lives.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import socket
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

FIRST, LAST, BLOCK = 10_000, 32_000, 400  # 55 processes of tests at once; the longest asks for some 300 ports


def free_port() -> int:
    """A port that nobody listens on, that no other test process gives, and that this one gave longest ago."""
    for port in _block():
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("ports never end")


@cache
def _block() -> Iterator[int]:
    """The ports of the first block that no living process holds, over and over. The kernel lets its lock go with us."""
    folder = Path(tempfile.gettempdir()) / "intertie-test-ports"
    folder.mkdir(exist_ok=True)
    for first in range(FIRST, LAST, BLOCK):
        held = os.open(folder / str(first), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(held)
        else:
            return itertools.cycle(range(first, first + BLOCK))
    raise AssertionError("fifty processes of tests run already: stop some")
