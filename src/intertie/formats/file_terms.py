"""What was agreed about files that are tables or JSON, as a partner's legacy file says (`[csv]`, `[json]`)."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Meta

from intertie.model.record import Record


class CsvTerms(Record, frozen=True, kw_only=True):
    """Tables for people with a spreadsheet. Their columns are in docs/csv.md."""

    # Of times without a zone, and of the times that we write.
    zone: Annotated[str, Meta(max_length=60)] = "UTC"
    # Between fields: a spreadsheet in some countries writes semicolons.
    separator: Annotated[str, Meta(pattern=r"^[,;\t](?!\n)$")] = ","
    # A table of results for each table that comes.
    results: bool = True

    def check(self) -> None:
        """ValueError for a zone that is not known."""
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError("zone: not a name of the IANA time zones") from error


class JsonTerms(Record, frozen=True, kw_only=True):
    """Documents of ours as JSON, one or a list of them a file (docs/files.md)."""

    results: bool = True
