"""The house rules, held by machine: STYLE.md says why each is there."""

from __future__ import annotations

import ast
import gc
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from intertie.cli import COMMANDS, GROUPS

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "intertie"

# A folder may import only from itself and from what stands before it.
ORDER = [
    "model",
    "client",
    "catalogue",
    "seal",
    "journal",
    "exchange",
    "market",
    "formats",
    "gateway",
    "stores",
    "bindings",
    "portal",
    "demo",
    "cli",
    "run",
]
# The one wiring file stands last, and the commands start it. `demo` plays the staff of two organisations, so it
# wires gateways too.
MAY_IMPORT_RUN = {"cli", "demo"}
# The folders that touch the world may read a clock; everything else is told the time.
CLOCK_ALLOWED = ("run/", "cli/", "demo/", "bindings/")
FILE_LINES = 600
FUNCTION_LINES = 70
CLOCK_CALLS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "monotonic"),
    ("time", "perf_counter"),
}
CRYPTO = {"cryptography", "joserfc", "OpenSSL", "ssl"}
CRYPTO_ALLOWED = {"seal"}
TLS_TYPES_ALLOWED = {"bindings", "cli", "run"}  # `ssl` only: to hold a context or to catch its errors


@cache
def python_files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    """All of it, walked once for all rules."""
    return list(ast.walk(tree_of(path)))


@pytest.fixture(scope="module", autouse=True)
def _trees_are_let_go() -> Iterator[None]:
    """They stay until the end of this file: to look for garbage among them is half of the time."""
    gc.disable()
    yield
    gc.enable()
    tree_of.cache_clear()
    nodes_of.cache_clear()


def folder_of(path: Path) -> str:
    relative = path.relative_to(SOURCE)
    return relative.parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[tuple[str, int]]:
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node.lineno
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def test_every_folder_has_a_place_in_the_order() -> None:
    found = {folder_of(path) for path in python_files()} - {"__init__"}
    assert found <= set(ORDER), f"give these a place in ORDER and in ARCHITECTURE.md: {found - set(ORDER)}"


def test_imports_go_upward_only() -> None:
    wrong = [f"{path}: {said}" for path in python_files() for said in downward(path)]
    assert not wrong, wrong


def downward(path: Path) -> list[str]:
    here = folder_of(path)
    if here == "__init__":
        return []
    wrong = []
    for name, line in imports_of(path):
        parts = name.split(".")
        if parts[0] != "intertie" or len(parts) < 2 or parts[1] not in ORDER:
            continue
        there = parts[1]
        if there == "run" and here in MAY_IMPORT_RUN | {"run"}:
            continue
        if here == "run" or ORDER.index(there) <= ORDER.index(here):
            continue
        wrong.append(f"line {line}: {here} imports {name}")
    return wrong


def test_no_import_cycle() -> None:
    names = {name_of(path): path for path in python_files()}
    graph = {
        name: {n for n, _ in imports_of(path) if n in names and n != name}
        - ({name.rsplit(".", 1)[0]} if "." in name else set())
        for name, path in names.items()
    }
    done: set[str] = set()
    trail: list[str] = []

    def visit(name: str) -> None:
        if name in trail:
            raise AssertionError(" -> ".join([*trail[trail.index(name) :], name]))
        if name in done:
            return
        trail.append(name)
        for other in sorted(graph[name]):
            visit(other)
        trail.pop()
        done.add(name)

    for name in graph:
        visit(name)


