"""Which meter a usage point is: a CSV with `usage_point` and `meter`."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping

from intertie.formats.espi.series import meter_named_by
from intertie.model.errors import SettingsError

FIELDS = ("usage_point", "meter")


def parse_points(text: str, name: str) -> dict[str, str]:
    """Meters by usage point; SettingsError names the line."""
    # Spreadsheets write a byte order mark.
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    found: dict[str, str] = {}
    try:
        if tuple(field.strip() for field in next(lines, [])) != FIELDS:
            raise SettingsError(
                f"{name}: its first line is not {','.join(FIELDS)}", do="Give it this header."
            )
        for fields in lines:
            cells = [field.strip() for field in fields]
            if not any(cells):
                continue
            if len(cells) != len(FIELDS) or not all(cells) or cells[0].strip("/") in found:
                raise _wrong(
                    name, lines.line_num, "not a usage point and its meter, or one that stands there before"
                )
            found[cells[0].strip("/")] = cells[1]
    except csv.Error as error:
        raise _wrong(name, lines.line_num, f"not comma-separated: {error}") from error
    return found


def meters_by(points: Mapping[str, str]) -> Callable[[str], str | None]:
    """The meter of a usage point by its path: a line names the path's last part, or as many of them as tell it from others.
    None for one that has no line."""

    def meter_of(path: str) -> str | None:
        parts = path.strip("/").split("/")
        for first in range(len(parts)):
            if (meter := points.get("/".join(parts[first:]))) is not None:
                return meter
        return points.get(meter_named_by(path))

    return meter_of


def _wrong(name: str, line: int, why: str) -> SettingsError:
    return SettingsError(f"{name}, line {line}: {why}", do="Mend the line.")
