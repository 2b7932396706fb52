"""For whom this gateway forwards parcels, and how much of them it keeps: `[relay]` of the settings."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from intertie.model.ids import PartyId, PartyName
from intertie.model.record import Record
from intertie.seal.waybill import HOPS_DEFAULT, HOPS_MAX

# Parties of one route, and routes: a hub of a thousand customers is one route with a thousand names on one side.
PARTIES_MAX = 10_000
ROUTES_MAX = 10_000

Parties = Annotated[tuple[PartyName, ...], Meta(min_length=1, max_length=PARTIES_MAX)]


class Route(Record, frozen=True, kw_only=True, rename={"senders": "from", "recipients": "to"}):
    """Parcels from each of some parties to each of others are taken, and go on by one way. The way back is another route."""

    senders: Parties
    recipients: Parties
    # Another relay, that takes them on; empty: they go to their recipient.
    next: Annotated[str, Meta(max_length=253)] = ""
    # The relay that hands them in; empty: their sender does.
    by: Annotated[str, Meta(max_length=253)] = ""

    def fits(self, sender: PartyId, recipient: PartyId, by: PartyId) -> bool:
        """Whether a parcel that this party hands in goes this way."""
        return sender in self.senders and recipient in self.recipients and by == (self.by or sender)


class RelayRules(Record, frozen=True, kw_only=True):
    """Without a route nothing of others is taken."""

    routes: Annotated[tuple[Route, ...], Meta(max_length=ROUTES_MAX)] = ()
    # Of one sender, not handed on yet. At one parcel a second this is the backlog of a quarter of an hour ...
    waiting_parcels: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    # ... and no more disk than this, whatever their size.
    waiting_bytes: Annotated[int, Meta(ge=1)] = 1024 * 1024 * 1024
    # However long a sender says that its parcel is worth carrying: a month is beyond any message of the trade.
    keep_days: Annotated[int, Meta(ge=1, le=366)] = 31
    # Over how many relays our own parcels may go: the waybill says it.
    hops: Annotated[int, Meta(ge=1, le=HOPS_MAX)] = HOPS_DEFAULT

    def find(self, sender: PartyId, recipient: PartyId, by: PartyId) -> Route | None:
        """The first route that fits."""
        return next((route for route in self.routes if route.fits(sender, recipient, by)), None)

    def serves(self, party: PartyId) -> bool:
        """Whether a route has anything to do with this party: it may hand in, or bring back."""
        return any(
            party in route.senders or party in route.recipients or party in (route.by, route.next)
            for route in self.routes
        )

    @property
    def is_relay(self) -> bool:
        """Whether anything is forwarded at all."""
        return bool(self.routes)


NO_RELAY = RelayRules()
