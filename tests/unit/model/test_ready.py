"""Types are made ready before threads read them: without that, two that read of a new type at once end the process."""

from __future__ import annotations

import subprocess
import sys

import msgspec

from intertie.gateway.translating.foreign import Foreign
from intertie.model.ready import ready_types
from intertie.model.record import Record

# As a serving gateway does: each thread reads what the others read, for the first time, and they take turns as often as they can.
TOGETHER = """
import sys, threading
from datetime import date
import msgspec
from intertie.gateway.translating.foreign import Foreign
from intertie.model.ready import ready_types

if sys.argv[1] == "ready":
    assert ready_types() > 100 and ready_types() == 0
sys.setswitchinterval(1e-6)
secret = "sha256:" + "a" * 64
said = {"name": "H", "roles": ["gateway_esi"], "legacy_until": "2027-12-31", "parcel": {}}
said["upload"] = {"user": "h", "secrets": [secret]}
gate, read = threading.Barrier(4), []

def work():
    gate.wait()
    read.append(msgspec.convert(said, Foreign))

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(read) == 4 and set(read) == {read[0]} and read[0].legacy_until == date(2027, 12, 31)
"""


def test_threads_that_read_of_a_new_type_at_once_all_read_it() -> None:
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", TOGETHER, "ready"], capture_output=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr


def test_what_is_loaded_later_is_made_ready_then() -> None:
    ready_types()

    inner = msgspec.defstruct("Inner", [("number", int)], bases=(Record,), frozen=True, kw_only=True)
    later = msgspec.defstruct(
        "Later", [("inners", tuple[inner, ...], ())], bases=(Record,), frozen=True, kw_only=True
    )  # type: ignore[valid-type]
    assert ready_types() == 2 and ready_types() == 0
    assert msgspec.convert({"inners": [{"number": 1}]}, later).inners[0].number == 1


def test_every_type_of_ours_can_be() -> None:
    ready_types()
    never = set()
    for kind in _all(Record):
        try:
            msgspec.json.Decoder(kind)
        except TypeError:
            never.add(kind.__name__)
    assert never <= {"RenewedReport"}, "it is written, and never read"
    assert Foreign in _all(Record)


def _all(kind: type) -> set[type]:
    found = {one for one in type.__subclasses__(kind) if one.__module__.startswith("intertie.")}
    return found | {deeper for one in found for deeper in _all(one)}