def test_sizes() -> None:
    wrong = []
    for path in python_files():
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines > FILE_LINES:
            wrong.append(f"{path} has {lines} lines")
        for node in nodes_of(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = (node.end_lineno or node.lineno) - node.lineno + 1
                if size > FUNCTION_LINES:
                    wrong.append(f"{path}: {node.name} has {size} lines")
    assert not wrong, wrong


def test_no_late_import_no_bare_except() -> None:
    wrong = []
    for path in python_files():
        for node in nodes_of(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                late = [n.lineno for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
                wrong += [f"{path}: import inside {node.name}, line {line}" for line in late]
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                wrong.append(f"{path}: bare except, line {node.lineno}")
    assert not wrong, wrong


def test_clock_is_read_at_the_edges_only() -> None:
    wrong = []
    for path in python_files():
        if str(path.relative_to(SOURCE)).startswith(CLOCK_ALLOWED):
            continue
        for node in nodes_of(path):
            if isinstance(node, ast.Attribute):
                inner = node.value
                owner = inner.attr if isinstance(inner, ast.Attribute) else getattr(inner, "id", "")
                if (owner, node.attr) in CLOCK_CALLS:
                    wrong.append(f"{path}, line {node.lineno}: `now` is an argument here")
    assert not wrong, wrong


def test_cryptography_stays_in_seal() -> None:
    wrong = []
    for path in python_files():
        here = folder_of(path)
        if here in CRYPTO_ALLOWED:
            continue
        for name, line in imports_of(path):
            top = name.split(".")[0]
            if top in CRYPTO and not (top == "ssl" and here in TLS_TYPES_ALLOWED):
                wrong.append(f"{path}, line {line}: {here} imports {name}")
    assert not wrong, wrong


BY_NAME = re.compile(r"(intertie(?:\.\w+)+)(?::(\w+))?")


@cache
def modules() -> set[str]:
    """Without folders: a logger has a folder's name."""
    return {name_of(path) for path in python_files() if path.name != "__init__.py"}


def loaded_by_name(path: Path) -> Iterator[tuple[str, str]]:
    """Modules, and what is wanted of them, that stand in a string because they are loaded late."""
    for node in nodes_of(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            named = BY_NAME.fullmatch(node.value)
            if named and (named[2] or named[1] in modules()):
                yield named[1], named[2] or ""


def test_what_is_loaded_by_name_is_there() -> None:
    found = 0
    for path in python_files():
        for module, name in loaded_by_name(path):
            there = SOURCE.parent / f"{module.replace('.', '/')}.py"
            assert there.is_file(), f"{path} names {module}"
            defined = {node.name for node in tree_of(there).body if isinstance(node, ast.FunctionDef)}
            assert not name or name in defined, f"{path} names {module}:{name}"
            found += 1
    assert found >= 4


def test_every_file_is_imported_by_somebody() -> None:
    used: set[str] = set()
    for folder in ("src", "tools", "bench", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            used |= {name for name, _ in imports_of(path)}
    used |= {name for path in python_files() for name, _ in loaded_by_name(path)}
    used |= {f"intertie.cli.{name}" for name in (*COMMANDS, *GROUPS)}  # by name, when they are called
    entry_points = {"intertie.run", "intertie.cli", "intertie.__main__"}
    unused = [
        name_of(path)
        for path in python_files()
        if path.name != "__init__.py" and name_of(path) not in used | entry_points
    ]
    assert not unused, f"nobody imports: {unused}"


def test_every_folder_says_what_it_is_for() -> None:
    for init in SOURCE.rglob("__init__.py"):
        assert ast.get_docstring(tree_of(init)), f"{init.relative_to(ROOT)} has no docstring"


def test_pages_are_there_with_one_title_each() -> None:
    pages = ["README", "ARCHITECTURE", "HACKING", "STYLE", "CONFORMANCE", "SECURITY", "CHANGELOG"]
    for page in [ROOT / f"{name}.md" for name in pages] + sorted((ROOT / "docs").rglob("*.md")):
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
        titles = [line for line in text.splitlines() if line.startswith("# ")]
        assert len(titles) == 1, f"{page.relative_to(ROOT)}: {titles}"


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def test_no_registry_host_no_machine_path_no_generated_binary() -> None:
    hosts = re.compile(
        r"(pypi|pythonhosted|npmjs|debian)\.(org|com)|/opt/pypi|/root/|/work/main|/tmp/[a-z]", re.I
    )
    allowed_binary = {".parquet"}
    for path in tracked_files():
        data = path.read_bytes()
        if b"\0" in data:
            assert path.suffix in allowed_binary, f"binary file {path.relative_to(ROOT)}"
            continue
        if path == Path(__file__):
            continue
        found = hosts.search(data.decode("utf-8", "replace"))
        assert not found, f"{path.relative_to(ROOT)}: {found and found.group(0)}"


def test_tests_are_grouped_by_what_they_need() -> None:
    groups = {"unit", "vectors", "faults", "store", "exchange", "command", "interop", "portal"}
    for path in (ROOT / "tests").rglob("test_*.py"):
        parts = path.relative_to(ROOT / "tests").parts
        assert len(parts) == 1 or parts[0] in groups, f"{path}: which group?"


def test_the_share_of_tests_does_not_fall() -> None:
    """The share of test may only grow: STYLE.md aims at 1.2 lines of test per line of code."""
    code = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in python_files())
    test = sum(len(p.read_text(encoding="utf-8").splitlines()) for p in (ROOT / "tests").rglob("*.py"))
    assert test >= 0.85 * code, f"{test} lines of test for {code} of code"
