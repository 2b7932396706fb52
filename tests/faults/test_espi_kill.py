"""`kill -9` at random moments. Of what issues tokens: what was answered counts afterwards, and no code counts twice. Of a
custodian and of its third party: what came in at one is told of and fetched by the other, and has one effect.
`INTERTIE_SOAK=1` kills each twenty times."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.exchange.espi_world import World
from tests.interop.espi_house import START, House, bring
from tests.interop.sftp_house import inbox, until
from tests.interop.test_espi_pair import held, make_pair

from intertie.gateway.espi.espi_grants import NotGranted
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.gateway.translating.accept_translated import original_of
from intertie.run import Opened

ROOT = Path(__file__).parents[2]
ROUNDS = 20 if os.environ.get("INTERTIE_SOAK") else 3
CODES = 40
# Redeems the codes that it is given, one after the other, and says each token once it may be said.
WORKER = """
import sys
from pathlib import Path
from tests.exchange.espi_world import World
from intertie.gateway.espi.espi_grants import NotGranted

world = World(Path(sys.argv[1]))
print("begun", flush=True)
for line in sys.stdin:
    application, code = line.split()
    try:
        asking = world.grants.redeem(application, code, world.now)
        given = world.grants.issue(application, asking.consent, world.now, refresh=True)
        print(code, given.access, given.refresh, flush=True)
    except NotGranted:
        print(code, "-", "-", flush=True)
"""


def worker(folder: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = [sys.executable, "-c", WORKER, str(folder)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)


def codes(world: World, application: str, count: int) -> list[str]:
    """Customers who consented, and whose browsers have their codes."""
    found = []
    one = world.grants.find_application(application)
    for _ in range(count):
        secret = world.grants.ask(one, one.redirect_uris[0], "FB=4", "", ("", ""), world.now)
        waiting = world.grants.asked(secret, world.now)
        world.grants.decide(waiting.id, "C", ["M1"], world.now.replace(year=2027), None, world.now)
        _, code = world.grants.code_for(secret, world.now)
        assert code is not None
        found.append(code)
    return found


@pytest.mark.timeout(300 if ROUNDS < 20 else 1800)
def test_what_was_answered_counts_and_no_code_counts_twice(tmp_path: Path) -> None:
    world, chance = World(tmp_path), random.Random(11)
    application, _ = world.add()
    said: dict[str, tuple[str, str]] = {}
    unsaid = 0
    for _ in range(ROUNDS):
        mine = codes(world, application.id, CODES)
        process = worker(tmp_path)
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.stdin.write("".join(f"{application.id} {code}\n" for code in mine))
        process.stdin.flush()
        time.sleep(chance.uniform(0.0, 0.3))
        process.kill()
        answered = process.stdout.read().splitlines()
        process.wait(30)
        process.stdin.close()
        lines = [line.split() for line in answered if len(line.split()) == 3]
        said |= {code: (access, refresh) for code, access, refresh in lines}
        unsaid += CODES - len(lines)
        for code in mine:
            if code in said:
                access, refresh = said[code]
                assert world.grants.let_in(access, world.now).consent is not None
                assert world.grants.refreshed_by(refresh, world.now)
        assert world.grants.find_application(application.id) == application
    assert said, "some were answered"
    for code in list(said)[:CODES]:
        access, _ = said[code]
        with pytest.raises(NotGranted):
            world.grants.redeem(application.id, code, world.now)
        with pytest.raises(NotGranted):
            world.grants.let_in(access, world.now)
    assert all(
        path.suffix in (".json", "")
        for path in (tmp_path / "espi").rglob("*")
        if not path.name.startswith(".")
    )


# A side of a pair: the custodian that tells, or the third party that fetches.
SIDE = """
import sys
from pathlib import Path
from tests.interop.espi_house import House, serving

with serving(House(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))):
    print("open", flush=True)
    sys.stdin.read()
"""


class Side:
    """One of two, in a process of its own that a test may kill."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._begin()

    def _begin(self) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        command = [sys.executable, "-c", SIDE, *map(str, self.house)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)

    def wait(self) -> None:
        """Until its door is open."""
        assert self._process.stdout is not None and self._process.stdout.readline() == "open\n"

    def kill(self) -> None:
        """And another one in its place."""
        self._process.kill()
        self.end()
        self._begin()

    def end(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


@pytest.mark.timeout(300 if ROUNDS < 20 else 1800)
def test_what_a_custodian_told_of_is_fetched_and_has_one_effect(tmp_path: Path, capsys: Any) -> None:
    """Both sides are killed in each round, while readings come in at one, are told of, and are fetched by the other."""
    utility, third = make_pair(tmp_path, capsys)
    bring(utility, *range(96))
    first = date(START.year, START.month, START.day).isoformat()
    sides, chance = [Side(third), Side(utility)], random.Random(17)
    try:
        for side in sides:
            side.wait()
        for count in range(1, ROUNDS + 1):
            bring(utility, *[count] * 96, days=count)
            for side in chance.sample(sides, 2):
                time.sleep(chance.uniform(0.0, 1.5))
                side.kill()
                side.wait()
        until(lambda: held(capsys, third, first) == 96 * (ROUNDS + 1))
        time.sleep(1)  # what would be doubled comes now
    finally:
        for side in sides:
            side.end()
    it = Opened(third.place)
    rows = [it.store.message(row.id) for row in inbox(it)]
    parts = [original_of(row.body) for row in rows if row is not None]
    assert parts and len(parts) == len(set(parts)), "no part of a feed is two messages"
    verify_journal(it.store)
    it.close()
