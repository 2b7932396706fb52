"""Types made ready to be read before threads read them.

msgspec works out what is in a type when something of it is first read, and keeps that at the type before it is whole, so that
types may hold themselves. A second thread that reads of the same type at that moment follows an empty pointer, and the process
is gone: two requests right after a gateway began were enough.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import msgspec

_LOCK = threading.Lock()
_READY: set[type] = set()


def ready_types() -> int:
    """Make every type ready that was loaded so far; how many there were that were not. For whoever begins to serve, before its
    threads do, and again after something more was loaded."""
    with _LOCK:
        found = [kind for kind in _below(msgspec.Struct) if kind not in _READY]
        for kind in found:
            with contextlib.suppress(TypeError, NameError):  # it holds what is never read
                msgspec.json.Decoder(kind)
            _READY.add(kind)
        return len(found)


def _below(kind: type) -> Iterator[type]:
    below: list[type] = type.__subclasses__(kind)
    for one in below:
        yield one
        yield from _below(one)
