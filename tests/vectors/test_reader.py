"""The independent reader, in a process of its own: it comes to the expected verdict on every case of every folder."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from intertie.model.errors import RULES, Code

VECTORS = Path(__file__).parents[2] / "vectors"
SCRIPT = VECTORS / "verify_parcel.py"
FOLDERS = (
    "parcel",
    "x509",
    "receipt",
    "checkpoint",
    "descriptor",
    "evidence",
    "attachment",
    "translated",
    "relay",
)


def read(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", str(SCRIPT), *map(str, words)]
    environment = {"PATH": "", "PYTHONPATH": str(VECTORS)}  # nothing of this program within reach
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)


def expected(path: Path) -> str:
    case = json.loads(path.read_text(encoding="utf-8"))
    bare = f", without stamps {case['without_stamps']}" if "without_stamps" in case else ""
    return str(case["expect"]) + bare


@pytest.mark.parametrize("folder", FOLDERS)
def test_it_agrees_on_every_case(folder: str) -> None:
    done = read(folder, "--json")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    found = json.loads(done.stdout)[folder]
    assert found == {path.stem: expected(path) for path in (VECTORS / folder).glob("*.json")}


@pytest.mark.parametrize(
    ("folder", "name", "change"),
    [
        ("parcel", "valid_hybrid", {"expect": "bad_frame"}),
        ("x509", "revoked", {"lists": []}),
        ("receipt", "valid_hybrid", {"now": "2019-01-01T00:00:00Z"}),
        ("descriptor", "truncated", {"expect": "ok ES256:1"}),
        ("evidence", "stamp_altered", {"tsa": False}),
        ("translated", "after_2035", {"now": "2034-01-01T00:00:00Z"}),
        ("relay", "after_its_end", {"now": "2026-11-27T12:00:00Z"}),
    ],
)
def test_it_can_disagree(folder: str, name: str, change: dict[str, object], tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    case = json.loads((VECTORS / folder / f"{name}.json").read_text(encoding="utf-8"))
    wrong.write_text(json.dumps(case | change), encoding="utf-8")
    done = read(folder, wrong)
    assert done.returncode == 1
    assert "DIFFER" in done.stdout


def test_it_imports_nothing_of_ours() -> None:
    for path in (SCRIPT, *(VECTORS / "reading").glob("*.py")):
        imports = set(re.findall(r"^(?:from|import) (\w+)", path.read_text(encoding="utf-8"), flags=re.M))
        assert imports - set(sys.stdlib_module_names) <= {"cryptography", "reading", "verify_attachment"}


def test_refusals_are_many_and_each_has_its_step() -> None:
    """A code stands for the numbered step of docs/parcel.md that refuses; evidence names its own."""
    steps: dict[int, int] = {}
    for folder in FOLDERS:
        for path in (VECTORS / folder).glob("*.json") if folder != "attachment" else ():
            code = json.loads(path.read_text(encoding="utf-8"))["expect"]
            if code.startswith("ok") or code == "trust_unusable":
                continue
            step = int(code.split()[1]) if code.startswith("step ") else RULES[Code(code)].step
            if not code.startswith("step "):
                steps[step] = steps.get(step, 0) + 1
    assert sum(steps.values()) >= 600
    assert set(steps) >= {1, 2, 3, 6, 7, 8}
