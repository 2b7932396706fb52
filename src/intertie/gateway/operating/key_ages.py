"""How old the keys in use are, against the time for which keys of their use are used (SP 800-57 part 1, s.5.3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from intertie.seal.generations import OPENING, TLS, end_of, read_generations
from intertie.seal.policy_settings import KeyDays


class KeyAge(NamedTuple):
    """A key that is in use: which, for how many days already, and for how many it may be."""

    generation: int
    part: str  # "tls", "opening", or the algorithm it signs with
    age_days: int
    period_days: int

    @property
    def over(self) -> bool:
        """Whether it is past its period."""
        return self.age_days > self.period_days


def key_ages(folder: Path, days: KeyDays, now: datetime) -> Iterator[KeyAge]:
    """Each key in use in the vault's folder. Opens none of them. Raises as `read_generations`."""
    generations = read_generations(folder)
    for generation in generations:
        for part in generation.parts:
            in_use = not generation.pending and part not in generation.destroyed
            if in_use and generation.since is not None and end_of(generations, generation, part) is None:
                period = {OPENING: days.sealing, TLS: days.tls}.get(part, days.signature)
                yield KeyAge(generation.number, part, max((now - generation.since).days, 0), period)
