"""Protection is computed: never weaker for longer, and each step has a source."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.catalogue.load import load_catalogue
from intertie.model.errors import SettingsError
from intertie.seal.algorithm_table import FILE, algorithms, parts_of, proof_until, read_table, rule
from intertie.seal.policy import DEFAULT, Needs, PolicySettings, derive, required_profile
from intertie.seal.profile import PROFILES

TODAY = date(2026, 11, 22)
LEVELS = ["low", "moderate", "high"]
NEEDS = st.builds(
    Needs,
    confidentiality=st.sampled_from(LEVELS),
    integrity=st.sampled_from(LEVELS),
    non_repudiation=st.booleans(),
    protect_for_days=st.integers(0, 40_000),
)
DAYS = st.dates(date(2024, 1, 1), date(2060, 1, 1))


def needs(days: int, confidentiality: str = "moderate") -> Needs:
    return Needs(
        confidentiality=confidentiality,  # type: ignore[arg-type]
        integrity="high",
        non_repudiation=True,
        protect_for_days=days,
    )


@given(NEEDS, DAYS, st.integers(0, 40_000))
def test_longer_is_never_weaker(need: Needs, today: date, more: int) -> None:
    longer = msgspec.structs.replace(need, protect_for_days=need.protect_for_days + more)
    assert required_profile(longer, today).rank >= required_profile(need, today).rank


@given(NEEDS, DAYS, st.integers(0, 10_000))
def test_later_is_never_weaker(need: Needs, today: date, more: int) -> None:
    assert required_profile(need, today + timedelta(days=more)).rank >= required_profile(need, today).rank


@given(NEEDS, DAYS)
def test_more_secret_is_never_weaker(need: Needs, today: date) -> None:
    ranks = [
        required_profile(msgspec.structs.replace(need, confidentiality=level), today).rank  # type: ignore[arg-type]
        for level in LEVELS
    ]
    assert ranks == sorted(ranks)


@given(NEEDS, DAYS)
def test_nothing_that_lasts_past_the_end_of_classical_algorithms_relies_on_them(
    need: Needs, today: date
) -> None:
    derivation = derive(need, today)
    assert derivation.profile is required_profile(need, today)
    if derivation.protect_until > DEFAULT.disallow_date:
        assert derivation.profile.name != "classical"
    if derivation.profile.name == "classical":
        assert derivation.protect_until <= DEFAULT.harvest_horizon
    assert all(step.text and step.source for step in derivation.steps)


@pytest.mark.parametrize(
    ("days", "confidentiality", "profile"),
    [
        (0, "high", "classical"),
        (30, "low", "classical"),
        ((date(2030, 12, 31) - TODAY).days, "high", "classical"),
        ((date(2030, 12, 31) - TODAY).days + 1, "low", "hybrid"),
        (7 * 365, "moderate", "hybrid"),
        (20 * 365 - 1, "high", "hybrid"),
        (20 * 365, "high", "hybrid-high"),
        (20 * 365, "moderate", "hybrid"),
        (10**9, "low", "hybrid"),
    ],
)
def test_the_table_of_the_page(days: int, confidentiality: str, profile: str) -> None:
    assert required_profile(needs(days, confidentiality), TODAY).name == profile


def test_settings_move_the_dates() -> None:
    early = PolicySettings(harvest_horizon=date(2026, 1, 1), high_years=1)
    assert required_profile(needs(0), TODAY, early).name == "hybrid"
    assert required_profile(needs(365, "high"), TODAY, early).name == "hybrid-high"
    with pytest.raises(ValueError, match="after disallow_date"):
        PolicySettings(harvest_horizon=date(2036, 1, 1))


def test_the_derivation_says_why() -> None:
    text = "\n".join(f"{step.text} [{step.source}]" for step in derive(needs(4000), TODAY).steps)
    for part in (
        "4000 days",
        "harvest horizon 2030-12-31",
        "past 2035-12-31",
        "ML-DSA-65",
        "FIPS 204",
        "IR 8547",
        "730",
        "1.3",
    ):
        assert part in text


def test_defaults_are_the_tables() -> None:
    assert rule("disallow_date").value == str(DEFAULT.disallow_date)
    assert rule("harvest_horizon").value == str(DEFAULT.harvest_horizon)
    assert rule("high_years").value == str(DEFAULT.high_years)
    assert rule("key_days_max").value == str(DEFAULT.key_days_max)
    assert rule("tls_least").value == DEFAULT.tls_least
    assert {row.last_day for row in algorithms().values() if not row.quantum_safe} == {DEFAULT.disallow_date}
    least = int(rule("strength_least").value)
    assert all(part.strength >= least for profile in PROFILES.values() for part in parts_of(profile))


def test_each_profile_is_as_strong_as_its_rank() -> None:
    public = [
        [p for p in parts_of(profile) if p.kind in {"signature", "kem"}] for profile in PROFILES.values()
    ]
    strongest = [max(part.strength for part in parts if part.kind == "kem") for parts in public]
    assert strongest == sorted(strongest)
    assert [any(part.quantum_safe for part in parts) for parts in public] == [False, True, True]


def test_how_long_a_proof_holds() -> None:
    assert proof_until(PROFILES["classical"]) == date(2035, 12, 31)
    assert proof_until(PROFILES["hybrid"]) is None
    assert proof_until(PROFILES["hybrid-high"]) is None


def test_every_flow_of_the_catalogue_has_a_profile() -> None:
    for flow in load_catalogue().flows():
        assert derive(Needs.of(flow), TODAY).profile.name in PROFILES


def test_a_level_that_is_none_counts_as_the_highest() -> None:
    flow = SimpleNamespace(confidentiality="secret", integrity="", non_repudiation=False, protect_for_days=1)
    assert Needs.of(flow).confidentiality == "high"
    assert Needs.of(flow).integrity == "high"


@pytest.mark.parametrize(
    "text", ["", "x", "[[algorithm]]\nname = 1", '[[algorithm]]\nname = "x"\nuntil = "soon"']
)
def test_a_damaged_table_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match=FILE):
        read_table(text)


def test_an_unknown_rule() -> None:
    with pytest.raises(SettingsError, match="no rule 'x'"):
        rule("x")
