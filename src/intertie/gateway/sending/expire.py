"""What nobody took in its lifetime ends, also where nothing is delivered any more: at a partner suspended or removed."""

from __future__ import annotations

from datetime import datetime

from intertie.gateway.gateway import Gateway
from intertie.gateway.sending.answers import close_expired
from intertie.model.ids import MessageId


def expire(gateway: Gateway, now: datetime, *, sealed: bool = True) -> list[MessageId]:
    """Expire queued messages, and (with `sealed`, which costs a look at every partner) sealed ones to partners that get
    nothing more, or that did not come for them; their ids.

    A sealed parcel to a partner that is delivered to ends in its own delivery, which knows whether an answer is due.
    """
    expired = gateway.store.expire(now)
    for party in gateway.store.next_partners(now) if sealed else ():
        partner = gateway.partners.find(party)
        if partner is not None and not partner.suspended and not partner.fetches:
            continue
        fetches = partner is not None and not partner.suspended
        why = "the partner did not confirm it" if fetches else "nothing is delivered to this partner"
        parcel = gateway.store.unfinished_parcel(party, now)
        if parcel is not None:
            expired += close_expired(gateway, parcel, why, now)
    return expired
