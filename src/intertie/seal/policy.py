"""Protection is computed, not chosen: from what a flow needs, and today's date, to a profile and the reasons for it.

The rule is one of lifetimes. A record is to stay secret and provable until `protect_until`. Classical public-key
algorithms carry it only if that day comes before the harvest horizon: what crosses a network today can be kept by
whoever listens and opened when a quantum computer is there, and a signature is worth nothing once it can be forged.
The horizon lies before the date at which these algorithms are disallowed, because that date says when to have
stopped, not when to begin. A longer `protect_for` never gives a weaker profile.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal, NamedTuple, Protocol

from msgspec import Meta

from intertie.model.record import Record
from intertie.seal.algorithm_table import parts_of, rule
from intertie.seal.profile import PROFILES, Profile

# Beyond the calendar's end nothing is promised to anyone.
_LAST_DAY = date.max
Level = Literal["low", "moderate", "high"]


class FlowNeeds(Protocol):
    """What of a flow the policy looks at; levels are texts "low", "moderate", "high" (or enums of them)."""

    @property
    def confidentiality(self) -> str: ...
    @property
    def integrity(self) -> str: ...
    @property
    def non_repudiation(self) -> bool: ...
    @property
    def protect_for_days(self) -> int: ...


class Needs(Record, frozen=True, kw_only=True):
    """What a flow needs."""

    confidentiality: Level
    integrity: Level
    non_repudiation: bool
    protect_for_days: Annotated[int, Meta(ge=0)]

    @classmethod
    def of(cls, flow: FlowNeeds) -> Needs:
        """The needs of a flow of the catalogue."""
        return cls(
            confidentiality=_level(flow.confidentiality),
            integrity=_level(flow.integrity),
            non_repudiation=flow.non_repudiation,
            protect_for_days=flow.protect_for_days,
        )


class PolicySettings(Record, frozen=True, kw_only=True):
    """The dates and periods of the derivation; algorithms.toml says where each default comes from."""

    disallow_date: date = date(2035, 12, 31)
    harvest_horizon: date = date(2030, 12, 31)
    high_years: Annotated[int, Meta(ge=1, le=100)] = 20
    key_days_max: Annotated[int, Meta(ge=1, le=1095)] = 730
    tls_least: Literal["1.3"] = "1.3"

    def check(self) -> None:
        """The horizon is the earlier of the two."""
        if self.harvest_horizon > self.disallow_date:
            raise ValueError("harvest_horizon: after disallow_date")


class Step(NamedTuple):
    """One step of a derivation and its source."""

    text: str
    source: str


class Derivation(NamedTuple):
    """A profile, until when it must hold, and how it was found."""

    profile: Profile
    protect_until: date
    key_days_max: int
    tls_least: str
    steps: tuple[Step, ...]


DEFAULT = PolicySettings()


def required_profile(needs: Needs, today: date, settings: PolicySettings = DEFAULT) -> Profile:
    """The weakest profile that these needs allow."""
    return PROFILES[_profile_name(needs, _protect_until(needs, today), settings)]


def derive(needs: Needs, today: date, settings: PolicySettings = DEFAULT) -> Derivation:
    """The profile with every step that led to it."""
    until = _protect_until(needs, today)
    profile = PROFILES[_profile_name(needs, until, settings)]
    steps = [
        Step(
            f"confidentiality {needs.confidentiality}, integrity {needs.integrity}, "
            f"non-repudiation {'yes' if needs.non_repudiation else 'no'}: signed and sealed in any case",
            "the flow's row in the catalogue",
        ),
        Step(
            f"protected for {needs.protect_for_days} days from {today}: until {until}",
            "the flow's row in the catalogue",
        ),
        _horizon_step(until, settings),
        _disallow_step(needs, until, settings),
        _high_step(needs, settings),
        Step(f"so the profile is {profile.name}, sealed with {profile.suite}", "docs/parcel.md, Profiles"),
        *_algorithm_steps(profile),
        Step(f"keys are used for {settings.key_days_max} days at most", rule("key_days_max").source),
        Step(f"connections use TLS {settings.tls_least} or later", rule("tls_least").source),
    ]
    return Derivation(profile, until, settings.key_days_max, settings.tls_least, tuple(steps))


def _protect_until(needs: Needs, today: date) -> date:
    days = min(needs.protect_for_days, (_LAST_DAY - today).days)
    return today + timedelta(days=days)


def _profile_name(needs: Needs, until: date, settings: PolicySettings) -> str:
    if _needs_high(needs, settings):
        return "hybrid-high"
    return "classical" if until <= settings.harvest_horizon else "hybrid"


def _needs_high(needs: Needs, settings: PolicySettings) -> bool:
    return needs.confidentiality == "high" and needs.protect_for_days >= 365 * settings.high_years


def _horizon_step(until: date, settings: PolicySettings) -> Step:
    horizon = settings.harvest_horizon
    if until <= horizon:
        text = f"{until} is not after the harvest horizon {horizon}: classical algorithms may carry it"
    else:
        text = f"{until} is after the harvest horizon {horizon}: what is recorded now may be opened, or forged, by then"
    return Step(text, rule("harvest_horizon").source)


def _disallow_step(needs: Needs, until: date, settings: PolicySettings) -> Step:
    day = settings.disallow_date
    if until <= day:
        text = f"{until} is not after {day}, when classical public-key algorithms end"
    else:
        what = "secret and provable" if needs.non_repudiation else "secret"
        text = (
            f"to stay {what} past {day}, when classical public-key algorithms end, it needs post-quantum ones"
        )
    return Step(text, rule("disallow_date").source)


def _high_step(needs: Needs, settings: PolicySettings) -> Step:
    if _needs_high(needs, settings):
        text = f"a secret of high worth for {settings.high_years} years or more: category 5 throughout"
    else:
        text = f"no secret of high worth for {settings.high_years} years or more: category 3 is enough"
    return Step(text, rule("high_years").source)


def _algorithm_steps(profile: Profile) -> list[Step]:
    return [
        Step(
            f"{part.kind} {part.name}: {part.strength} bits, {f'until {part.until}' if part.until else 'no end known'}",
            f"{part.source} ({part.certainty})",
        )
        for part in parts_of(profile)
    ]


def _level(text: str) -> Level:
    """The level as a plain text. What is no level counts as the highest: a mistake must not weaken anything."""
    if text == "low":
        return "low"
    return "moderate" if text == "moderate" else "high"
