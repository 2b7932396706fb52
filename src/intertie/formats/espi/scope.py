"""Scopes of ESPI's authorisations: `FB=1_3_4_5_15;IntervalDuration=3600;BlockDuration=daily;HistoryLength=13`.

`FB` has function blocks by number; `IntervalDuration` the lengths of intervals in seconds; `HistoryLength` how far back, in units
of `BlockDuration`, or in seconds if that is not said or the number is a day's seconds or more [K]; `BR` a bulk id.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import NamedTuple

from intertie.model.errors import Fault, IntertieError

# ESPI's String256.
SCOPE_CHARACTERS = 256
BLOCKS_MAX = 99
# Function blocks that are asked for here.
INTERVALS, SUMMARIES, BULK, PUSH = 4, 15, 35, 39
# What the door gives: common, connect my data, interval metering of electricity, net, forward and reverse, security, OAuth,
# summaries, authorisation without terms made before, bulk by REST, query parameters, notification, managing both resources.
GIVEN = frozenset({1, 3, 4, 5, 7, 8, 13, 14, 15, 31, 34, 35, 37, 39, 41, 44})
# How long a block may be; ours are of a day whatever is said.
BLOCK_DAYS = {"daily": 1, "weekly": 7, "monthly": 31, "billingPeriod": 31, "bimonthly": 62, "yearly": 366}
DAY_SECONDS = 86_400
# Ten years: beyond what is kept.
HISTORY_MAX = timedelta(days=3660)
_NONE = timedelta(0)
_PARTS = (
    "FB",
    "IntervalDuration",
    "BlockDuration",
    "HistoryLength",
    "SubscriptionFrequency",
    "AccountCollection",
    "BR",
)
_NUMBERS = re.compile(r"[0-9]{1,5}(_[0-9]{1,5}){0,98}")
_WORD = re.compile(r"[A-Za-z0-9._-]{1,64}")


class BadScope(IntertieError):
    """A text that is no scope of ESPI, or asks for what is not given."""

    fault = Fault.THEIRS


class Scope(NamedTuple):
    """What may be seen."""

    blocks: frozenset[int]
    finest: int | None = None  # seconds
    history: timedelta | None = None
    bulk: str = ""

    def has(self, block: int) -> bool:
        """Whether it has this function block."""
        return block in self.blocks

    def bounded(self, other: Scope) -> Scope:
        """The same, where it says no bound by the other's."""
        history = self.history if self.history is not None else other.history
        return self._replace(finest=self.finest or other.finest, history=history)

    def within(self, other: Scope) -> bool:
        """Whether all that it says may be had by who may have the other."""
        finer = None not in (self.finest, other.finest) and (self.finest or 0) < (other.finest or 0)
        longer = None not in (self.history, other.history) and (self.history or _NONE) > (
            other.history or _NONE
        )
        bulk = bool(self.bulk) and self.bulk != other.bulk
        return self.blocks <= other.blocks and not finer and not longer and not bulk


def read_scope(text: str) -> Scope:
    """BadScope says which part is wrong."""
    if len(text) > SCOPE_CHARACTERS or not text.isascii():
        raise _wrong(f"longer than {SCOPE_CHARACTERS} characters, or not ASCII")
    said: dict[str, str] = {}
    for part in filter(None, text.strip().split(";")):
        name, found, value = part.strip().partition("=")
        if name not in _PARTS or not found or name in said:
            raise _wrong(f"part {len(said) + 1} is none of {', '.join(_PARTS)}, or stands there before")
        said[name] = value.strip()
    blocks = frozenset(_numbers("FB", said.get("FB", "")))
    if max(blocks) > BLOCKS_MAX:
        raise _wrong("FB: function blocks are below 100")
    if blocks - GIVEN:
        missing = "_".join(map(str, sorted(blocks - GIVEN)))
        raise BadScope(f"FB={missing} is not given here", do="Leave it out.")
    lengths = _numbers("IntervalDuration", said["IntervalDuration"]) if "IntervalDuration" in said else []
    bulk = said.get("BR", "")
    if bulk and not _WORD.fullmatch(bulk):
        raise _wrong("BR: letters and digits")
    return Scope(blocks, min(lengths) if lengths else None, _history(said), bulk)


def _numbers(name: str, text: str) -> list[int]:
    if not _NUMBERS.fullmatch(text):
        raise _wrong(f"{name}: numbers joined by _")
    return [int(one) for one in text.split("_")]


def _history(said: dict[str, str]) -> timedelta | None:
    block, text = said.get("BlockDuration", ""), said.get("HistoryLength", "")
    if block and block not in BLOCK_DAYS:
        raise _wrong(f"BlockDuration: one of {', '.join(BLOCK_DAYS)}")
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise _wrong("HistoryLength: a number")
    number = int(text)
    seconds = number if not block or number >= DAY_SECONDS else number * BLOCK_DAYS[block] * DAY_SECONDS
    return min(timedelta(seconds=seconds), HISTORY_MAX)


def _wrong(why: str) -> BadScope:
    example = "FB=4_5_15;IntervalDuration=3600;BlockDuration=daily;HistoryLength=400"
    return BadScope(f"no scope of ESPI: {why}", do=f"Write it as {example}.")
