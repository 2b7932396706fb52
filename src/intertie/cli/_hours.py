"""Hours of the week as people write them: `mon-fri 17:00-21:00`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from intertie.model.contract import ServiceHours, Weekday
from intertie.model.errors import SettingsError
from intertie.model.made import made

_DAYS = {day[:3]: place for place, day in enumerate(Weekday)}
_NAME = "|".join(_DAYS)
_HOURS = re.compile(rf"({_NAME})(?:-({_NAME}))? (\d\d:\d\d)-(\d\d:\d\d)")


def hours_of(said: Iterable[str]) -> tuple[ServiceHours, ...]:
    """The hours; days may go over the end of the week (sat-mon), hours not over midnight. SettingsError for anything else."""
    found: list[ServiceHours] = []
    for text in said:
        parts = _HOURS.fullmatch(text.lower())
        if parts is None:
            raise SettingsError(f"--hours: {text!r} is not understood", do="As 'mon-fri 17:00-21:00'.")
        first, last = _DAYS[parts[1]], _DAYS[parts[2] or parts[1]]
        count = (last - first) % len(_DAYS) + 1
        end = "00:00" if parts[4] == "24:00" else parts[4]
        found += [
            made(
                ServiceHours,
                weekday=tuple(Weekday)[(first + n) % len(_DAYS)],
                start=f"{parts[3]}:00",
                end=f"{end}:00",
            )
            for n in range(count)
        ]
    return tuple(found)
