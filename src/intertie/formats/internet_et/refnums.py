"""The rules of `refnum` and `refnum-orig`: the first send says (r, r), each resend a new number and the number of the first."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum

# An integer of at most forty digits.
_NUMBER = re.compile(r"[0-9]{1,40}\Z")


class Sent(StrEnum):
    """What a pair of numbers says of a package, the last three being the abuses that the manual names."""

    FIRST = "first"
    RESEND = "resend"
    REUSED_ON_RESEND = "a resend used a refnum that was used before"
    ORIGINAL_UNKNOWN = "refnum-orig names a package that never came"
    OLD_PAIR = "a new package used the numbers of an old one"
    MALFORMED = "not an integer of at most 40 digits"


def number(text: str) -> str | None:
    """A reference number without the zeros before it, so that 007 and 7 are one; None if it is none."""
    return (text.lstrip("0") or "0") if _NUMBER.match(text) else None


def judge(refnum: str, original: str, seen: Callable[[str], bool]) -> Sent:
    """What this pair says, where `seen` tells whether this sender used a refnum before."""
    now, first = number(refnum), number(original)
    if now is None or first is None:
        return Sent.MALFORMED
    if seen(now):
        return Sent.OLD_PAIR if now == first else Sent.REUSED_ON_RESEND
    if now == first:
        return Sent.FIRST
    return Sent.RESEND if seen(first) else Sent.ORIGINAL_UNKNOWN
