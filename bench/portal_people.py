"""People who are signed in at a portal that is measured, and waiting for its door."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime

import httpx

from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.people import CODE_LIFE, Visitor, add_person, make_code
from intertie.gateway.office.sign_in import by_code
from intertie.run import Opened
from intertie.stores.people_file import PeopleFile

AGENT = "bench"
# An office process opens its store, and on a laden machine that takes its time.
START_SECONDS = 60.0


def sessions(it: Opened, count: int) -> list[str]:
    """Cookies of people who are signed in, in every role. Each may ask so often; so a page has a person of its own."""
    people, now, found = PeopleFile(it.places.office), datetime.now(UTC), []
    with contextlib.closing(people):
        for number in range(count):
            name = f"person-{number}"
            add_person(it.gateway, people, name, list(OfficeRole), now, "bench")
            code = make_code(it.gateway, people, name, CODE_LIFE, now, "bench")
            found.append(by_code(it.gateway, people, code, Visitor("127.0.0.1", AGENT), now)[0])
    return found


def wait_until_open(url: str) -> None:
    """Until the portal answers."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"{url}/static/none")
            return
        time.sleep(0.1)
    raise SystemExit(f"the portal at {url} did not open")
