"""The list of meters of a gateway: a CSV with `meter` and, where it is known, `nameplate_kw`."""

from __future__ import annotations

import csv
import io
from decimal import Decimal, DecimalException
from fractions import Fraction

from intertie.model.errors import SettingsError
from intertie.model.record import check_decimal

FIELDS = ("meter", "nameplate_kw")


def parse_meters(text: str, name: str) -> dict[str, Fraction | None]:
    """Meters and their nameplates; None where it says none. SettingsError names the line."""
    # Spreadsheets write a byte order mark.
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    found: dict[str, Fraction | None] = {}
    try:
        header = tuple(field.strip() for field in next(lines, []))
        if header not in (FIELDS, FIELDS[:1]):
            raise SettingsError(
                f"{name}: its first line is not {','.join(FIELDS)}", do="Give it this header."
            )
        for fields in lines:
            cells = [field.strip() for field in fields]
            if not any(cells):
                continue
            if len(cells) > len(header):
                raise _wrong(name, lines.line_num, "more fields than the header has")
            meter, nameplate = cells[0], _nameplate(cells[1]) if len(cells) > 1 else None
            if not meter or meter in found or (nameplate is not None and nameplate <= 0):
                raise _wrong(
                    name,
                    lines.line_num,
                    "no meter, one that stands there before, or no nameplate above zero",
                )
            found[meter] = nameplate
    except csv.Error as error:
        raise _wrong(name, lines.line_num, f"not comma-separated: {error}") from error
    return found


def _nameplate(text: str) -> Fraction | None:
    """Kilowatts; below zero for what is no number, or one of no size that a rating has."""
    if not text:
        return None
    try:
        kw = Decimal(text)
        check_decimal("nameplate_kw", kw)
    except (DecimalException, ValueError):
        return Fraction(-1)
    return Fraction(kw)


def _wrong(name: str, line: int, why: str) -> SettingsError:
    return SettingsError(f"{name}, line {line}: {why}", do="Mend the line.")
