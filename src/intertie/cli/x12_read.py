"""`intertie x12 read`: an interchange as tables, or its documents as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from intertie.cli._shared import Json, print_json, print_table, read_file
from intertie.cli._x12 import ProfileName, finding_data, print_findings, set_row
from intertie.formats.x12.findings import Finding, X12Error
from intertie.formats.x12.interchange import TransactionSet, read_sets
from intertie.formats.x12.layout import profile as load_profile
from intertie.formats.x12.sets import read_document
from intertie.model.record import Record


def read(file: Path, /, *, profile: ProfileName = "ny", json: Json = False) -> int:
    """Show what an interchange holds: its sets, and the document of each; with --json the documents themselves.

    Exit code 1 if a set makes no document; what is wrong, and where, is listed.

    Example:

        intertie x12 read invoice.x12 --profile pa
        intertie x12 read invoice.x12 --json
    """
    by = load_profile(profile)
    read_all: list[tuple[TransactionSet, Record | None, tuple[Finding, ...]]] = []
    for one in read_sets(read_file(file)):
        try:
            read_all.append((one, read_document(one, by), ()))
        except X12Error as error:
            read_all.append((one, None, error.findings))
    if json:
        print_json({"sets": [_data(*each) for each in read_all]})
    else:
        print_table(
            f"Sets of {file}",
            ("interchange", "group", "set", "kind", "from", "to", "segment", "document"),
            [(*set_row(one), type(body).__name__ if body else "") for one, body, _ in read_all],
            empty="No sets are in it.",
        )
        for one, body, _ in read_all:
            if body is not None:
                _show(one, body)
        found = [(one.control, finding) for one, _, findings in read_all for finding in findings]
        if found:
            print_findings(found)
    return int(any(findings for *_, findings in read_all))


def _data(one: TransactionSet, body: Record | None, findings: tuple[Finding, ...]) -> dict[str, Any]:
    names = ("interchange", "group", "control", "set", "from", "to", "segment")
    return {
        **dict(zip(names, set_row(one), strict=True)),
        "document": type(body).__name__ if body else None,
        "body": body,
        "findings": [finding_data(found) for found in findings],
    }


# Longer lists and texts are had with --json.
CELL = 100


def _show(one: TransactionSet, body: Record) -> None:
    rows = []
    for name in body.__struct_fields__:
        value = getattr(body, name)
        if isinstance(value, tuple):
            rows.append((name, f"{len(value)}: {', '.join(map(_cell, value))}"[:CELL]))
        elif value not in (None, ""):
            rows.append((name, _cell(value)[:CELL]))
    print_table(f"Set {one.control}: {type(body).__name__}", ("field", "value"), rows, empty="")


def _cell(value: object) -> str:
    if isinstance(value, Record):
        first = [getattr(value, name) for name in value.__struct_fields__[:4]]
        return " ".join(str(part) for part in first if not isinstance(part, tuple | Record))
    return str(value)
