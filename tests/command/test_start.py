"""A process begins with what it needs: what is heavy is loaded by those who use it, and no garbage is looked for meanwhile."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from intertie import cli
from intertie.run.by_name import MAILBOXES, wanted
from intertie.run.program import program

# Each takes from a twentieth to a third of the time in which a command starts.
HEAVY = {
    "numpy",
    "pyarrow",
    "asyncssh",
    "pyftpdlib",
    "litestar",
    "fpdf",
    "plotext",
    "psycopg",
    "opentelemetry",
}
LIGHT = ["inbox", "send", "status", "init", "trade_show", "serve"]


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """What is loaded with each of these, one after the other in one process."""
    code = (
        "import importlib, sys\n"
        f"for name in {LIGHT}:\n"
        "    importlib.import_module(f'intertie.cli.{name}')\n"
        "    print(name, *{one.split('.')[0] for one in sys.modules})"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return {line.split()[0]: set(line.split()[1:]) for line in said.splitlines()}


@pytest.mark.parametrize("name", LIGHT)
def test_a_short_command_loads_nothing_heavy(loaded: dict[str, set[str]], name: str) -> None:
    assert "msgspec" in loaded[name]
    assert not loaded[name] & HEAVY


def test_a_command_begins_when_it_is_found_and_not_before(capsys: pytest.CaptureFixture[str]) -> None:
    begun: list[str] = []
    assert cli.run(["example", "--help"], begin=lambda: begun.append("found")) == cli.OK
    assert begun == ["found"]
    assert cli.run(["no-such-command"], begin=lambda: begun.append("lost")) == cli.USAGE
    assert begun == ["found"]


def test_what_is_imported_is_kept_and_what_comes_later_is_looked_at() -> None:
    was, held = gc.isenabled(), gc.get_freeze_count()
    gc.disable()
    cli.keep_what_is_imported()
    assert gc.isenabled() and gc.get_freeze_count() > held
    if not was:
        gc.disable()


def test_a_program_of_ours_says_its_exit_code_and_begins_without_garbage(tmp_path: Path) -> None:
    (tmp_path / "beginner.py").write_text(
        "import gc\n"
        "def work(given):\n"
        "    assert gc.isenabled() and gc.get_freeze_count() > 1000\n"
        "    return len(given)\n"
    )
    done = subprocess.run(
        program("beginner:work", "a", "b c"), env=os.environ | {"PYTHONPATH": str(tmp_path)}, check=False
    )
    assert done.returncode == 2


def test_a_program_gives_way_before_it_imports_what_begins_threads(tmp_path: Path) -> None:
    (tmp_path / "beginner.py").write_text("import os\nNICE = os.nice(0)\ndef work(given):\n    return NICE\n")
    for nice in (0, 7):
        words = program("beginner:work", nice=nice)
        done = subprocess.run(words, env=os.environ | {"PYTHONPATH": str(tmp_path)}, check=False)
        assert done.returncode == os.nice(0) + nice


def test_a_door_is_loaded_if_the_settings_have_it() -> None:
    class Door:
        enabled = False

    class Settings:
        sftp, ftps, upload = Door(), Door(), Door()

    class Fake:
        settings = Settings()

    for name in MAILBOXES:
        assert not wanted(name, Fake())  # type: ignore[arg-type]
        door = Door()
        door.enabled = True
        setattr(Fake.settings, name, door)
        assert wanted(name, Fake())  # type: ignore[arg-type]
