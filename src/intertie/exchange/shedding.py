"""Load shedding: when the door is near its limits, what can wait is asked to wait first, and what is urgent last.

Priorities are those of the catalogue, 0 first: 0 and 1 are outages and dispatches, 2 to 5 what runs a day, 6 to 9 metering,
billing, filings. At the door the priority is what the sender says of its parcel (the parcel is sealed): a hint, of which
each partner has a quota.
"""

from __future__ import annotations

from typing import NamedTuple

# Outages and dispatches: they also go while a stop flag is up.
URGENT_MAX = 1
# Of a parcel that says nothing: as what can wait longest.
UNSAID = 9


class Step(NamedTuple):
    """From this share of the limit on, only priorities up to this one are taken."""

    load: float
    most: int


# Half full: what has hours waits. Three quarters: the day's business too, and what is left is for the urgent alone.
STEPS = (Step(0.5, 5), Step(0.75, URGENT_MAX))


def is_urgent(priority: int) -> bool:
    """Whether it goes before all else, and while a stop flag is up."""
    return priority <= URGENT_MAX


def takes(load: float, priority: int) -> bool:
    """Whether a parcel of this priority is taken at this load (0 idle, 1 full: then nothing is)."""
    if load >= 1.0:
        return False
    return all(priority <= step.most for step in STEPS if load >= step.load)


def read_priority(text: str | None) -> int:
    """The priority that a sender says; UNSAID for anything that is no digit."""
    return int(text) if text is not None and len(text) == 1 and text in "0123456789" else UNSAID
