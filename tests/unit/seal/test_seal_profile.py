"""A profile is all of its algorithms, each once, and no other."""

from __future__ import annotations

from itertools import chain, combinations

import pytest

from intertie.model.errors import Code, Refused
from intertie.seal.algorithms import SIGNATURE_ALGORITHMS
from intertie.seal.profile import PROFILES, check_algorithms, profile_of_algorithms, profile_of_suite

SETS = {frozenset(p.signatures): p.name for p in PROFILES.values()}
SUBSETS = list(chain.from_iterable(combinations((*SIGNATURE_ALGORITHMS, "HS256"), n) for n in range(6)))


def test_ranks_rise_and_names_agree() -> None:
    assert [p.rank for p in PROFILES.values()] == [1, 2, 3]
    assert all(name == p.name for name, p in PROFILES.items())
    assert all(list(p.signatures) == sorted(p.signatures) for p in PROFILES.values())
    assert len({p.suite for p in PROFILES.values()}) == 3


@pytest.mark.parametrize("profile", PROFILES.values(), ids=str)
def test_suite_names_profile(profile: object) -> None:
    assert profile_of_suite(profile.suite) is profile  # type: ignore[attr-defined]


def test_unknown_suite() -> None:
    with pytest.raises(Refused) as refused:
        profile_of_suite("RSA/none")
    assert refused.value.code is Code.BAD_HEADER


@pytest.mark.parametrize("algorithms", SUBSETS, ids=lambda s: "+".join(s) or "none")
def test_any_other_set_is_no_profile(algorithms: tuple[str, ...]) -> None:
    name = SETS.get(frozenset(algorithms))
    if name:
        assert profile_of_algorithms(algorithms).name == name
        with pytest.raises(Refused):
            profile_of_algorithms((*algorithms, algorithms[0]))
    else:
        with pytest.raises(Refused) as refused:
            profile_of_algorithms(algorithms)
        assert refused.value.code in {Code.SIGNATURE_MISSING, Code.SIGNATURE_INVALID}
    for profile in PROFILES.values():
        if name == profile.name:
            check_algorithms(profile, algorithms)
            continue
        with pytest.raises(Refused) as refused:
            check_algorithms(profile, algorithms)
        missing = set(profile.signatures) - set(algorithms)
        assert refused.value.code is (Code.SIGNATURE_MISSING if missing else Code.SIGNATURE_INVALID)
