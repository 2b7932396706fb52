"""`kill -9` of a gateway with a mailbox, at random moments: an upload whose rename was answered is there, once, and what
was fetched is received. `INTERTIE_SOAK=1` kills twenty times."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import asyncssh
import pytest
from tests.faults.killing import kill_and_wait, serve
from tests.interop.sftp_house import House, answers, inbox, make_house, make_key, say, state, table, until

from intertie.exchange.outbound import State
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.run import Opened
from intertie.seal.ssh_keys import HOST, public_line

ROUNDS = 20 if os.environ.get("INTERTIE_SOAK") else 2
UPLOADS = 12  # in a round, two outages each
LOST = (asyncssh.Error, OSError)


class Partner:
    """Uploads tables and fetches what lies there, and begins again when the connection is gone."""

    def __init__(self, house: House, key: Path, host_key: str) -> None:
        self.house, self.key = house, key
        self.pinned = asyncssh.import_public_key(host_key)
        self.fetched: set[str] = set()

    async def upload(self, name: str, content: bytes) -> None:
        """Until it is answered that it counts. A rename that was not answered is tried again: the same bytes have one effect."""
        while True:
            with contextlib.suppress(*LOST):
                async with self._connect() as connection, connection.start_sftp_client() as sftp:
                    async with sftp.open(f"in/{name}.part", "wb") as file:
                        await file.write(content)
                    await sftp.rename(f"in/{name}.part", f"in/{name}")
                    return
            await asyncio.sleep(0.05)

    async def fetch(self) -> None:
        """All that lies there, each removed once we have it."""
        with contextlib.suppress(*LOST):
            async with self._connect() as connection, connection.start_sftp_client() as sftp:
                for name in await sftp.listdir("out"):
                    if not str(name).startswith("."):
                        async with sftp.open(f"out/{name}", "rb") as file:
                            await file.read()
                        self.fetched.add(str(name))
                        await sftp.remove(f"out/{name}")

    def _connect(self) -> asyncssh.misc._ACMWrapper[asyncssh.SSHClientConnection]:
        return asyncssh.connect(
            "127.0.0.1",
            self.house.port,
            username="utility",
            client_keys=[str(self.key)],
            known_hosts=([self.pinned], [], []),
            config=None,
            login_timeout=5,
        )


@pytest.mark.timeout(300 if ROUNDS < 20 else 1800)
def test_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    key = tmp_path / "id"
    quick = "connections_per_minute = 100000.0\nuploads_per_minute = 100000.0\n"
    house = make_house(tmp_path, f'user = "utility"\nkeys = ["{make_key(key)}"]', more=quick)
    it = Opened(house.place)
    partner = Partner(house, key, public_line(it.ssh_key(HOST)))
    gateway = serve(house.place)
    chance = random.Random(7)
    try:
        until(lambda: answers(house.port))
        ours = [say(it) for _ in range(3)]
        for count in range(ROUNDS):
            gateway = asyncio.run(_round(partner, gateway, count, chance))
        until(lambda: len(inbox(it)) >= ROUNDS * UPLOADS * 2, 60 if ROUNDS < 20 else 300)

        def all_fetched() -> bool:
            asyncio.run(partner.fetch())
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


async def _round(
    partner: Partner, gateway: subprocess.Popen[bytes], count: int, chance: random.Random
) -> subprocess.Popen[bytes]:
    """Uploads one after the other, and a kill in between."""

    async def uploads() -> None:
        for number in range(UPLOADS):
            name = f"{count}-{number}"
            await partner.upload(f"{name}.csv", table(f"OUT-{name}-a", f"OUT-{name}-b"))
            await partner.fetch()

    async def kill() -> subprocess.Popen[bytes]:
        await asyncio.sleep(chance.uniform(0.1, 0.8))
        return await asyncio.to_thread(kill_and_wait, gateway, partner.house.place)

    _, restarted = await asyncio.gather(uploads(), kill())
    return restarted
