"""Processes that are measured: also those that a thread began."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from bench.gateways import children


def test_what_a_thread_began_is_among_the_children() -> None:
    begun: list[subprocess.Popen[bytes]] = []
    go_on = threading.Event()

    def begin() -> None:
        begun.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))
        go_on.wait(30)

    thread = threading.Thread(target=begin)
    thread.start()
    try:
        while not begun:
            pass
        assert begun[0].pid in children(os.getpid())
    finally:
        go_on.set()
        thread.join()
        begun[0].communicate(b"\n", timeout=30)
    assert begun[0].pid not in children(os.getpid())
