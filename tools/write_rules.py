"""Write docs/rules.md: every rule of the trade, its source, and the tests that are marked with its name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from intertie.market.book import RULES

PAGE = Path("docs") / "rules.md"

HEAD = """# The rules of the trade

Written by `make docs` from the rules in `src/intertie/market/` and the tests that are marked with their names; a test keeps this
page current, and fails for a rule without one. [trade.md](trade.md) says when a rule is asked, and what follows if it is broken.

| rule | what it asks | source | tests |
|---|---|---|---|
"""


def main() -> None:
    """Write the page of this checkout."""
    write(Path(__file__).parent.parent)


def write(root: Path) -> None:
    """Write the page below `root`."""
    (root / PAGE).write_text(page(root), encoding="utf-8")


def page(root: Path) -> str:
    """The text of the page."""
    tests = marked(root)
    lines = []
    for rule in sorted(RULES, key=lambda rule: rule.name):
        named = "<br>".join(f"`{test}`" for test in tests.get(rule.name, ()))
        lines.append(f"| `{rule.name}` | {_cell(rule.text)} | {_cell(rule.source)} | {named} |")
    return HEAD + "\n".join(lines) + "\n"


def marked(root: Path) -> dict[str, list[str]]:
    """The tests of each rule, by its name: file and function."""
    found: dict[str, list[str]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if "mark.rule(" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                for rule in _marks(node):
                    found.setdefault(rule, []).append(f"{path.stem}::{node.name}")
    return {rule: sorted(tests) for rule, tests in found.items()}


def _marks(node: ast.FunctionDef | ast.ClassDef) -> Iterator[str]:
    for mark in node.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.rule":
            yield from (str(one.value) for one in mark.args if isinstance(one, ast.Constant))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()
