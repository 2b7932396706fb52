"""The derivation of a profile, step by step, each with its source: what an auditor reads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from intertie.catalogue.flow import Channel
from intertie.seal.algorithm_table import Algorithm, Certainty, Rule, hybrid_groups, parts_of, periods, rule
from intertie.seal.policy import Needs, holds_until, needed_channel, needs_high, required_profile
from intertie.seal.policy_settings import DEFAULT, PolicySettings, days_after
from intertie.seal.profile import Profile

_KINDS = {
    "signature": "signature",
    "kem": "key encapsulation",
    "cipher": "cipher",
    "kdf": "key derivation",
    "hash": "hash",
}


class Step(NamedTuple):
    """One step: what it is about, what follows, who says so and how sure that is (as in algorithms.toml)."""

    about: str
    text: str
    source: str
    certainty: Certainty


class Derivation(NamedTuple):
    """A profile, the connection it needs, until when it must hold, and how it was found."""

    profile: Profile
    channel: Channel
    protect_until: date
    holds_until: date | None
    steps: tuple[Step, ...]


def derive(needs: Needs, today: date, settings: PolicySettings, *, source: str = "") -> Derivation:
    """The profile that `required_profile` finds, with every step that leads to it. `source`: who says the needs."""
    profile = required_profile(needs, today, settings)
    until = days_after(today, needs.protect_for_days)
    steps = [
        *_need_steps(needs, today, until, source),
        *_quantum_steps(profile),
        *_date_steps(until, settings),
        _high_step(needs, settings),
        _result_step(profile, until, settings),
        *(_algorithm_step(part, settings) for part in parts_of(profile)),
        *_key_steps(settings),
        *_channel_steps(needs, today, settings),
        _default_step(profile, settings),
    ]
    channel = needed_channel(needs, today, settings)
    return Derivation(profile, channel, until, holds_until(profile, settings), tuple(steps))


def _need_steps(needs: Needs, today: date, until: date, source: str) -> Iterator[Step]:
    said = source or rule("catalogue").source
    denied = "must not be deniable" if needs.non_repudiation else "may be deniable"
    yield Step(
        "needs",
        f"confidentiality {needs.confidentiality}, integrity {needs.integrity}, {denied}: "
        "signed and sealed in any case, so what is left to find is how strongly",
        said,
        "choice",
    )
    yield Step(
        "duration",
        f"secret and provable for {needs.protect_for_days} days from {today}: until {until}, in {until.year}",
        said,
        "choice",
    )


def _quantum_steps(profile: Profile) -> Iterator[Step]:
    yield _by_rule(
        "quantum: asymmetric",
        "signatures and key encapsulation on curves or factoring break outright: "
        "no key size helps, other algorithms do",
        rule("quantum_asymmetric"),
    )
    yield _by_rule(
        "quantum: symmetric",
        f"ciphers and hashes only lose bits: {profile.cipher} with a key of {rule('symmetric_bits').value} bits "
        "keeps at least half, so the key is long and the algorithm stays",
        rule("symmetric_bits"),
    )


def _date_steps(until: date, settings: PolicySettings) -> Iterator[Step]:
    horizon, end = settings.harvest_horizon, settings.disallow_date
    if until <= horizon:
        text = f"{until} is not after the harvest horizon {horizon}: classical algorithms may carry it"
    else:
        text = f"{until} is after the harvest horizon {horizon}: what is recorded now may be opened, or forged, by then"
    yield _by_setting("harvest", text, "harvest_horizon", settings)
    if until <= end:
        text = f"{until} is not after {end}, when classical public-key algorithms end"
    else:
        text = f"{until} is after {end}, when classical public-key algorithms end: it needs post-quantum ones"
    yield _by_setting("end of classical", text, "disallow_date", settings)


def _high_step(needs: Needs, settings: PolicySettings) -> Step:
    if needs_high(needs, settings):
        text = f"a secret of high worth for {settings.high_years} years or more: category 5"
    else:
        text = (
            f"no secret of high worth for {settings.high_years} years or more: category 3 is enough "
            "(a proof can be renewed before it lapses; a secret cannot be called back)"
        )
    return _by_setting("category", text, "high_years", settings)


def _result_step(profile: Profile, until: date, settings: PolicySettings) -> Step:
    end = holds_until(profile, settings)
    text = f"so the profile is {profile.name}, sealed with {profile.suite}"
    if end is not None and end < until:
        text += (
            f"; no profile holds through {until}, this one until {end}: renew its evidence before that day"
        )
    elif end is not None:
        text += f"; it holds until {end}"
    else:
        text += "; no end of it is known"
    return _by_rule("profile", text, rule("profiles"))


def _algorithm_step(part: Algorithm, settings: PolicySettings) -> Step:
    quantum = f"quantum category {part.category}" if part.quantum_safe else "broken by a quantum computer"
    end = settings.last_day(part)
    text = (
        f"{part.name}: {part.family}, {part.size}, {part.strength} bits, {quantum}, "
        f"{f'acceptable until {end}' if end else 'no end known'}"
    )
    if end != part.last_day:
        return Step(_KINDS[part.kind], text, f"intertie.toml [policy]; {part.source}", "choice")
    return Step(_KINDS[part.kind], text, part.source, part.certainty)


def _key_steps(settings: PolicySettings) -> Iterator[Step]:
    for period in periods().values():
        days = settings.key_days.of(period.key)
        life = f"for {days} days at most" if days else "for one parcel"
        about = f"key lifetime: {period.key}"
        text = f"{period.family} key that {period.use}: used {life}"
        if days == period.days:
            yield Step(about, text, period.source, period.certainty)
        else:
            yield Step(about, text, f"intertie.toml [policy.key_days]; {period.source}", "choice")


def _channel_steps(needs: Needs, today: date, settings: PolicySettings) -> Iterator[Step]:
    yield _by_rule(
        "TLS version", f"TLS {settings.tls_least} or later, certificates on both sides", rule("tls_least")
    )
    first = rule("tls_groups")
    if needed_channel(needs, today, settings) is Channel.ANY:
        text = f"any group, {first.value} where both engines have it: the parcel seals its content by itself"
        yield _by_rule("TLS group", text, first)
        return
    text = (
        f"only {', '.join(sorted(hybrid_groups()))}: who writes to whom, and when, outlives the horizon too"
    )
    if needs.channel is Channel.HYBRID:
        yield _by_rule("TLS group", text, rule("catalogue"))
    else:
        yield _by_setting("TLS group", text, "hybrid_channel_from", settings)


def _default_step(profile: Profile, settings: PolicySettings) -> Step:
    default = settings.default
    if default.rank > profile.rank:
        text = (
            f"a gateway sends {default.name} all the same; {profile.name} is for a partner that can do no more "
            "and is accepted from one"
        )
    else:
        text = f"a gateway sends nothing weaker than {profile.name}, and refuses what is weaker"
    return _by_setting("what is sent", text, "default_profile", settings)


def _by_rule(about: str, text: str, said: Rule) -> Step:
    return Step(about, text, said.source, said.certainty)


def _by_setting(about: str, text: str, name: str, settings: PolicySettings) -> Step:
    """By the table's default, or by the settings of this gateway where they say otherwise."""
    said = rule(name)
    if getattr(settings, name) == getattr(DEFAULT, name):
        return Step(about, text, said.source, said.certainty)
    return Step(
        about, text, f"intertie.toml [policy] {name}; the default is {said.value}: {said.source}", "choice"
    )
