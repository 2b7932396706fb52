"""Every example of docs/api.md is run as it stands, after the aggregator's quickstart, which it goes on from."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.command.test_pages import ROOT, run
from tests.ports import free_port

PAGE = ROOT / "docs" / "api.md"
BEFORE = ROOT / "docs" / "quickstart-aggregator.md"
BLOCK = re.compile(r"^```(sh|python)(?: ([\w.]+))?\n(.*?)^```", re.S | re.M)
SAVED = "cat > {} <<'END_OF_FILE'\n{}END_OF_FILE"
# The door's processes begin beside the gateway's.
OPEN = "until curl -sS -o /dev/null http://127.0.0.1:8460/api/v1/openapi.json 2>/dev/null; do sleep 0.1; done"


def script() -> str:
    """The quickstart up to the deal, with the door opened before its gateway serves; then the page."""
    first = BLOCK.findall(BEFORE.read_text(encoding="utf-8").split("## 6.")[0])
    page = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    setup = [block for _, kind, block in page if kind == "setup"]
    lines = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true; wait || true' EXIT"]
    for number, (_, kind, block) in enumerate(first):
        lines.append(f"{block.strip()} 2>>serve.log &" if kind == "background" else block)
        if number == 0:
            lines += setup
    lines.append(OPEN)
    for language, kind, block in page:
        if language == "python":
            lines.append(SAVED.format(kind, block))
        elif kind != "setup":
            lines.append(block)
    text = "\n".join(lines)
    for port in (":8441", ":8442", ":8453", ":8460"):
        text = text.replace(port, f":{free_port()}")
    return text


def test_every_example(tmp_path: Path) -> None:
    done = run(script(), tmp_path)
    said = done.stdout
    assert done.returncode == 0, said[-2000:] + done.stderr[-3000:]
    assert '"key":"trading-desk","role":"trader"' in said
    assert '"document":"confirmation"' in said and re.search(r'"digest":"[0-9a-f]{64}"', said)
    refused = re.findall(r'\{"type":"urn:intertie:problem:not_possible".*\}', said)
    assert len(refused) == 2 and refused[0] == refused[1] and "NONE" in refused[0]
    assert re.search(r"\['[0-9a-f-]{36}'\]", said) and re.search(r"^accepted D-", said, re.M)
    assert "event: act" in said and "api key added" in said


def test_ten_lines_do() -> None:
    """To declare availability and to answer a dispatch takes ten statements each, imports apart."""
    programs = [
        block
        for language, _, block in BLOCK.findall(PAGE.read_text(encoding="utf-8"))
        if language == "python"
    ]
    assert len(programs) == 2
    for program in programs:
        statements = [
            node
            for node in ast.walk(ast.parse(program))
            if isinstance(node, ast.stmt) and not isinstance(node, ast.Import | ast.ImportFrom)
        ]
        assert 0 < len(statements) <= 10
