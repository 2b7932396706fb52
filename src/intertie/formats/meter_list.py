"""The list of meters of a gateway: a CSV with `meter` and, where it is known, `nameplate_kw`."""

from __future__ import annotations

import csv
import io
from fractions import Fraction

from intertie.model.errors import SettingsError

FIELDS = ("meter", "nameplate_kw")


def parse_meters(text: str, name: str) -> dict[str, Fraction | None]:
    """Meters and their nameplates; None where it says none. SettingsError names the line."""
    lines = csv.reader(io.StringIO(text))
    header = [field.strip() for field in next(lines, [])]
    if not header or header[0] != FIELDS[0] or set(header) - set(FIELDS):
        raise SettingsError(f"{name}: its first line is not {','.join(FIELDS)}", do="Give it this header.")
    found: dict[str, Fraction | None] = {}
    for fields in lines:
        if not any(fields):
            continue
        meter, kw = fields[0].strip(), fields[1].strip() if len(fields) > 1 else ""
        try:
            nameplate = Fraction(kw) if kw else None
        except (ValueError, ZeroDivisionError):
            nameplate = Fraction(-1)
        if not meter or meter in found or (nameplate is not None and nameplate <= 0):
            raise SettingsError(
                f"{name}, line {lines.line_num}: no meter, one that stands there before, or no nameplate above zero",
                do="Mend the line.",
            )
        found[meter] = nameplate
    return found
