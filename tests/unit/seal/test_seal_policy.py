"""Protection is computed: never weaker for longer, and each setting moves what it says."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.catalogue.flow import Channel, Level
from intertie.catalogue.load import load_catalogue
from intertie.model.errors import SettingsError
from intertie.seal.algorithm_table import (
    FILE,
    algorithm,
    algorithms,
    hybrid_groups,
    parts_of,
    periods,
    proof_until,
    read_table,
    rule,
    rules,
)
from intertie.seal.derivation import derive
from intertie.seal.hpke import generate_opening_key
from intertie.seal.policy import (
    Needs,
    holds_until,
    needed_channel,
    required_profile,
    requirement,
)
from intertie.seal.policy_settings import DEFAULT, AlgorithmEnd, KeyDays, PolicySettings, parse_day
from intertie.seal.profile import PROFILES

TODAY = date(2026, 11, 22)
LEVELS = tuple(Level)
NEEDS = st.builds(
    Needs,
    confidentiality=st.sampled_from(LEVELS),
    integrity=st.sampled_from(LEVELS),
    non_repudiation=st.booleans(),
    protect_for_days=st.integers(0, 40_000),
    channel=st.sampled_from(tuple(Channel)),
)
DAYS = st.dates(date(2024, 1, 1), date(2060, 1, 1))
ENDS = st.lists(
    st.builds(AlgorithmEnd, algorithm=st.sampled_from(sorted(algorithms())), day=DAYS),
    unique_by=lambda end: end.algorithm,
    max_size=4,
)


@st.composite
def policies(draw: st.DrawFn) -> PolicySettings:
    """Any settings that the file may hold."""
    horizon, end = sorted((draw(DAYS), draw(DAYS)))
    return PolicySettings(
        harvest_horizon=horizon,
        disallow_date=end,
        high_years=draw(st.integers(1, 100)),
        default_profile=draw(st.sampled_from(sorted(PROFILES))),  # type: ignore[arg-type]
        hybrid_channel_from=draw(st.sampled_from(["never", "low", "moderate", "high"])),  # type: ignore[arg-type]
        ends=tuple(draw(ENDS)),
    )


def needs(days: int, confidentiality: Level = Level.MODERATE) -> Needs:
    return Needs(
        confidentiality=confidentiality, integrity=Level.HIGH, non_repudiation=True, protect_for_days=days
    )


def strength(need: Needs, today: date, settings: PolicySettings) -> tuple[int, bool]:
    """Both parts of the answer, larger where more is asked."""
    channel = needed_channel(need, today, settings)
    return required_profile(need, today, settings).rank, channel is Channel.HYBRID


def never_weaker(one: tuple[int, bool], other: tuple[int, bool]) -> bool:
    return all(a >= b for a, b in zip(other, one, strict=True))


@given(NEEDS, DAYS, st.integers(0, 40_000), policies())
def test_longer_is_never_weaker(need: Needs, today: date, more: int, settings: PolicySettings) -> None:
    longer = msgspec.structs.replace(need, protect_for_days=need.protect_for_days + more)
    assert never_weaker(strength(need, today, settings), strength(longer, today, settings))


@given(NEEDS, DAYS, st.integers(0, 10_000), policies())
def test_later_is_never_weaker(need: Needs, today: date, more: int, settings: PolicySettings) -> None:
    later = today + timedelta(days=more)
    assert never_weaker(strength(need, today, settings), strength(need, later, settings))


@given(NEEDS, DAYS, policies(), st.sampled_from(["confidentiality", "integrity"]))
def test_worth_more_is_never_weaker(need: Needs, today: date, settings: PolicySettings, what: str) -> None:
    found = [strength(msgspec.structs.replace(need, **{what: level}), today, settings) for level in LEVELS]
    assert all(never_weaker(one, other) for one, other in pairwise(found))


@given(NEEDS, DAYS, policies())
def test_not_deniable_is_never_weaker(need: Needs, today: date, settings: PolicySettings) -> None:
    weak, strong = (msgspec.structs.replace(need, non_repudiation=value) for value in (False, True))
    assert never_weaker(strength(weak, today, settings), strength(strong, today, settings))


@given(NEEDS, DAYS, policies(), DAYS)
def test_an_earlier_horizon_is_never_weaker(
    need: Needs, today: date, settings: PolicySettings, day: date
) -> None:
    earlier = msgspec.structs.replace(settings, harvest_horizon=min(day, settings.harvest_horizon))
    assert never_weaker(strength(need, today, settings), strength(need, today, earlier))


@given(NEEDS, DAYS, policies())
def test_the_profile_holds_as_long_as_needed_or_nothing_does(
    need: Needs, today: date, settings: PolicySettings
) -> None:
    found = derive(need, today, settings)
    assert found.profile is required_profile(need, today, settings)
    assert found.channel is needed_channel(need, today, settings)
    assert all(step.about and step.text and step.source and step.certainty for step in found.steps)
    if found.holds_until is not None and found.holds_until < found.protect_until:
        assert found.profile is PROFILES["hybrid-high"]
        assert any("no profile holds through" in step.text for step in found.steps)


@given(NEEDS, DAYS)
def test_nothing_that_outlives_the_horizon_relies_on_classical_algorithms(need: Needs, today: date) -> None:
    found = derive(need, today, DEFAULT)
    if found.protect_until > DEFAULT.harvest_horizon:
        assert any(part.quantum_safe for part in parts_of(found.profile) if part.kind == "signature")
        assert all(part.quantum_safe for part in parts_of(found.profile) if part.kind == "kem")
    else:
        assert found.profile.name == "classical" or need.protect_for_days >= 20 * 365


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
    assert required_profile(needs(days, Level(confidentiality)), TODAY, DEFAULT).name == profile


def test_settings_move_the_dates() -> None:
    early = PolicySettings(harvest_horizon=date(2026, 1, 1), high_years=1)
    assert required_profile(needs(0), TODAY, early).name == "hybrid"
    assert required_profile(needs(365, Level.HIGH), TODAY, early).name == "hybrid-high"
    later = PolicySettings(harvest_horizon=date(2036, 1, 1), disallow_date=date(2040, 1, 1))
    assert required_profile(needs(3000), TODAY, later).name == "classical"
    assert later.last_day(algorithm("ES256")) == date(2040, 1, 1)
    assert later.last_day(algorithm("RSA-2048")) == date(2030, 12, 31), "112 bits have a date of their own"


def test_an_algorithm_that_falls_takes_its_profile_with_it() -> None:
    """Should lattices of category 3 turn out weak, one line moves every long-lived flow up."""
    fallen = PolicySettings(ends=(AlgorithmEnd(algorithm="MLKEM768-X25519", day=date(2028, 1, 1)),))
    assert holds_until(PROFILES["hybrid"], fallen) == date(2028, 1, 1)
    assert required_profile(needs(2562), TODAY, fallen).name == "hybrid-high"
    assert required_profile(needs(30), TODAY, fallen).name == "classical"


def test_a_proof_lives_as_long_as_its_longest_signature() -> None:
    """Both signatures must verify, so the classical one may end: the other still carries the proof."""
    ends = (AlgorithmEnd(algorithm="ES256", day=date(2027, 1, 1)),)
    assert holds_until(PROFILES["hybrid"], PolicySettings(ends=ends)) is None
    assert holds_until(PROFILES["classical"], PolicySettings(ends=ends)) == date(2027, 1, 1)
    assert holds_until(PROFILES["classical"], DEFAULT) == DEFAULT.harvest_horizon
    assert proof_until(PROFILES["classical"]) == date(2035, 12, 31)
    assert proof_until(PROFILES["hybrid"]) is None


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"harvest_horizon": "2036-01-01"}, "after disallow_date"),
        ({"high_years": 0}, ">= 1"),
        ({"default_profile": "none"}, "Invalid enum value 'none'"),
        ({"hybrid_channel_from": "always"}, "Invalid enum value 'always'"),
        ({"tls_least": "1.2"}, "Invalid enum value '1.2'"),
        ({"key_days": {"signature": 1096}}, "signature: 1096 days, 1095 at most"),
        ({"key_days": {"sealing": 731}}, "sealing: 731 days, 730 at most"),
        ({"key_days": {"data": 0}}, ">= 1"),
        ({"ends": [{"algorithm": "ROT13", "day": "2030-01-01"}]}, "'ROT13' is none of ES256"),
        ({"ends": [{"algorithm": "ES256", "day": "2030-01-01"}] * 2}, "named twice"),
        ({"horizon": "2030-01-01"}, "unknown field `horizon`"),
    ],
)
def test_settings_that_make_no_sense(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=why):
        msgspec.convert(wrong, PolicySettings)


def test_the_connection_a_flow_needs() -> None:
    from_high = PolicySettings(hybrid_channel_from="high")
    long, short = needs(2562, Level.HIGH), needs(30, Level.HIGH)
    assert needed_channel(long, TODAY, DEFAULT) is Channel.ANY
    assert needed_channel(long, TODAY, from_high) is Channel.HYBRID
    assert needed_channel(short, TODAY, from_high) is Channel.ANY, "over before anybody can open it"
    assert needed_channel(needs(2562), TODAY, from_high) is Channel.ANY
    asked = msgspec.structs.replace(short, channel=Channel.HYBRID)
    assert needed_channel(asked, TODAY, DEFAULT) is Channel.HYBRID, "settings ask for more, never for less"


def test_defaults_are_the_tables() -> None:
    for name in ("disallow_date", "harvest_horizon", "high_years", "default_profile", "warn_days"):
        assert rule(name).value == str(getattr(DEFAULT, name))
    assert rule("hybrid_channel_from").value == DEFAULT.hybrid_channel_from
    assert rule("tls_least").value == DEFAULT.tls_least
    assert {period.key: period.days for period in periods().values()} == {
        **{name: DEFAULT.key_days.of(name) for name in KeyDays.__struct_fields__},
        "parcel": 0,
    }
    assert {p.last_day for p in algorithms().values() if not p.quantum_safe and p.strength >= 128} == {
        DEFAULT.disallow_date
    }


def test_the_table_is_sound() -> None:
    for part in algorithms().values():
        assert part.quantum_safe or part.family == "asymmetric", "only asymmetric ones break"
        assert part.last_day is not None or part.quantum_safe
    for profile in PROFILES.values():
        assert all(part.strength >= int(rule("strength_least").value) for part in parts_of(profile))
        assert rule("symmetric_bits").value in algorithm(profile.cipher).size
        generate_opening_key(profile.suite)
    assert hybrid_groups() == {"X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024"}
    assert rule("tls_groups").value in hybrid_groups()
    assert all(row.source for row in (*rules().values(), *periods().values()))


def test_each_profile_is_as_strong_as_its_rank() -> None:
    ranked = sorted(PROFILES.values(), key=lambda profile: profile.rank)
    for kind in ("signature", "kem"):
        best = [
            max((p.category, p.strength) for p in parts_of(profile) if p.kind == kind) for profile in ranked
        ]
        assert best == sorted(best) and best[0][0] == 0 and best[1][0] >= 3 and best[2][0] == 5


def test_every_flow_of_all_interfaces_has_a_profile_and_a_derivation() -> None:
    catalogue = load_catalogue()
    assert len(catalogue.interfaces) == 18
    for flow in catalogue.flows():
        found = derive(Needs.of(flow), TODAY, DEFAULT, source=flow.source)
        assert requirement(flow, TODAY, DEFAULT) == (found.profile, found.channel, found.protect_until)
        assert found.protect_until == TODAY + timedelta(days=flow.protect_for_days)
        assert found.steps[0].source == flow.source


def test_the_derivation_says_why() -> None:
    text = "\n".join(
        f"{step.about}: {step.text} [{step.source}, {step.certainty}]"
        for step in derive(needs(4000), TODAY, DEFAULT).steps
    )
    for part in (
        "for 4000 days from 2026-11-22: until 2037-11-04, in 2037",
        "quantum: asymmetric: signatures and key encapsulation",
        "quantum: symmetric: ciphers and hashes only lose bits",
        "harvest horizon 2030-12-31",
        "is after 2035-12-31, when classical public-key algorithms end",
        "signature: ML-DSA-65: asymmetric, public key of 1,952 bytes, 192 bits, quantum category 3",
        "signature: ES256: asymmetric, curve of 256 bits (P-256), 128 bits, broken by a quantum computer",
        "cipher: AES-256-GCM: symmetric, key of 256 bits",
        "FIPS 204",
        "IR 8547",
        "key lifetime: signature: asymmetric key that signs manifests, receipts, descriptors: used for 730 days",
        "key lifetime: parcel: symmetric key that encrypts one parcel's content: used for one parcel",
        "TLS 1.3 or later",
        "X25519MLKEM768",
    ):
        assert part in text


def test_the_derivation_says_what_settings_changed() -> None:
    settings = PolicySettings(harvest_horizon=date(2029, 1, 1), high_years=5, key_days=KeyDays(signature=100))
    steps = {step.about: step for step in derive(needs(30), TODAY, settings).steps}
    assert steps["harvest"].certainty == "choice"
    assert steps["harvest"].source.startswith(
        "intertie.toml [policy] harvest_horizon; the default is 2030-12-31"
    )
    assert steps["key lifetime: signature"].source.startswith("intertie.toml [policy.key_days]")
    assert steps["end of classical"].source.startswith("NIST IR 8547")
    assert "for a partner that can do no more" in steps["what is sent"].text


@pytest.mark.parametrize(
    "text", ["", "x", "[[algorithm]]\nname = 1", '[[algorithm]]\nname = "x"\nuntil = "soon"']
)
def test_a_damaged_table_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match=FILE):
        read_table(text)


def test_names_that_the_table_has_not() -> None:
    with pytest.raises(SettingsError, match="no rule 'x'"):
        rule("x")
    with pytest.raises(SettingsError, match="no algorithm 'x'"):
        algorithm("x")
    with pytest.raises(SettingsError, match="'soon' is no date"):
        parse_day("soon")
    assert parse_day("2026-12-31") == date(2026, 12, 31)
