"""docs/policy.md is the table of this checkout."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from intertie.catalogue.load import load_catalogue
from intertie.seal.algorithm_table import algorithms, periods, rules

ROOT = Path(__file__).parents[3]


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_policy", ROOT / "tools" / "write_policy.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current(tmp_path: Path) -> None:
    tool = load_tool()
    page = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
    assert page == tool.render(), "run `make docs`"
    (tmp_path / "docs").mkdir()
    tool.write(tmp_path)
    assert (tmp_path / "docs" / "policy.md").read_text(encoding="utf-8") == page


def test_everything_is_on_the_page() -> None:
    page = load_tool().render()
    for name in (*algorithms(), *periods(), *rules()):
        assert page.count(f"\n| `{name}` | ") == 1, name
    rows = [
        line.split(" | ")
        for line in page.splitlines()
        if line.startswith(("| real_time", "| scheduled", "| reg"))
    ]
    assert sum(int(row[6]) for row in rows) == len(load_catalogue().flows())
