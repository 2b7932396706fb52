"""`kill -9` of what issues tokens, at random moments: what was answered counts afterwards, and no code counts twice.
`INTERTIE_SOAK=1` kills twenty times."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.exchange.espi_world import World

from intertie.gateway.espi_grants import NotGranted

ROOT = Path(__file__).parents[2]
ROUNDS = 20 if os.environ.get("INTERTIE_SOAK") else 3
CODES = 40
# Redeems the codes that it is given, one after the other, and says each token once it may be said.
WORKER = """
import sys
from pathlib import Path
from tests.exchange.espi_world import World
from intertie.gateway.espi_grants import NotGranted

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
