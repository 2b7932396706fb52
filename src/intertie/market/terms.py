"""What a confirmation says, as the rules take it: its baseline, its money, and the hours it covers."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from fractions import Fraction

from intertie.market.baseline import Adjustment, Rule
from intertie.market.method import Family, Method, before
from intertie.market.payment import Terms
from intertie.market.presets import PRESETS
from intertie.market.shapes import Shape, full, grace_and_slope, linear, sliding, steps, threshold
from intertie.model.contract import Confirmation
from intertie.model.errors import SettingsError
from intertie.model.pay_shape import PayShape, PayShapeKind

HIGH = re.compile(r"high-([1-9][0-9]?)-of-([1-9][0-9]?)(?:-(multiplicative|additive))?")
# A level has neither days nor a window.
NO_RULE = Rule(adjustment=Adjustment.NONE)
KW = r"([0-9]{1,9}(?:\.[0-9]{1,3})?)kw"
OTHERS = {
    Family.MAXIMUM_BASE_LOAD: re.compile(f"maximum-base-load-{KW}"),
    Family.METER_BEFORE_AFTER: re.compile(r"meter-before-after-([1-9][0-9]{0,3})min"),
    Family.GENERATOR_OUTPUT: re.compile(f"generator-output-over-{KW}"),
    Family.TYPE_TWO: re.compile(r"sample-of-([1-9][0-9]{0,8})-by-(.+)"),
}


def method_of(confirmation: Confirmation, holidays: frozenset[date] = frozenset()) -> Method:
    """How the deal says that its baseline is found: docs/settlement.md has the names.

    Raises SettingsError for a method that this program does not know.
    """
    name = confirmation.baseline_method
    for family, pattern in OTHERS.items():
        found = pattern.fullmatch(name)
        if found is None:
            continue
        if family is Family.TYPE_TWO:
            rule = rule_of(confirmation, holidays, found[2])
            return Method(family, rule, population=int(found[1]))
        if family is Family.METER_BEFORE_AFTER:
            return Method(family, before(int(found[1])), minutes=int(found[1]))
        return Method(family, NO_RULE, kw=Fraction(found[1]))
    return Method(Family.TYPE_ONE, rule_of(confirmation, holidays))


def rule_of(confirmation: Confirmation, holidays: frozenset[date] = frozenset(), name: str = "") -> Rule:
    """The rule of a Baseline Type I that the deal names, or `name`: `high-5-of-10`, the same with `-multiplicative` or
    `-additive`, or a preset. Where a rule has a cap, it is the deal's.

    Raises SettingsError for a method that this program does not know.
    """
    method = name or confirmation.baseline_method
    cap = Fraction(confirmation.adjustment_cap_fraction)
    if (preset := PRESETS.get(method)) is not None:
        capped = None if preset.rule.cap is None else cap
        return preset.rule._replace(holidays=holidays, cap=capped)
    found = HIGH.fullmatch(method)
    if found is None or int(found[1]) > int(found[2]):
        raise SettingsError(
            f"{confirmation.confirmation}: no baseline method {method}",
            do="Known are high-X-of-Y, the same with -multiplicative or -additive, the presets, and the other "
            "families: docs/settlement.md.",
        )
    return Rule(
        highest=int(found[1]),
        of=int(found[2]),
        minimum_days=int(found[2]),
        adjustment=Adjustment(found[3] or "none"),
        cap=cap,
        holidays=holidays,
    )


def terms_of(confirmation: Confirmation) -> Terms:
    """Rates and caps of the deal."""
    return Terms(
        contracted_kw=Decimal(confirmation.contracted_kw),
        reservation_per_kw_month=confirmation.reservation_rate_per_kw_month,
        utilisation_per_kwh=confirmation.utilisation_rate_per_kwh,
        penalty_per_kwh=confirmation.penalty_rate_per_kwh,
        grace=confirmation.penalty_grace_fraction,
        penalty_cap=confirmation.penalty_cap_fraction,
        reservation_shape=None
        if confirmation.reservation_pay is None
        else shape_of(confirmation.reservation_pay),
        utilisation_shape=full()
        if confirmation.utilisation_pay is None
        else shape_of(confirmation.utilisation_pay),
    )


def shape_of(said: PayShape) -> Shape:
    """As the kernel takes it; what the kind needs is there (`PayShape.check`)."""
    low, high, at_low, grace, slope = (
        Fraction(one or 0)
        for one in (
            said.low_fraction,
            said.high_fraction,
            said.pays_at_low_fraction,
            said.grace_fraction,
            said.slope,
        )
    )
    match said.kind:
        case PayShapeKind.FULL:
            return full()
        case PayShapeKind.LINEAR:
            return linear()
        case PayShapeKind.THRESHOLD:
            return threshold(low) if low else linear()
        case PayShapeKind.STEP:
            return steps([(Fraction(one.from_fraction), Fraction(one.pays_fraction)) for one in said.steps])
        case PayShapeKind.SLIDING:
            return sliding(low, high, at_low)
        case PayShapeKind.GRACE:
            return grace_and_slope(grace, slope) if grace < 1 else full()
