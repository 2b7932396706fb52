"""Times as a command line has them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from cyclopts import Parameter, Token

from intertie.cli._shared import parse_instant
from intertie.model.errors import SettingsError
from intertie.model.interval import Window
from intertie.model.record import RuleError

_FROM_NOW = re.compile(r"\+?(\d{1,6})\s*(s|min|h|d)")
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}
MINUTE = timedelta(minutes=1)


def _moment(hint: object, tokens: Sequence[Token]) -> datetime | timedelta:
    text = tokens[0].value
    found = _FROM_NOW.fullmatch(text)
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else parse_instant(text)


def _length(hint: object, tokens: Sequence[Token]) -> timedelta:
    found = _FROM_NOW.fullmatch(tokens[0].value)
    if found is None:
        raise ValueError(f"{tokens[0].value} is no length of time, as 15min, 2h or 1d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


Moment = Annotated[datetime | timedelta, Parameter(converter=_moment)]
Length = Annotated[timedelta, Parameter(converter=_length)]


def moment(said: datetime | timedelta, now: datetime) -> datetime:
    """The time that was meant: so long from now is rounded up to the full minute."""
    if isinstance(said, datetime):
        return said
    at = now + said
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + MINUTE


def window_of(start: datetime | timedelta, end: datetime | timedelta, now: datetime) -> Window:
    """A window. An end that is a length counts from the start: `--from 16:00Z --until 2h`."""
    first = moment(start, now)
    last = first + end if isinstance(end, timedelta) else end
    try:
        return Window(start=first, end=last)
    except RuleError as error:
        raise SettingsError(f"--until: {error}", do="Give a later time, or a length such as 2h.") from error
