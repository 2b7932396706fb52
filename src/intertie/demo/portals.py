"""The portals of a demonstration that goes on: where they are, and codes that let in."""

from __future__ import annotations

import contextlib
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from intertie.demo.gateways import AGGREGATOR, UTILITY, Organisation, SeasonClock
from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.people import CODE_LIFE, add_person, make_code
from intertie.run import opened
from intertie.stores.people_file import PeopleFile

# Who sits in front of each.
STAFF = ((UTILITY, "ann"), (AGGREGATOR, "ben"))
# Often enough that nobody sees it stand still.
TICK_SECONDS = 1.0


class Portal(NamedTuple):
    """One side's portal, and the code by which its person comes in once."""

    who: Organisation
    url: str
    person: str
    code: str


def open_portals(root: Path) -> list[Portal]:
    """A person in all roles on each side. The gateways serve already; they see people at once."""
    made = []
    for who, person in STAFF:
        with opened(root / who.short) as it, contextlib.closing(PeopleFile(it.places.office)) as book:
            now = it.clock()
            add_person(it.gateway, book, person, list(OfficeRole), now, "the demonstration")
            code = make_code(it.gateway, book, person, CODE_LIFE, now, "the demonstration")
            port = it.settings.office.listen.rpartition(":")[2]
        # A passkey is bound to a name, never to an address.
        made.append(Portal(who, f"http://localhost:{port}", person, code))
    return made


def keep_time(path: Path, stop: threading.Event) -> None:
    """The season's clock goes on as fast as the one on the wall, until told to stop."""
    clock = SeasonClock(path, datetime.fromisoformat(path.read_text(encoding="ascii")).astimezone(UTC))
    began, start = time.monotonic(), clock.now
    while not stop.wait(TICK_SECONDS):
        clock.advance(start + timedelta(seconds=time.monotonic() - began))
