"""`intertie readings ask`: a question in SQL over the readings that count."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from cyclopts import Parameter

from intertie.bindings.duckdb.questions import Answer, answer
from intertie.cli._shared import HERE, Dir, Json, print_json, print_table
from intertie.formats.reading_columns import DAYS, READINGS
from intertie.gateway.metering.ask_readings import About, readings_about
from intertie.gateway.metering.readings import take_in
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.model.metering import Channel
from intertie.run.readings import ReadingsOpened, opened_readings

# Rows on a screen: more are for a file.
ROWS = 1000
TABLES = {"readings": READINGS, "days": DAYS}


def ask(
    question: str = "",
    /,
    *,
    first: Annotated[
        date | None, Parameter(name="--from", help="From this local day; the first one.")
    ] = None,
    last: Annotated[
        date | None, Parameter(name="--to", help="Up to this local day, with it; the last one.")
    ] = None,
    meter: Annotated[Sequence[str], Parameter(help="Only these meters.")] = (),
    channel: Annotated[Sequence[Channel], Parameter(help="Which way energy flows; all if not said.")] = (),
    party: Annotated[Sequence[str], Parameter(help="Only what this party said.")] = (),
    minutes: Annotated[int, Parameter(help="Length of an interval.")] = 15,
    rows: Annotated[int, Parameter(help="At most so many rows of the answer.")] = ROWS,
    seconds: Annotated[float, Parameter(help="Wait at most so long for it.")] = 60.0,
    csv: Annotated[bool, Parameter(help="Print CSV.")] = False,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Ask a question in SQL (DuckDB) over `readings`, a row an interval, and `days`, a row a meter's day.

    Of each day the revision that counts: the numbers are those that settlement computes with. Without a question the
    tables are shown. A question is one SELECT; it changes nothing and reaches no file.
    """
    if not question:
        show_tables(json)
        return
    with opened_readings(dir) as it:
        it.store.unlock()
        take_in(it.gateway, it.readings)
        about = About(
            *_days(it, first, last),
            meter,
            tuple(channel) or tuple(Channel),
            [PartyId(one) for one in party],
            minutes,
        )
        tables = readings_about(it.readings, about)._asdict()
        zone = it.readings.zone
    show_answer(answer(tables, question, zone=zone, rows=rows, seconds=seconds), as_json=json, as_csv=csv)


def _days(it: ReadingsOpened, first: date | None, last: date | None) -> tuple[date, date]:
    """The days asked for, or all that there are."""
    summary = it.readings.store.summary()
    start, end = first or summary.first, last or summary.last
    if start is None or end is None:
        raise SettingsError("there are no readings yet", do="`intertie readings import` brings some.")
    return start, end


def show_tables(as_json: bool) -> None:
    """Names and types of the columns."""
    found = [(name, one.name, str(one.type)) for name, schema in TABLES.items() for one in schema]
    if as_json:
        print_json({name: {one.name: str(one.type) for one in schema} for name, schema in TABLES.items()})
    else:
        print_table("Tables to ask", ["table", "column", "type"], found, empty="None.")


def show_answer(found: Answer, *, as_json: bool, as_csv: bool) -> None:
    """A table for people, or text for programs. That there was more is said on stderr, so that nobody takes a part for all."""
    names = found.table.column_names
    lines = list(zip(*(column.to_pylist() for column in found.table.columns), strict=True))
    shown = [[_shown(value) for value in line] for line in lines]
    if as_json:
        print_json({"columns": names, "rows": shown, "more": found.more})
    elif as_csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows([names, *shown])
    else:
        print_table("", names, shown, empty="No rows.")
    if found.more:
        print(f"Only the first {len(lines):,} rows: --rows says how many.", file=sys.stderr)


def _shown(value: Any) -> Any:
    """Decimals and times as text that says all of it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (Decimal, date)):
        return str(value)
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(value)
