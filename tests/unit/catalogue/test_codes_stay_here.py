"""No code of an interface is written anywhere in src/ but in the catalogue: the engine has no special cases."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src" / "intertie"
CODE = re.compile(r"(DA|ET([1-9]|1[0-7]))")


def codes_in(text: str) -> list[tuple[int, str]]:
    """Line and code of each string constant that is one, f-strings' pieces included."""
    return [
        (node.lineno, node.value)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value)
    ]


def test_no_interface_code_outside_the_catalogue() -> None:
    found = {
        str(path.relative_to(SOURCE)): codes
        for path in sorted(SOURCE.rglob("*.py"))
        if path.relative_to(SOURCE).parts[0] != "catalogue"
        and (codes := codes_in(path.read_text(encoding="utf-8")))
    }
    assert found == {}, "ask the catalogue instead: find_flows(document) names the interfaces"


@pytest.mark.parametrize(
    "text", ['x = "DA"', "f(code='ET1')", "if code == 'ET17': pass", 'D = {"ET10": 1}', "x = f'{y}' 'DA'"]
)
def test_the_search_finds_codes(text: str) -> None:
    assert codes_in(text)


@pytest.mark.parametrize(
    "text", ['x = "DATA"', "x = 'ET18'", "x = 'ET0'", "DA = 1", "x = 'the DA'", "# 'DA'"]
)
def test_the_search_finds_nothing_else(text: str) -> None:
    assert codes_in(text) == []
