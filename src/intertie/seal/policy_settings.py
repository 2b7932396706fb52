"""The dates, periods and choices of the policy as settings: `[policy]` in intertie.toml. algorithms.toml has each default
and where it comes from; what is uncertain there can be said otherwise here, without a new release."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal

from msgspec import Meta

from intertie.model.errors import SettingsError
from intertie.model.record import Record
from intertie.seal.algorithm_table import Algorithm, algorithms, periods, rule
from intertie.seal.profile import PROFILES, Profile

# Bits; NIST IR 8547 ipd dates what is weaker apart.
STRENGTH_LEAST = int(rule("strength_least").value)

ProfileName = Literal["classical", "hybrid", "hybrid-high"]


class AlgorithmEnd(Record, frozen=True, kw_only=True):
    """`[[policy.ends]]`: an algorithm's last day, if it is another than the table's."""

    algorithm: str
    day: date

    def check(self) -> None:
        """Only what the table knows can end."""
        if self.algorithm not in algorithms():
            raise ValueError(f"algorithm: {self.algorithm!r} is none of {', '.join(algorithms())}")


class KeyDays(Record, frozen=True, kw_only=True):
    """`[policy.key_days]`: for how many days a key of each type is used at most."""

    signature: Annotated[int, Meta(ge=1)] = 730
    sealing: Annotated[int, Meta(ge=1)] = 730
    tls: Annotated[int, Meta(ge=1)] = 730
    token: Annotated[int, Meta(ge=1)] = 365
    wrapping: Annotated[int, Meta(ge=1)] = 730
    data: Annotated[int, Meta(ge=1)] = 31

    def check(self) -> None:
        """Not longer than SP 800-57 allows."""
        for name in self.__struct_fields__:
            most = periods()[name].most
            if self.of(name) > most:
                raise ValueError(f"{name}: {self.of(name)} days, {most} at most ({periods()[name].source})")

    def of(self, key: str) -> int:
        """The days of one type of key, 0 for one that serves a single parcel."""
        days: int = getattr(self, key, 0)
        return days


class PolicySettings(Record, frozen=True, kw_only=True):
    """All of `[policy]`.

    `hybrid_channel_from`: flows of this confidentiality or more, whose protection outlives the harvest horizon, need a
    hybrid connection even if the catalogue does not say so.
    """

    disallow_date: date = date(2035, 12, 31)
    harvest_horizon: date = date(2030, 12, 31)
    high_years: Annotated[int, Meta(ge=1, le=100)] = 20
    default_profile: ProfileName = "hybrid"
    hybrid_channel_from: Literal["never", "high", "moderate", "low"] = "never"
    warn_days: Annotated[int, Meta(ge=1, le=3650)] = 90
    # A tuple, so that settings can be a key of a cache.
    ends: tuple[AlgorithmEnd, ...] = ()
    key_days: KeyDays = KeyDays()
    # The engine behind the street door speaks nothing older (seal/tls.py), so there is nothing to choose.
    tls_least: Literal["1.3"] = "1.3"

    def check(self) -> None:
        """The horizon is the earlier of the two days, and an algorithm ends once."""
        if self.harvest_horizon > self.disallow_date:
            raise ValueError("harvest_horizon: after disallow_date")
        names = [end.algorithm for end in self.ends]
        if len(set(names)) != len(names):
            raise ValueError("ends: an algorithm is named twice")

    def last_day(self, part: Algorithm) -> date | None:
        """The last day an algorithm is acceptable here, None if no end is known.

        A quantum-vulnerable one of 128 bits or more ends at `disallow_date`, a weaker one where the table says.
        """
        said = next((end.day for end in self.ends if end.algorithm == part.name), None)
        if said is not None:
            return said
        if part.quantum_safe or part.strength < STRENGTH_LEAST:
            return part.last_day
        return self.disallow_date

    @property
    def default(self) -> Profile:
        """The profile of what goes out, unless a flow needs more or a partner can only do less."""
        return PROFILES[self.default_profile]


DEFAULT = PolicySettings()


def days_after(day: date, days: int) -> date:
    """So many days later, or the end of the calendar: beyond it nothing is promised to anyone."""
    return day + timedelta(days=min(days, (date.max - day).days))


def parse_day(text: str) -> date:
    """A date a person wrote; SettingsError if it is none."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"{text!r} is no date", do="Write it as 2026-12-31.") from error
