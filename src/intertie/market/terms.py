"""What a confirmation says, as the rules take it: its baseline, its money, and the hours it covers."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from fractions import Fraction

from intertie.market.baseline import Adjustment, Rule
from intertie.market.payment import Terms
from intertie.model.contract import Confirmation
from intertie.model.errors import SettingsError

METHOD = re.compile(r"high-([1-9][0-9]?)-of-([1-9][0-9]?)(?:-(multiplicative|additive))?")


def rule_of(confirmation: Confirmation, holidays: frozenset[date] = frozenset()) -> Rule:
    """The baseline rule that the deal names: `high-5-of-10`, `high-5-of-10-multiplicative`, `high-4-of-5-additive`.

    Raises SettingsError for a method that this program does not know.
    """
    found = METHOD.fullmatch(confirmation.baseline_method)
    if found is None or int(found[1]) > int(found[2]):
        raise SettingsError(
            f"{confirmation.confirmation}: no baseline method {confirmation.baseline_method}",
            do="Known are high-X-of-Y, and the same with -multiplicative or -additive.",
        )
    return Rule(
        highest=int(found[1]),
        of=int(found[2]),
        minimum_days=int(found[2]),
        adjustment=Adjustment(found[3] or "none"),
        cap=Fraction(confirmation.adjustment_cap_fraction),
        holidays=holidays,
    )


def terms_of(confirmation: Confirmation) -> Terms:
    """Rates and caps of the deal."""
    return Terms(
        contracted_kw=Decimal(confirmation.contracted_kw),
        reservation_per_kw_month=confirmation.reservation_rate_per_kw_month,
        utilisation_per_kwh=confirmation.utilisation_rate_per_kwh,
        penalty_per_kwh=confirmation.penalty_rate_per_kwh,
        penalty_cap=confirmation.penalty_cap_fraction,
    )
