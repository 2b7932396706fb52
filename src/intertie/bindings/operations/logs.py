"""The log of a serving gateway: one line an event on stderr, for machines or for people; ids, codes and counts, nothing of
what a message says."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

Format = Literal["json", "text"]

# The fields a log line may have besides its text: ids, codes and counts, never what a message says.
LOG_FIELDS = (
    "party",
    "worker",
    "partner",
    "parcel",
    "message_id",
    "flow",
    "code",
    "step",
    "why",
    "state",
    "until",
    "count",
    "seconds",
    "bytes",
    "group",
    "url",
    "file",
    "pid",
    "error",
    "key_name",
    "refused",
    "application",
    "resource",
    "status",
)
# Libraries that say too much at `info`, and may quote what they were given.
QUIET = ("uvicorn", "uvicorn.error", "authlib", "httpx", "httpcore", "asyncio", "opentelemetry")
# Of a library's line only its template is kept, and no more of it than this: its arguments may hold anything.
TEMPLATE_CHARACTERS = 200


class Lines(logging.Formatter):
    """One line an event. Of an exception only its type and place: its text may quote a message."""

    def __init__(self, form: Format, party: str = "", worker: int | None = None) -> None:
        super().__init__()
        self._form = form
        self._common = {"party": party or None, "worker": worker}

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {name: value for name, value in self._fields(record) if value is not None}
        return json.dumps(line, ensure_ascii=False, default=str) if self._form == "json" else _text(line)

    def _fields(self, record: logging.LogRecord) -> Iterator[tuple[str, object]]:
        yield "at", datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        yield "level", record.levelname.lower()
        yield "from", record.name
        ours = record.name.startswith("intertie")
        yield "event", record.getMessage() if ours else str(record.msg)[:TEMPLATE_CHARACTERS]
        for name in LOG_FIELDS:
            yield name, getattr(record, name, self._common.get(name))
        if record.exc_info and record.exc_info[0] is not None:
            trace = record.exc_info[2]
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            yield "error", record.exc_info[0].__name__
            if trace is not None:
                yield "place", f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def _text(line: dict[str, object]) -> str:
    """For people: time, level, event, then the rest as name=value; what could break a line is escaped."""
    head = f"{line.pop('at')} {line.pop('level'):<7} {_plain(line.pop('event'))}"
    line.pop("from")
    return " ".join([head, *(f"{name}={_plain(value)}" for name, value in line.items())])


def _plain(value: object) -> str:
    """As it is if that is one word or sentence; with a line break or a quote in it, as JSON writes it."""
    text = str(value)
    return text if text.isprintable() and '"' not in text else json.dumps(text, ensure_ascii=True)


def log_to_stderr(
    level: str = "INFO", form: Format = "json", *, party: str = "", worker: int | None = None
) -> None:
    """Logs of this process from now on. `party` and `worker` stand in every line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(form, party, worker))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
