"""Where accepted DERs are connected: each is looked up when asked for, and equals a table that is made of all of them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.market.grid_cases import POINTS, at, der

from intertie.market.availability import Place
from intertie.market.offer_terms import AcceptedPlaces
from intertie.market.registry import Aggregation, Standing, Version
from intertie.model.ids import AggregationId, DerId

VERSIONS = st.lists(
    st.builds(
        lambda standing, point, kw: (standing, point, kw),
        st.sampled_from(Standing),
        st.sampled_from(POINTS),
        st.none() | st.integers(0, 9).map(Decimal),
    ),
    max_size=4,
)
DERS = st.dictionaries(st.integers(1, 5), VERSIONS, max_size=5)


@given(DERS)
def test_the_last_accepted_version_says_where(
    made: dict[int, list[tuple[Standing, str, Decimal | None]]],
) -> None:
    ders = {
        DerId(f"D{number}"): tuple(
            Version(der(number, point=point), place, at(), at(), standing, accepted_kw=kw)
            for place, (standing, point, kw) in enumerate(versions)
        )
        for number, versions in made.items()
    }
    table = {
        name: Place(one.der.point, one.kw)
        for name, versions in ders.items()
        for one in versions
        if one.standing is Standing.ACCEPTED
    }
    found = AcceptedPlaces(Aggregation(AggregationId("A"), (), 1, at(), None, (), None, ders))
    assert dict(found) == table and len(found) == len(table) and bool(found) == bool(table)
    assert all((name in found) == (name in table) and found.get(name) == table.get(name) for name in ders)


def test_one_that_is_not_there_has_no_place() -> None:
    with pytest.raises(KeyError):
        AcceptedPlaces(Aggregation(AggregationId("A"), (), 1, at(), None, (), None, {}))[DerId("D1")]
