"""kill -9 while readings are taken in, again and again: every row is there once when it has come to its end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

from tests.store.readings_cases import DAY, asked, kept, rows_of, store_in, table

ROOT = Path(__file__).parents[2]
IMPORTS = 24
KILLS = 4
WORKER = """
import sys
from pathlib import Path
from tests.exchange.house import make_pair
from tests.store.readings_cases import ZONE, store_in
from intertie.gateway.metering.readings import Readings, rebuild, take_in

readings = Readings(store_in(Path(sys.argv[1])), ZONE, lambda meter: True)
gateway = make_pair().utility
print("begun", flush=True)
take_in(gateway, readings)
while sys.argv[2] == "again":
    rebuild(gateway, readings)
    print("rebuilt", flush=True)
"""


def worker(folder: Path, how: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = [sys.executable, "-c", WORKER, str(folder), how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_killed_in_the_middle_of_rebuilding(tmp_path: Path) -> None:
    store, rows = store_in(tmp_path), []
    for number in range(IMPORTS):
        fresh = rows_of(40, 3, DAY + timedelta(days=number))
        rows += fresh
        store.keep_import(iter([table(fresh)]), iter([]))
    for number in range(KILLS):
        process = worker(tmp_path, "again")
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        time.sleep(0.03 + 0.11 * number)
        process.kill()
        process.wait(30)
        found = kept(store)
        assert len(found) == len(set(found)), "no row twice"
        assert set(found) <= set(asked(rows)), "no row but those of the imports"
        assert len(found) % 120 == 0, "an import whole, or not at all"
    assert worker(tmp_path, "once").wait(60) == 0
    assert kept(store) == asked(rows)
    files = list((tmp_path / "readings" / "months").rglob("*.*"))
    assert len(files) == store.summary().files, "nothing is left of what was killed"
