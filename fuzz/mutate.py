"""Changes that keep the form: a JSON text stays JSON in its one spelling, so that what lies behind the parser is reached."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

# What tends to break readers: ends of ranges, other types, other alphabets, long and empty.
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, -(2**63), 2**64, 1.5, 1e308),
    *("", "A", "AA", "AAAA", "=", "0" * 64, "a" * 5000, "\u0000", "\ud7ff", "é", "2026-11-22T12:00:00Z"),
    *("9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z", "https://x", "1E+99", "NaN", [], {}, [[]], [{}]),
)


def mutate_json(data: bytes, rng: random.Random) -> bytes | None:
    """The text with one to three places changed; None if it is not JSON."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    for _ in range(rng.randint(1, 3)):
        value = _changed(value, rng)
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode(
        "utf-8", "replace"
    )


def _changed(value: Any, rng: random.Random) -> Any:
    places = list(_places(value))
    if not places:
        return rng.choice(ODD)
    holder, key = rng.choice(places)
    what = rng.randrange(5)
    if what == 0:
        del holder[key]
    elif what == 1 and isinstance(holder, list):
        holder.insert(key, deepcopy(holder[key]))
    elif what == 2 and isinstance(holder, dict):
        holder[rng.choice([*holder, "extra", "v", "alg"])] = deepcopy(holder[key])
    elif what == 3 and isinstance(holder[key], str) and holder[key]:
        text = holder[key]
        at = rng.randrange(len(text))
        holder[key] = text[:at] + rng.choice("AZaz09-_+/=. ") + text[at + rng.randrange(2) :]
    else:
        other, place = rng.choice(places)
        holder[key] = deepcopy(rng.choice(ODD) if rng.random() < 0.7 else other[place])
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (holder, key) in a value, from the outside in."""
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        keys = (
            range(len(holder))
            if isinstance(holder, list)
            else list(holder)
            if isinstance(holder, dict)
            else ()
        )
        for key in keys:
            yield holder, key
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])
