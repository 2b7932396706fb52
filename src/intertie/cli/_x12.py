"""What the x12 commands share: their options, and sets for people."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from intertie.cli._shared import print_table, read_file
from intertie.formats.x12.findings import Finding
from intertie.formats.x12.interchange import TransactionSet
from intertie.formats.x12.trading import Trading, read_trading

ProfileName = Annotated[
    Literal["ny", "pa", "tx"], Parameter(name="--profile", help="The utility's guides: ny, pa or tx.")
]
Between = Annotated[
    Path, Parameter(name="--between", help="A TOML file that names the two ends (docs/x12.md, Settings).")
]


def read_between(path: Path) -> Trading:
    """The two ends. SettingsError if the file cannot be read."""
    return read_trading(read_file(path).decode("utf-8", "replace"))


def print_findings(rows: Iterable[tuple[str, Finding]]) -> None:
    """What is wrong, and where."""
    print_table(
        "Findings",
        ("set", "code", "segment", "id", "element", "component", "what"),
        [
            (
                control,
                found.code.value,
                found.place.segment or "",
                found.place.id,
                found.place.element or "",
                found.place.component or "",
                found.detail or sentence(found),
            )
            for control, found in rows
        ],
        empty="Nothing is wrong.",
    )


def sentence(found: Finding) -> str:
    """The code in words."""
    return str(found).rpartition("): ")[2] or str(found)


def finding_data(found: Finding) -> dict[str, Any]:
    """A finding for programs."""
    return {"code": found.code.value, **found.place._asdict(), "detail": found.detail or sentence(found)}


def set_row(one: TransactionSet) -> tuple[object, ...]:
    """A set in a table: where it is, and between whom."""
    head = one.isa
    return head.control, one.group.control, one.control, one.set_id, head.sender, head.receiver, one.first
