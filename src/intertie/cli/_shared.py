"""What several commands need: the options they share, the clock, and printing for people and for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter, Token
from rich.console import Console
from rich.table import Table

from intertie.gateway.ports import MessageRow
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId, party_id

_ENCODER = msgspec.json.Encoder(decimal_format="string")


def parse_instant(text: str) -> datetime:
    """A time with its offset, or a date (which begins at 00:00 UTC); ValueError otherwise."""
    if len(text) == 10:
        return datetime.combine(date.fromisoformat(text), time_of_day(), UTC)
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text} needs its offset from UTC, as {text}Z")
    return at.astimezone(UTC)


def _instant(hint: object, tokens: Sequence[Token]) -> datetime:
    return parse_instant(tokens[0].value)


def _party(hint: object, tokens: Sequence[Token]) -> PartyId:
    return party_id(tokens[0].value)


Dir = Annotated[
    Path,
    Parameter(name="--dir", env_var="INTERTIE_DIR", help="The gateway's directory, where intertie.toml is."),
]
Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON for programs.")]
PartyOption = Annotated[PartyId, Parameter(converter=_party)]
Instant = Annotated[datetime, Parameter(converter=_instant)]
HERE = Path()


def print_json(data: object) -> None:
    """One JSON object on stdout."""
    sys.stdout.write(msgspec.json.format(_ENCODER.encode(data), indent=2).decode() + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table for people on stdout; `empty` says what no rows mean."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*["" if cell is None else str(cell) for cell in row])
    out = Console(width=None if sys.stdout.isatty() else 160)
    if table.row_count:
        out.print(table)
    else:
        out.print(empty)


def print_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Names and values, one a line, for people."""
    table = Table.grid(padding=(0, 2))
    for name, value in pairs:
        table.add_row(name, "" if value is None else str(value))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def message_json(row: MessageRow) -> dict[str, Any]:
    """A message as programs see it, without its body."""
    return {
        "seq": row.seq,
        "id": row.id,
        "direction": "out" if row.outgoing else "in",
        "from": row.sender,
        "to": row.recipient,
        "interface": row.interface,
        "document": row.document,
        "mode": row.mode,
        "state": row.state.value,
        "detail": row.detail,
        "agreement": row.agreement,
        "conversation": row.conversation,
        "created": row.created,
        "expires": row.expires,
        "priority": row.priority,
        "at": row.at,
        "done_at": row.done_at,
        "attempts": row.attempts,
        "next_attempt": row.next_attempt,
        "parcel": row.parcel,
        "leaf": row.leaf.hex(),
        "bytes": row.size,
        "erased": row.erased and row.erased._asdict(),
    }


def body_state(row: MessageRow) -> str:
    """Whether a message's body is still here, for a table."""
    return f"{row.size} bytes" if row.erased is None else f"erased {when(row.erased.at)} ({row.erased.why})"


def when(at: datetime | None) -> str:
    """A time for people: UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ") if at else ""


def read_file(path: Path) -> bytes:
    """The bytes of a file a command names, "-" for standard input; SettingsError if it cannot be read."""
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read: {error.strerror or error}", do="Check the name."
        ) from error


def write_file(path: Path, data: bytes) -> None:
    """Write a file a command names; SettingsError if it cannot be, or is there already."""
    try:
        with path.open("xb") as out:
            out.write(data)
    except FileExistsError as error:
        raise SettingsError(f"{path} is there already", do="Name another file, or remove it.") from error
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written: {error.strerror or error}", do="Name another place."
        ) from error
