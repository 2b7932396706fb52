"""What a performance statement must keep: it is of a deal that both know, of a time that is over, and leaves no call out."""

from __future__ import annotations

from datetime import datetime

from intertie.market import confirmation
from intertie.market.confirmation import Deals
from intertie.market.dispatch_state import Dispatch, Dispatches
from intertie.market.event import Broken, Rule
from intertie.model.settlement import PerformanceStatement

UFTP = "UFTP rejection reason: "
UNKNOWN = Rule(
    "statement.unknown_deal",
    "A statement is of a deal that both agreed to, and of its service.",
    UFTP + "Unknown ContractID",
)
PERIOD = Rule(
    "statement.period",
    "A statement is of a time that is over and that the deal has a part in.",
    UFTP + "PeriodStart rejected, PeriodEnd rejected",
)
ITEMS = Rule(
    "statement.items",
    "A statement has every call of its deal in its time, also one that was refused; only a correction may have less.",
    UFTP + "Missing Settlement Items",
)
RULES: tuple[Rule, ...] = (UNKNOWN, PERIOD, ITEMS)


def check_statement(body: PerformanceStatement, at: datetime, deals: Deals, dispatches: Dispatches) -> None:
    """Whether a statement may be made of these deals and dispatches at a time. Raises Broken."""
    deal = deals.get(body.confirmation)
    if deal is None or confirmation.status(deal, at) not in confirmation.STANDING:
        raise Broken(UNKNOWN, f"no deal {body.confirmation} stands")
    if body.service is not deal.terms.service:
        raise Broken(UNKNOWN, f"{body.confirmation} is for {deal.terms.service}")
    if body.period.end > at or not body.period.overlaps(deal.terms.term):
        start, end = body.period.start.isoformat(), body.period.end.isoformat()
        raise Broken(PERIOD, f"from {start} to {end}")
    if body.corrects is None:
        said = {event.dispatch for event in body.events}
        missing = sorted(name for name, one in dispatches.items() if _owed(one, body) and name not in said)
        if missing:
            raise Broken(ITEMS, f"{', '.join(missing[:3])} {'is' if len(missing) == 1 else 'are'} not in it")


def _owed(one: Dispatch, body: PerformanceStatement) -> bool:
    """Whether a statement must speak of a call: it is of the deal, begins in the time, and was not taken back before."""
    window = one.instruction.window
    taken_back = one.ends_early is not None and one.ends_early <= window.start
    mine = one.instruction.confirmation == body.confirmation
    return mine and not taken_back and body.period.holds(window.start)
