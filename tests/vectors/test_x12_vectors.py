"""The cases of vectors/x12: each comes to its verdict, and to the place of what is wrong."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from intertie.formats.x12.findings import X12Code
from intertie.formats.x12.interchange import read_sets, rewrite

ROOT = Path(__file__).parent.parent.parent / "vectors"
CASES = sorted((ROOT / "x12").glob("*.json"))


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_x12", ROOT / "make_x12.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


MAKER = maker()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_verdict(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    assert json.loads(json.dumps(MAKER.verdict(case["text"], case["profile"]))) == case["expect"]
    if "ok" in case["expect"]:
        raw = case["text"].encode("ascii")
        assert rewrite(read_sets(raw)) == raw


def test_the_files_are_what_the_maker_writes() -> None:
    made = {f"{title.lower().replace(' ', '_')}.json": content for title, content in MAKER.cases()}
    assert sorted(made) == [path.name for path in CASES]
    for path in CASES:
        case = json.loads(path.read_text(encoding="utf-8"))
        assert case["text"] == made[path.name]["text"]


def test_most_codes_have_a_case() -> None:
    """The rest: sizes (a unit test has them), and what only writing can find."""
    expected = {json.loads(path.read_text(encoding="utf-8"))["expect"].get("code") for path in CASES}
    missing = {code.value for code in X12Code} - expected
    assert missing == {"too_large", "loop_too_often", "no_place"}
