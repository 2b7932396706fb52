"""A record of what a command line says."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from intertie.model.errors import SettingsError
from intertie.model.explain import why_unreadable
from intertie.model.record import Record

_Of = TypeVar("_Of", bound=Record)


def made(kind: type[_Of], **fields: object) -> _Of:
    """The record; SettingsError with the rule that the options break. A field that is None is left out."""
    given = {name: msgspec.to_builtins(value) for name, value in fields.items() if value is not None}
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"the options do not fit together: {why_unreadable(error)}",
            do="The command's --help says what does.",
        ) from error
