"""`kill -9` of a gateway with a door for uploads, at random moments: what it said was taken is there, once, and what was handed
out is received. `INTERTIE_SOAK=1` kills twenty times."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
from tests.faults.killing import kill_and_wait, serve
from tests.interop.sftp_house import inbox, say, state, table, until
from tests.interop.test_upload import SECRET, make

from intertie.exchange.outbound import State
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.run import Opened

ROUNDS = 20 if os.environ.get("INTERTIE_SOAK") else 2
UPLOADS = 10  # in a round, two outages each


class Partner:
    """Uploads tables and fetches what waits for it, and begins again when the connection is gone."""

    def __init__(self, place: Path, port: int) -> None:
        self.place = place
        self.fetched: set[str] = set()
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", auth=("utility", SECRET), timeout=10, trust_env=False
        )

    def upload(self, name: str, content: bytes) -> None:
        """Until it is answered that all was taken. The same bytes again have one effect."""
        while True:
            with contextlib.suppress(httpx.TransportError):
                said = self._client.post("/upload", content=content, headers={"X-File-Name": name})
                if said.status_code == 200:
                    assert said.json()["files"][0]["taken"] == 2, said.text
                    return
                assert said.status_code == 503, said.text
            time.sleep(0.05)

    def fetch(self) -> None:
        """All that waits, each removed once we have it."""
        with contextlib.suppress(httpx.TransportError):
            for file in self._client.get("/files").json()["files"]:
                got = self._client.get(f"/files/{file['name']}")
                if got.status_code == 200:
                    assert len(got.content) == file["bytes"]
                    self.fetched.add(file["name"])
                    self._client.delete(f"/files/{file['name']}")


@pytest.mark.timeout(300 if ROUNDS < 20 else 1800)
def test_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    place, port = make(tmp_path, "")
    it = Opened(place)
    partner, chance = Partner(place, port), random.Random(13)
    gateway = serve(place)
    try:
        ours = [say(it) for _ in range(3)]
        for count in range(ROUNDS):
            gateway = _round(partner, gateway, count, chance.uniform(0.02, 0.4))
        assert len(inbox(it)) == ROUNDS * UPLOADS * 2, "all of it was answered, so all of it is there"

        def all_fetched() -> bool:
            partner.fetch()
            return all(state(it, message)[0] is State.ACCEPTED for message in ours)

        until(all_fetched, 60 if ROUNDS < 20 else 300)
        time.sleep(1)  # what would be doubled comes now
    finally:
        gateway.send_signal(signal.SIGTERM)
        gateway.wait(30)
    rows = inbox(it)
    assert len(rows) == ROUNDS * UPLOADS * 2 == len({row.id for row in rows})
    assert all(any(str(message) in name for name in partner.fetched) for message in ours)
    verify_journal(it.store)
    it.close()


def _round(
    partner: Partner, gateway: subprocess.Popen[bytes], count: int, after: float
) -> subprocess.Popen[bytes]:
    """Uploads one after the other, and a kill in between."""

    def uploads() -> None:
        for number in range(UPLOADS):
            name = f"{count}-{number}"
            partner.upload(f"{name}.csv", table(f"OUT-{name}-a", f"OUT-{name}-b"))
            partner.fetch()

    thread = threading.Thread(target=uploads)
    thread.start()
    time.sleep(after)
    restarted = kill_and_wait(gateway, partner.place)
    thread.join()
    return restarted
