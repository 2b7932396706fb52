"""Why bytes could not be read, in words that hold nothing of the bytes.

Account numbers, meter and DER ids stand in bodies, and what a library says of a bad body may quote it. So nothing that a
library said is passed on as it is: only sentences that are known to be made of field names, types and limits. This is the
one place where a reading error becomes a text.
"""

from __future__ import annotations

import re

from intertie.model.record import RuleError

# A place as msgspec names it: field names of our types, numbers of items, [...] for a member of a mapping.
_PLACE = re.compile(r" - at ((?:`key` in )?)`\$([A-Za-z0-9_.\[\]]*)`$")
# How msgspec's sentences begin that say only what our types ask for, or where the JSON is broken.
_KNOWN = (
    "Expected `",
    "Object missing required field `",
    "JSON is malformed: ",
    "Input data was truncated",
    "Number out of range",
    "Integer value out of range",
    "Timestamp is out of range",
    "Invalid RFC3339 encoded ",
    "Invalid decimal string",
    "Invalid base64 encoded string",
)
# Those that quote what was sent, and what is said instead.
_INSTEAD = {
    "Invalid enum value": "not one of the values that may stand here",
    "Invalid value": "not one of the values that may stand here",
    "Object contains unknown field": "Object contains a field that its type does not have",
}
_ELSE = "it breaks a rule of its type"


def why_unreadable(error: Exception, root: str = "$") -> str:
    """The rule that was broken and the place, as "Expected `int`, got `str` - at `$.body.lines[2].line`", never a value.

    `root` is where in the message the bytes stand that were read.
    """
    text = str(error)
    place = _PLACE.search(text)
    what = text[: place.start()] if place else text
    where = f" - at {place[1]}`{root}{place[2]}`" if place else ""
    return _rule(error, what) + (where or (f" - at `{root}`" if root != "$" else ""))


def _rule(error: Exception, what: str) -> str:
    if isinstance(error, RuleError):
        return str(error)
    cause = error.__cause__
    if cause is not None:
        return str(cause) if isinstance(cause, RuleError) else _ELSE
    if isinstance(error, RecursionError):
        return "nested too deep"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 (byte {error.start})"
    if isinstance(error, OverflowError):
        return "a time beyond the year 9999"
    for begins, instead in _INSTEAD.items():
        if what.startswith(begins):
            return instead
    return what if what.startswith(_KNOWN) else _ELSE
