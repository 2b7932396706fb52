"""`kill -9` of a gateway with a mailbox behind FTP over TLS, at random moments: an upload whose rename was answered is there,
once, and what its reader removed is received. `INTERTIE_SOAK=1` kills twenty times."""

from __future__ import annotations

import contextlib
import ftplib
import io
import os
import random
import signal
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest
from tests.faults.killing import kill_and_wait, serve
from tests.interop.sftp_house import House, inbox, say, state, table, until
from tests.interop.test_ftps import SECRET, is_open, make

from intertie.exchange.outbound import State
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.run import Opened

ROUNDS = 20 if os.environ.get("INTERTIE_SOAK") else 2
UPLOADS = 8  # in a round, two outages each


class Partner:
    """Uploads tables and fetches what lies there, and begins again when the connection is gone."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.fetched: set[str] = set()
        self._context = ssl.create_default_context(cafile=str(house.place / "ftps.pem"))

    def upload(self, name: str, content: bytes) -> None:
        """Until it is answered that it counts. A rename that was not answered is tried again: the same bytes have one effect."""
        while True:
            with contextlib.suppress(*ftplib.all_errors), self._client() as client:
                client.storbinary(f"STOR in/{name}.part", io.BytesIO(content))
                client.rename(f"in/{name}.part", f"in/{name}")
                return
            time.sleep(0.05)

    def fetch(self) -> None:
        """All that lies there, each removed once we have it."""
        with contextlib.suppress(*ftplib.all_errors), self._client() as client:
            for path in client.nlst("out"):
                name = path.rpartition("/")[2]
                got = io.BytesIO()
                client.retrbinary(f"RETR out/{name}", got.write)
                assert got.getvalue()
                self.fetched.add(name)
                client.delete(f"out/{name}")

    def _client(self) -> ftplib.FTP_TLS:
        client = ftplib.FTP_TLS(context=self._context, timeout=10)
        client.connect("127.0.0.1", self.house.port)
        client.login("utility", SECRET)
        client.prot_p()
        return client


@pytest.mark.timeout(300 if ROUNDS < 20 else 1800)
def test_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    house = make(tmp_path, more="uploads_per_minute = 100000.0\nconnections_per_address = 100\n")
    it = Opened(house.place)
    partner, chance = Partner(house), random.Random(11)
    gateway = serve(house.place)
    try:
        until(lambda: is_open(house.port))
        ours = [say(it) for _ in range(3)]
        for count in range(ROUNDS):
            gateway = _round(partner, gateway, count, chance.uniform(0.1, 0.8))
        until(lambda: len(inbox(it)) >= ROUNDS * UPLOADS * 2, 60 if ROUNDS < 20 else 300)

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
    restarted = kill_and_wait(gateway, partner.house.place)
    thread.join()
    return restarted
