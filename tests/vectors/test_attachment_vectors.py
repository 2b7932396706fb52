"""The cases of vectors/attachment: by this program, by the independent reader, and as they are written."""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from intertie.model.message import read_envelope
from intertie.seal.attachment import Flaw

ROOT = Path(__file__).parent.parent.parent / "vectors"
CASES = sorted((ROOT / "attachment").glob("*.json"))


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / f"{name}.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


MAKER, READER = module("make_attachment"), module("verify_attachment")


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_both_readers_come_to_the_verdict(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    raw = READER.seal(case["sealed_for"])
    for step in case["steps"]:
        raw = READER.step(raw, step)
    assert READER.verdict(path) == (case["expect"], case["expect"])
    assert MAKER.verdict(raw, case["attachment"]) == case["expect"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_what_a_case_says_of_its_file_may_stand_in_a_message(path: Path) -> None:
    ref = json.loads(path.read_text(encoding="utf-8"))["attachment"]
    message = json.loads((ROOT.parent / "src/intertie/model/examples/outage_notice.json").read_bytes())
    assert len(read_envelope(json.dumps(message | {"attachments": [ref]}).encode()).attachments) == 1


def test_the_cases_are_those_that_the_maker_writes() -> None:
    written = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in CASES}
    made = {"".join(c if c.isalnum() else "_" for c in one["name"]): one for one in MAKER.cases()}
    assert written == made


def test_every_flaw_has_a_case_and_the_reader_is_independent() -> None:
    expects = {json.loads(path.read_text(encoding="utf-8"))["expect"] for path in CASES}
    assert expects == {"ok", *(flaw.value for flaw in Flaw)} and len(CASES) >= 20
    tree = ast.parse((ROOT / "verify_attachment.py").read_text(encoding="utf-8"))
    names = {n.names[0].name for n in ast.walk(tree) if isinstance(n, ast.Import)}
    names |= {str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) == {"cryptography"}
