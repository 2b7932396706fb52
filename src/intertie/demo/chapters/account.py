"""At the end what is left is paid; the utility makes the statement of account, and the aggregator makes it again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from intertie.demo.chapters.billing import NINE, NOON, months
from intertie.demo.gateways import AGGREGATOR, UTILITY
from intertie.demo.season import Desk, Season
from intertie.gateway.billing import billing_account, billing_pay
from intertie.gateway.billing.billing_files import find_document, written
from intertie.gateway.trading.trade_desk import Desk as TradeDesk
from intertie.market.billing import statement_hash
from intertie.model.billing import PaymentMethod
from intertie.model.ids import AgreementId

STATEMENT = "A-season"
DAY = timedelta(days=1)


def plan(season: Season) -> None:
    """After the last payment of the months."""
    last = months(season)[-1]
    season.plan_action(season.at(last.after(15), NINE), "what is left is paid", lambda: _pay(season))
    season.plan_action(
        season.at(last.after(16), NOON), "the utility makes the statement of account", lambda: _state(season)
    )


def outcome(season: Season, root: Path, invoice: str) -> dict[str, Any]:
    """The statement made again by the aggregator, and both documents written as PDF below `root`."""
    desk = _trade(season, season.aggregator)
    found = billing_account.compare(desk, billing_account.find(desk, STATEMENT))
    documents = []
    for name in (invoice, STATEMENT):
        path = root / f"{name}.pdf"
        path.write_bytes(written(desk, find_document(desk, name), ".pdf"))
        documents.append(str(path))
    return {
        "statement": STATEMENT,
        "rows": len(found.theirs.entries),
        "closing": str(found.theirs.closing),
        "currency": found.theirs.currency,
        "sha256": statement_hash(found.ours),
        "same": found.same,
        "documents": documents,
    }


def _trade(season: Season, side: Desk) -> TradeDesk:
    """The trade of the utility and the aggregator, as a side has it."""
    partner = AGGREGATOR if side is season.utility else UTILITY
    assert AGGREGATOR.agreement is not None
    return TradeDesk(side.office.gateway, partner.party, season.clock.now, AgreementId(AGGREGATOR.agreement))


def _pay(season: Season) -> None:
    """Whoever still owes something pays it, the utility first."""
    for side in (season.utility, season.aggregator):
        desk = _trade(season, side)
        lines = billing_pay.payable(desk)
        if billing_pay.total_of(lines) > 0:
            billing_pay.pay(desk, lines, PaymentMethod.ACH, f"ACH-{side.office.who.short}-last")


def _state(season: Season) -> None:
    desk = _trade(season, season.utility)
    until = season.utility.books.local_day(season.clock.now) - DAY
    period = billing_account.days(desk, season.feeder.days[0], until)
    billing_account.send(desk, billing_account.make(desk, period, STATEMENT))
