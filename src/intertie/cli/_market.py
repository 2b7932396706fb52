"""What several commands of the market need: all desks, and the time that is left to a gate."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from intertie.gateway.sending.send_message import find_partner
from intertie.gateway.trading.trade_desk import SIDES, Desk
from intertie.model.ids import PartyId
from intertie.model.interval import IntervalSeries
from intertie.model.offers import Need
from intertie.run import Opened


def desks(it: Opened, named: Sequence[PartyId] = ()) -> list[Desk]:
    """The trade with these partners, or with all that are on the other side of it."""
    others = SIDES - it.settings.party.roles
    partners = (
        [find_partner(it.gateway, party) for party in named]
        if named
        else [one for one in it.partners.all() if one.roles & others and one.trial is None]
    )
    return [Desk(it.gateway, one.party, it.clock()) for one in partners]


def countdown(need: Need, now: datetime) -> str:
    """How long the gate is open still."""
    left = need.gate_closes - now
    if left < timedelta(0):
        return "closed"
    seconds = int(left.total_seconds())
    days, rest = divmod(seconds, 86_400)
    return f"{f'{days} d ' if days else ''}{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02} left"


def span_of(series: IntervalSeries) -> str:
    """The least and the most, for a table."""
    values = [kw for n in range(len(series.values)) if (kw := series.quantity(n)) is not None]
    low, high = min(values, default=Decimal(0)), max(values, default=Decimal(0))
    return f"{low.normalize():f}" if low == high else f"{low.normalize():f} to {high.normalize():f}"
