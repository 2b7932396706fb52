"""The examples in the help of commands are command lines that the program understands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from intertie.cli import GROUPS, app

CLI = Path(__file__).parents[2] / "src" / "intertie" / "cli"
# What a person gives or is told by the program itself.
LINES = [
    (path.stem, line)
    for path in sorted(CLI.glob("*.py"))
    for line in re.findall(r"^ {8}intertie (.+)$", path.read_text(encoding="utf-8"), re.M)
]
# Groups whose every command has an example.
WITH_EXAMPLES = ("registration", "availability", "outage", "dispatch", "market", "x12")


@pytest.mark.parametrize(("name", "line"), LINES)
def test_an_example_is_understood(name: str, line: str) -> None:
    command, *_ = app.parse_args(shlex.split(line), exit_on_error=False, print_error=False)
    assert command.__module__ == f"intertie.cli.{name}"


@pytest.mark.parametrize("group", [one for one in WITH_EXAMPLES if one in GROUPS])
def test_every_command_of_the_trade_has_an_example(group: str) -> None:
    files = {path.stem for path in CLI.glob(f"{group}_*.py")}
    assert files and files <= {name for name, _ in LINES}
