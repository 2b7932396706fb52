"""Questions in SQL, answered by DuckDB over tables in memory: one SELECT, which reaches no file, no network and no setting.

Nothing is written anywhere: what does not fit in memory is an error, never a temporary file beside encrypted readings.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

from intertie.model.errors import IntertieError, SettingsError

try:
    import duckdb

    INSTALLED = True
except ImportError:
    INSTALLED = False

# A question is written by a person; more is a program that has gone wrong.
QUESTION_MAX = 20_000
# What sorting and grouping may take beside the readings themselves: half of a small machine.
MEMORY = "1GB"


class NotAnswered(IntertieError):
    """A question that is no SELECT, is wrong, takes too long or too much memory."""


class Answer(NamedTuple):
    """The first rows of an answer as an Arrow table, and whether there were more."""

    table: Any
    more: bool


def answer(tables: Mapping[str, Any], question: str, *, zone: str, rows: int, seconds: float) -> Answer:
    """Ask the tables, by their names. Times are shown in `zone`; at most so many rows, after at most so many seconds.

    Raises NotAnswered, and SettingsError if DuckDB is not here.
    """
    if not INSTALLED:
        raise SettingsError("DuckDB is not installed", do="Install intertie[questions].")
    if len(question) > QUESTION_MAX:
        raise NotAnswered(f"a question of {len(question):,} characters", do=f"At most {QUESTION_MAX:,}.")
    link = _opened(tables, zone)
    over = threading.Event()

    def stop() -> None:
        over.set()
        link.interrupt()

    timer = threading.Timer(seconds, stop)
    timer.start()
    try:
        found = _selected(link, question).limit(rows + 1).to_arrow_table()
    except duckdb.Error as error:
        raise _named(error, over.is_set(), seconds) from error
    finally:
        timer.cancel()
        link.close()
    return Answer(found.slice(0, rows), found.num_rows > rows)


def _opened(tables: Mapping[str, Any], zone: str) -> Any:
    """A database of these tables alone, that lets nothing in or out."""
    shut = {
        "enable_external_access": "false",
        "autoload_known_extensions": "false",
        "autoinstall_known_extensions": "false",
        "python_enable_replacements": "false",
        "temp_directory": "",
        "memory_limit": MEMORY,
    }
    link = duckdb.connect(":memory:", config=shut)  # type: ignore[arg-type,unused-ignore]
    for name, table in tables.items():
        link.register(name, table)
    link.execute(f"set TimeZone = '{zone}'")
    link.execute("set lock_configuration = true")
    return link


def _selected(link: Any, question: str) -> Any:
    """The question, which must be one SELECT: the tables are views, but a person may have meant something else."""
    statements = link.extract_statements(question)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise NotAnswered(
            "a question is one SELECT", do="Readings are changed by nothing but what partners send."
        )
    return link.sql(statements[0].query)


def _named(error: Exception, late: bool, seconds: float) -> NotAnswered:
    if late:
        return NotAnswered(
            f"there was no answer in {seconds:g} s", do="Ask for fewer days or meters, or give --seconds."
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return NotAnswered(
            f"the answer needs more than {MEMORY} of memory", do="Ask for fewer days or meters."
        )
    return NotAnswered(str(error).strip(), do="`intertie readings ask` without a question shows the tables.")
