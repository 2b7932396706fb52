"""Many readings of a block at once, where each has exactly what almost all have: a period, a value, and at most one quality.

Asking libxml2 for all values of a block costs a third of looking at each reading. Whatever is not so plain is read one by one
(content.py), which also finds what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from lxml import etree

from intertie.formats.espi.content import LENGTH_MAX, NO_QUALITY, SECONDS_MAX, SECONDS_MIN
from intertie.formats.espi.names import ESPI, TRUST, espi
from intertie.model.interval import VALUE_MAX

# No number in bounds has more digits; longer ones are for who names what is wrong.
DIGITS_MAX = 16


class Columns(NamedTuple):
    """Readings by their places."""

    starts: Sequence[int]
    lengths: Sequence[int]
    values: Sequence[int]
    qualities: Sequence[int]


def _asked(*paths: str) -> Callable[[etree._Element], Any]:
    """What all readings of a block have there."""
    whole = " | ".join(f"i:IntervalReading{path}" for path in paths)
    asked: Callable[[etree._Element], Any] = etree.XPath(whole, namespaces={"i": ESPI}, smart_strings=False)
    return asked


_QUALITY_NAME = f"{espi('IntervalReading')}/{espi('ReadingQuality')}"
_VALUES = _asked("/i:value/text()")
_STARTS = _asked("/i:timePeriod/i:start/text()")
_LENGTHS = _asked("/i:timePeriod/i:duration/text()")
_QUALITIES = _asked("/i:ReadingQuality/i:quality/text()")
# None of these anywhere, and as many texts as readings: then each has one, and columns belong together by row.
_SECOND = _asked(
    "/i:value[2]",
    "/i:value/text()[2]",
    "/i:timePeriod[2]",
    "/i:timePeriod/i:start[2]",
    "/i:timePeriod/i:start/text()[2]",
    "/i:timePeriod/i:duration[2]",
    "/i:timePeriod/i:duration/text()[2]",
    "/i:ReadingQuality[2]",
    "/i:ReadingQuality/i:quality[2]",
    "/i:ReadingQuality/i:quality/text()[2]",
)


def read_many(block: etree._Element, count: int) -> Columns | None:
    """The `count` readings of a block; None if they are not all plain."""
    if _SECOND(block):
        return None
    starts = _numbers(_STARTS(block), count, SECONDS_MIN, SECONDS_MAX)
    lengths = _numbers(_LENGTHS(block), count, 0, LENGTH_MAX)
    values = _numbers(_VALUES(block), count, -VALUE_MAX, VALUE_MAX)
    said = _QUALITIES(block)
    plain = block.find(_QUALITY_NAME) is None
    qualities = [NO_QUALITY] * count if plain else _numbers(said, count, 0, max(TRUST))
    if starts is None or lengths is None or values is None or qualities is None:
        return None
    if not plain and not TRUST.keys() >= set(qualities):
        return None
    return Columns(starts, lengths, values, qualities)


def _numbers(texts: Sequence[str], count: int, least: int, most: int) -> list[int] | None:
    """Whole numbers in bounds; None if any is none. Python's `int` would take underscores and other scripts' digits."""
    joined = "".join(texts)
    if (
        not texts
        or len(texts) != count
        or not joined.isascii()
        or "_" in joined
        or max(map(len, texts)) > DIGITS_MAX
    ):
        return None
    try:
        found = list(map(int, texts))
    except ValueError:
        return None
    return found if least <= min(found) and max(found) <= most else None
