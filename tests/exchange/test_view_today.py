"""Today among many messages: what is pressing is named whatever else waits, and what ended lately whatever ended before."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.exchange.house import AGGREGATOR, NOW, make_pair
from tests.store.store_builders import act, outgoing, queued_entries

from intertie.exchange.outbound import State
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import NewMessage
from intertie.gateway.views.view_today import LATELY, LINES_MAX, Need, read_today

MANY = LINES_MAX + 10
ANSWER = timedelta(seconds=10)


def queue(gateway: Gateway, new: list[NewMessage], now: datetime) -> None:
    gateway.store.add_outgoing(new, queued_entries(new), now)


def bills(first: int) -> list[NewMessage]:
    return [outgoing(n, to=AGGREGATOR, expires=NOW + timedelta(days=90)) for n in range(first, first + MANY)]


def needs(gateway: Gateway, now: datetime, word: str) -> list[Need]:
    return [need for need in read_today(gateway, now, books=False).needs if word in need.what]


def test_an_outage_behind_many_bills_is_named_until_it_is_answered() -> None:
    gateway = make_pair().utility
    queue(gateway, bills(1), NOW)
    notice = outgoing(500, to=AGGREGATOR, document="outage_notice")._replace(answer_by=NOW + ANSWER)
    queue(gateway, [notice], NOW)
    assert needs(gateway, NOW, "not acknowledged") == []
    gateway.store.escalate(NOW + ANSWER)
    (need,) = needs(gateway, NOW + ANSWER, "not acknowledged")
    assert need.what == f"Outage notice to {AGGREGATOR} is not acknowledged"
    assert (need.weight, need.link, need.since) == ("now", f"/messages/{notice.id}", NOW)
    gateway.store.set_state(notice.id, State.CANCELLED, "", [act()], NOW + ANSWER)
    assert needs(gateway, NOW + ANSWER, "not acknowledged") == []


def test_a_dead_letter_of_today_is_named_behind_many_that_were_left() -> None:
    gateway, now = make_pair().utility, NOW + 2 * LATELY
    old, fresh = bills(1), outgoing(500, to=AGGREGATOR, document="invoice", expires=NOW + timedelta(days=90))
    queue(gateway, old, NOW)
    for one in old:
        gateway.store.set_state(one.id, State.FAILED, "", [act()], NOW)
    assert needs(gateway, now, "came to nothing") == []
    queue(gateway, [fresh], now)
    gateway.store.set_state(fresh.id, State.FAILED, "no way", [act()], now)
    (need,) = needs(gateway, now, "came to nothing")
    assert need.what.startswith("Invoice to") and need.link == f"/messages/{fresh.id}"
