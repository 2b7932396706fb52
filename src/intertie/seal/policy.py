"""Protection is computed, not chosen: from what a flow needs, and today's date, to a profile and the reasons for it.

The rule is one of lifetimes. A record is to stay secret and provable until `protect_until`, so it needs algorithms that
hold until then. Classical public-key algorithms hold until the harvest horizon: what crosses a network today can be kept
by whoever listens and opened when a quantum computer is there, and a signature is worth nothing once it can be forged.
The horizon lies before the date at which these algorithms are disallowed, because that date says when to have
stopped, not when to begin. A longer `protect_for` never gives a weaker profile: fewer profiles hold for longer.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Annotated, NamedTuple

from msgspec import Meta

from intertie.catalogue.flow import Channel, Flow, Level
from intertie.model.record import Record
from intertie.seal.algorithm_table import Algorithm, parts_of
from intertie.seal.policy_settings import PolicySettings, days_after
from intertie.seal.profile import PROFILES, Profile

STRONGEST = max(PROFILES.values(), key=lambda profile: profile.rank)
# Secrets of high worth and long life get at least this one.
HIGH = PROFILES["hybrid-high"]
# The catalogue has some 180 flows; a day's answers for all of them, for several settings, stay below this.
_CACHED = 4096


class Needs(Record, frozen=True, kw_only=True):
    """What of a flow decides its protection."""

    confidentiality: Level
    integrity: Level
    non_repudiation: bool
    protect_for_days: Annotated[int, Meta(ge=0)]
    channel: Channel = Channel.ANY

    @classmethod
    def of(cls, flow: Flow) -> Needs:
        """The needs of a flow of the catalogue."""
        return cls(
            confidentiality=flow.confidentiality,
            integrity=flow.integrity,
            non_repudiation=flow.non_repudiation,
            protect_for_days=flow.protect_for_days,
            channel=flow.channel,
        )


class Requirement(NamedTuple):
    """What a flow needs on a given day: the weakest profile, the connection, and until when both must hold."""

    profile: Profile
    channel: Channel
    protect_until: date


@lru_cache(maxsize=_CACHED)
def requirement(flow: Flow, today: date, settings: PolicySettings) -> Requirement:
    """What a flow needs of what is sent today."""
    needs = Needs.of(flow)
    until = days_after(today, needs.protect_for_days)
    return Requirement(
        required_profile(needs, today, settings), needed_channel(needs, today, settings), until
    )


def required_profile(needs: Needs, today: date, settings: PolicySettings) -> Profile:
    """The weakest profile that holds as long as these needs ask; the strongest if none holds so long.

    Where none does, evidence has to be renewed on the way (`intertie policy check` says so).
    """
    until = days_after(today, needs.protect_for_days)
    least = HIGH.rank if needs_high(needs, settings) else 0
    holding = [
        profile
        for profile in PROFILES.values()
        if profile.rank >= least and holds_through(profile, until, settings)
    ]
    return min(holding, key=lambda profile: profile.rank, default=STRONGEST)


def needed_channel(needs: Needs, today: date, settings: PolicySettings) -> Channel:
    """The connection these needs ask for: as the flow says, or more if the settings do."""
    wanted = settings.hybrid_channel_from
    if needs.channel is Channel.HYBRID:
        return Channel.HYBRID
    until = days_after(today, needs.protect_for_days)
    if (
        wanted == "never"
        or until <= settings.harvest_horizon
        or needs.confidentiality.rank < Level(wanted).rank
    ):
        return Channel.ANY
    return Channel.HYBRID


def needs_high(needs: Needs, settings: PolicySettings) -> bool:
    """Whether it is a secret of high worth that lives for a generation of algorithms."""
    return needs.confidentiality is Level.HIGH and needs.protect_for_days >= 365 * settings.high_years


def holds_through(profile: Profile, day: date, settings: PolicySettings) -> bool:
    """Whether a profile keeps what it protects secret and provable through a day."""
    end = holds_until(profile, settings)
    return end is None or day <= end


def holds_until(profile: Profile, settings: PolicySettings) -> date | None:
    """The last day that a profile protects what is sent now; None if no end is known.

    Its signatures must all verify, so the one that lives longest carries the proof; everything else must hold by itself.
    """
    parts = parts_of(profile)
    proof = [_trusted_until(part, settings) for part in parts if part.kind == "signature"]
    others = [_trusted_until(part, settings) for part in parts if part.kind != "signature"]
    longest = None if None in proof else max(day for day in proof if day is not None)
    return min((day for day in (longest, *others) if day is not None), default=None)


def _trusted_until(part: Algorithm, settings: PolicySettings) -> date | None:
    """An algorithm's last day, and for one that quantum computers break, not after the horizon."""
    last = settings.last_day(part)
    if part.quantum_safe:
        return last
    return min(last or settings.harvest_horizon, settings.harvest_horizon)
