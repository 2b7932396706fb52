"""Protection is computed: from what a flow needs, and for how long, to a profile, step by step with sources."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from intertie.model.record import Record
from intertie.seal.profile import PROFILES, Profile

_LEVELS = {"low": 0, "moderate": 1, "high": 2}
# Twenty years is longer than any commission's record-keeping rule we know of: such data is meant to outlive us.
LONG_DAYS = 20 * 365


class FlowNeeds(Protocol):
    """The part of a flow that the policy reads."""

    @property
    def confidentiality(self) -> str: ...
    @property
    def integrity(self) -> str: ...
    @property
    def non_repudiation(self) -> bool: ...
    @property
    def protect_for_days(self) -> int: ...


class Needs(Record, frozen=True, kw_only=True):
    """What a flow needs protected, how strongly, and for how long."""

    confidentiality: Annotated[str, Meta(pattern="^(low|moderate|high)$")]
    integrity: Annotated[str, Meta(pattern="^(low|moderate|high)$")]
    non_repudiation: bool
    protect_for_days: Annotated[int, Meta(ge=0, le=36_600)]

    @classmethod
    def of(cls, flow: FlowNeeds) -> Needs:
        """The needs of a flow of the catalogue."""
        return cls(
            confidentiality=str(flow.confidentiality),
            integrity=str(flow.integrity),
            non_repudiation=flow.non_repudiation,
            protect_for_days=flow.protect_for_days,
        )


class Family(Record, frozen=True, kw_only=True):
    """Algorithms that fall together, and when."""

    name: str
    algorithms: tuple[str, ...]
    until: date
    source: str
    sure: str


class PolicySettings(Record, frozen=True, kw_only=True):
    """Dates that are opinions. `harvest_horizon`: secrets that must hold beyond it are sealed against a quantum
    computer now, because what is recorded today can be read then."""

    classical_until: date | None = None
    harvest_horizon: date = date(2030, 12, 31)


class Step(Record, frozen=True, kw_only=True):
    """One step of the derivation, for an auditor."""

    text: str
    source: str


class Derivation(Record, frozen=True, kw_only=True):
    """The profile a need leads to, and why."""

    profile: Profile
    protect_until: date
    steps: tuple[Step, ...]


@lru_cache
def families() -> tuple[Family, ...]:
    """The table of algorithms."""
    text = files("intertie.seal").joinpath("algorithms.toml").read_bytes()
    return tuple(msgspec.convert(msgspec.toml.decode(text)["family"], tuple[Family, ...]))


def classical_end(settings: PolicySettings) -> Family:
    """When classical public-key algorithms end, with the setting applied."""
    family = next(f for f in families() if "ES256" in f.algorithms)
    return (
        msgspec.structs.replace(family, until=settings.classical_until)
        if settings.classical_until
        else family
    )


def derive(needs: Needs, today: date, settings: PolicySettings | None = None) -> Derivation:
    """The profile for these needs. A longer need never gives a weaker profile."""
    settings = settings or PolicySettings()
    until = today + timedelta(days=needs.protect_for_days)
    end = classical_end(settings)
    horizon = min(settings.harvest_horizon, end.until)
    steps = [Step(text=f"What is sent on {today} must hold until {until}", source="the flow, protect_for")]
    if until <= horizon:
        name = "classical"
        steps.append(
            Step(
                text=f"{until} is not after {horizon}: nobody gains by recording it now to read it later",
                source="setting harvest_horizon; NIST IR 8547",
            )
        )
    elif (
        needs.protect_for_days >= LONG_DAYS
        and max(_LEVELS[needs.confidentiality], _LEVELS[needs.integrity]) == 2
    ):
        name = "hybrid-high"
        steps.append(
            Step(text="A high need for twenty years or more gets category 5 algorithms", source="our rule")
        )
    else:
        name = "hybrid"
        steps.append(Step(text=f"{until} is after {horizon}; {end.name} ends {end.until}", source=end.source))
    profile = PROFILES[name]
    what = f"sign with {' and '.join(profile.signatures)}, seal with {profile.kem} and {profile.cipher}"
    steps.append(Step(text=f"Profile {name}: {what}", source="FIPS 203, FIPS 204, RFC 9180, SP 800-57"))
    return Derivation(profile=profile, protect_until=until, steps=tuple(steps))


@lru_cache(maxsize=4096)
def required_profile(needs: Needs, today: date) -> Profile:
    """The profile that a flow needs today."""
    return derive(needs, today).profile
