"""What outages and suspensions do to what was agreed, for the hours ahead."""

from __future__ import annotations

from datetime import datetime, timedelta

from intertie.gateway.gateway import Gateway
from intertie.gateway.sending.send_message import find_partner
from intertie.market.book import ground_of
from intertie.market.effects import Effects, effects
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.model.interval import Window

# Hours that are looked at by quarter of an hour; a month of them is a few thousand rows of nothing but trouble.
HOURS_MAX = 31 * 24
STEP = timedelta(minutes=15)


def effects_ahead(gateway: Gateway, partner: PartyId, hours: int, now: datetime) -> Effects:
    """The effects from the quarter hour that runs now on. SettingsError for too many hours; Refused if this is no partner."""
    if not 1 <= hours <= HOURS_MAX:
        raise SettingsError(f"hours: {hours} is not between 1 and {HOURS_MAX}", do="Look at a shorter time.")
    find_partner(gateway, partner)
    book = gateway.books.of(gateway.store, partner).ledger.book
    start = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    window = Window(start=start, end=start + timedelta(hours=hours))
    return effects(ground_of(book, now), book.dispatches, (), window, STEP, now)
