"""What commands that read ESPI feeds share: whose meters the usage points are, and which quality is meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from intertie.cli._shared import read_file
from intertie.formats.espi.names import QUALITIES
from intertie.formats.espi.points import meters_by, parse_points
from intertie.formats.espi.series import meter_named_by
from intertie.model.errors import SettingsError
from intertie.model.metering import Quality


def meter_namer(meter: str, points: Path | None) -> Callable[[str], str | None]:
    """Meters of usage points, as two options say; without them a path's last part is the meter. SettingsError."""
    if meter and points is not None:
        raise SettingsError(
            "--meter and --usage-points are two answers to one question", do="Give one of them."
        )
    if meter:
        return lambda path: meter
    if points is None:
        return meter_named_by
    try:
        return meters_by(parse_points(read_file(points).decode("utf-8"), points.name))
    except UnicodeDecodeError as error:
        raise SettingsError(f"{points} is not UTF-8", do="Save it as UTF-8.") from error


def quality_named(text: str) -> Quality:
    """An ESPI quality by its name or number; SettingsError."""
    said = text.strip().lower()
    number = int(said) if said.isdecimal() and len(said) < 4 else -1
    if number in QUALITIES:
        return QUALITIES[number]
    try:
        return Quality(said)
    except ValueError as error:
        names = ", ".join(Quality)
        raise SettingsError(f"{text} is no quality of ESPI", do=f"One of {names}, or its number.") from error
