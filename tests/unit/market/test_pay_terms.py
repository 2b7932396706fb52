"""How a deal says what a factor earns: each kind by hand, through the deal to the kernel; and what is none."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest

from intertie.market.payment import terms_of_many
from intertie.market.shapes import earned, full
from intertie.market.terms import terms_of
from intertie.model.contract import Confirmation
from intertie.model.documents import example
from intertie.model.ids import DocumentName
from intertie.model.pay_shape import PayShape, PayShapeKind

_, DEAL = example(DocumentName("confirmation"))
assert isinstance(DEAL, Confirmation)
STEPS = [
    {"from_fraction": "0", "pays_fraction": "0"},
    {"from_fraction": "0.5", "pays_fraction": "0.5"},
    {"from_fraction": "0.9", "pays_fraction": "1"},
]


def said(kind: str, **fields: Any) -> PayShape:
    return msgspec.convert({"kind": kind, **fields}, PayShape)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        # hundredths of a factor in, ten-thousandths of the pay out
        (said("full"), {0: 10_000, 100: 10_000}),
        (said("linear"), {0: 0, 37: 3700, 100: 10_000}),
        (said("threshold", low_fraction="0.5"), {49: 0, 50: 5000, 80: 8000}),
        (said("threshold", low_fraction="0"), {0: 0, 50: 5000}),
        (said("step", steps=STEPS), {49: 0, 50: 5000, 89: 5000, 90: 10_000}),
        (said("sliding", low_fraction="0.5", high_fraction="1"), {49: 0, 50: 0, 75: 5000, 100: 10_000}),
        # from 30 % on no decimal is the slope, 1/0.7: (0.65 - 0.3) / 0.7 = 0.5
        (said("sliding", low_fraction="0.3", high_fraction="1"), {29: 0, 65: 5000, 100: 10_000}),
        (
            said("sliding", low_fraction="0.5", high_fraction="1", pays_at_low_fraction="0.5"),
            {49: 0, 50: 5000, 75: 7500},
        ),
        # 5 % of grace, then 3 for 1: 1 - 3 x 0.05 = 0.85 at 90 %
        (said("grace", grace_fraction="0.05", slope="3"), {95: 10_000, 90: 8500, 61: 0}),
        (said("grace", grace_fraction="1", slope="3"), {0: 10_000}),
    ],
)
def test_a_deal_names_each_shape(shape: PayShape, expected: dict[int, int]) -> None:
    deal = msgspec.structs.replace(DEAL, reservation_pay=shape, utilisation_pay=shape)
    many = terms_of_many([terms_of(deal)])
    factors = np.array(list(expected), np.int64)
    for one in (many.reservation_shape, many.utilisation_shape):
        assert earned(factors, one).tolist() == list(expected.values())


def test_a_deal_that_says_nothing_pays_as_before() -> None:
    many = terms_of_many([terms_of(DEAL)])
    assert earned(np.array([37], np.int64), many.reservation_shape).tolist() == [3700]
    assert many.utilisation_shape == full() and many.grace == 1


def test_the_grace_of_a_penalty_is_a_term_of_the_deal() -> None:
    deal = msgspec.structs.replace(DEAL, penalty_grace_fraction=Decimal("0.8"))
    assert terms_of(deal).grace == Decimal("0.8")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"kind": "threshold"}, "low_fraction: needed"),
        ({"kind": "linear", "low_fraction": "0.5"}, "low_fraction: has no place"),
        ({"kind": "full", "steps": STEPS}, "steps: has no place"),
        ({"kind": "step"}, "steps: needed"),
        ({"kind": "step", "steps": STEPS[1:]}, "begin at 0"),
        ({"kind": "step", "steps": [*STEPS, STEPS[0]]}, "ascend"),
        ({"kind": "sliding", "low_fraction": "0.5"}, "high_fraction: needed"),
        ({"kind": "sliding", "low_fraction": "0.5", "high_fraction": "0.5"}, "a scale rises"),
        ({"kind": "sliding", "low_fraction": "0", "high_fraction": "0.5"}, "a scale rises"),
        ({"kind": "grace", "grace_fraction": "1.5", "slope": "3"}, "not between 0 and 1"),
        ({"kind": "grace", "grace_fraction": "0.5", "slope": "-3"}, "slope: below zero"),
        ({"kind": "straight"}, "straight"),
    ],
)
def test_what_is_no_shape_is_refused(fields: dict[str, Any], error: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=error):
        msgspec.convert(fields, PayShape)


def test_every_kind_says_what_it_needs() -> None:
    assert {shape.kind for shape in (said("full"), said("linear"))} < set(PayShapeKind)
    assert len(PayShapeKind) == 6
