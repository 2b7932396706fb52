"""Records of what a person or a program said in parts: checked as one that is read from a message, with a sentence for whoever
said it."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from intertie.model.errors import SettingsError
from intertie.model.explain import why_unreadable
from intertie.model.record import Record

_Of = TypeVar("_Of", bound=Record)


def made(kind: type[_Of], /, **fields: Any) -> _Of:
    """The record of these fields; one that is None is left out. SettingsError names the rule that they break."""
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return msgspec.convert(msgspec.to_builtins(given), kind)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"what was said does not fit together: {why_unreadable(error)}",
            do="Look up what goes with what: --help of the command, or docs/schemas.",
        ) from error


def changed(record: _Of, /, **changes: Any) -> _Of:
    """The record with other values in some fields, checked again."""
    return made(type(record), **{**msgspec.structs.asdict(record), **changes})
