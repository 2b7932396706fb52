"""docs/interfaces.md is the catalogue of this checkout."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from intertie.catalogue.load import load_catalogue

ROOT = Path(__file__).parents[3]


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_interfaces", ROOT / "tools" / "write_interfaces.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current() -> None:
    page = (ROOT / "docs" / "interfaces.md").read_text(encoding="utf-8")
    assert page == load_tool().render(), "run `make docs`"


def test_write_writes_what_render_says(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    tool = load_tool()
    tool.write(tmp_path)
    assert (tmp_path / "docs" / "interfaces.md").read_text(encoding="utf-8") == tool.render()


def test_everything_is_on_the_page() -> None:
    page = load_tool().render()
    catalogue = load_catalogue()
    for interface in catalogue.interfaces.values():
        assert f"## {interface.code}: {interface.title}\n" in page
        assert interface.description in page
        for sentence in interface.requirements + interface.constraints + interface.doubts + interface.threats:
            assert f"- {sentence}\n" in page
    rows = [line for line in page.splitlines() if "` → `" in line and line.startswith("| `")]
    assert len(rows) == len(catalogue.flows())
    assert len({line.count("|") for line in rows}) == 1, "a bar inside a cell would break its row"
