"""Erasing as an act: whose time is over, what stands against it, and what is said afterwards."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import msgspec
import pytest
from tests.exchange.house import AGGREGATOR, AGREEMENT, NOW, UTILITY, Pair, Wire, make_pair

from intertie.catalogue.flow import Flow
from intertie.exchange.outbound import State
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import Query
from intertie.gateway.proving.erase import (
    Found,
    NotErasedError,
    Standing,
    Why,
    erase_expired,
    erase_message,
    expired,
    kept_days,
    open_disputes,
    what_is_left,
)
from intertie.gateway.proving.export_evidence import NoEvidenceError, export
from intertie.gateway.proving.hold import hold, release
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.model.documents import example
from intertie.model.errors import SettingsError
from intertie.model.ids import AgreementId, DocumentName, InterfaceCode, MessageId
from intertie.model.message import Mode

DA = InterfaceCode("DA")
YEAR = timedelta(days=366)


@pytest.fixture
def pair() -> Pair:
    return make_pair()


def say(sender: Gateway, document: str, now: datetime = NOW) -> MessageId:
    """The example of a document, queued for the partner."""
    header, body = example(DocumentName(document))
    to = AGGREGATOR if sender.party.id == UTILITY else UTILITY
    out = Outgoing(body=body, recipient=to, interface=DA, mode=Mode(header.mode), agreement=AGREEMENT)
    return send(sender, [out], now)[0]


def deliver(sender: Gateway, receiver: Gateway, now: datetime = NOW) -> None:
    wire = Wire(receiver, sender.party.id, now)
    while asyncio.run(deliver_once(sender, wire, receiver.party.id, lambda: now, lambda: 0.5)):
        pass


def said(sender: Gateway, receiver: Gateway, document: str, now: datetime = NOW) -> MessageId:
    message = say(sender, document, now)
    deliver(sender, receiver, now)
    row = sender.store.message(message)
    assert row is not None and row.state is State.ACCEPTED
    return message


def standings(found: list[Found]) -> list[tuple[str, Standing]]:
    return [(one.row.document, one.standing) for one in found]


def days_of(gateway: Gateway, document: str) -> int:
    return max(days for (_, name, _), days in kept_days(gateway, {}).items() if name == document)


def test_bodies_are_kept_as_long_as_the_flow_asks_and_not_longer(pair: Pair) -> None:
    said(pair.utility, pair.aggregator, "outage_notice")
    said(pair.utility, pair.aggregator, "meter_readings")
    outage = days_of(pair.aggregator, "outage_notice")
    assert list(expired(pair.aggregator, {}, NOW + timedelta(days=outage))) == []
    later = NOW + timedelta(days=outage, seconds=1)
    assert standings(list(expired(pair.aggregator, {}, later))) == [("outage_notice", Standing.ERASABLE)]
    assert pair.aggregator.store.messages(Query(outgoing=False))[0].body  # looking changes nothing
    gone = list(erase_expired(pair.aggregator, {}, later))
    assert standings(gone) == [("outage_notice", Standing.ERASED)]
    rows = pair.aggregator.store.messages(Query(outgoing=False))
    assert [bool(row.body) for row in rows] == [False, True]
    assert list(erase_expired(pair.aggregator, {}, later)) == []
    verify_journal(pair.aggregator.store)
    assert pair.utility.store.messages(Query(outgoing=True))[0].body  # the other side's is its own business


def test_settings_say_otherwise_for_a_flow(pair: Pair) -> None:
    said(pair.utility, pair.aggregator, "outage_notice")
    later = NOW + timedelta(days=3)
    assert standings(list(expired(pair.utility, {"DA/outage_notice": 2}, later))) == [
        ("outage_notice", Standing.ERASABLE)
    ]
    assert list(expired(pair.utility, {"DA/outage_notice": 3, "DA/invoice": 1}, later)) == []
    assert list(expired(pair.utility, {"DA/outage_notice": 36_600}, NOW + 50 * YEAR)) == []


def test_the_beginning_of_time_is_no_error(pair: Pair) -> None:
    assert list(expired(pair.utility, {}, datetime.min.replace(tzinfo=NOW.tzinfo) + timedelta(days=1))) == []


def test_a_flow_may_keep_for_another_time_than_it_protects(pair: Pair) -> None:
    flow = pair.utility.catalogue.flows()[0]
    assert flow.kept_days == flow.protect_for_days
    short: Flow = msgspec.structs.replace(flow, retain_days=9)
    assert (short.kept_days, short.protect_for_days) == (9, flow.protect_for_days)


def test_where_flows_share_a_document_the_longest_time_counts(pair: Pair) -> None:
    days = kept_days(pair.utility, {})
    for flow in pair.utility.catalogue.flows():
        assert days[flow.interface, flow.document, flow.mode.value] >= flow.kept_days


# What stands against it


def test_what_has_not_been_answered_is_not_erased(pair: Pair) -> None:
    message = say(pair.utility, "outage_notice")
    with pytest.raises(NotErasedError, match="it is queued"):
        erase_message(pair.utility, message, Why.MISTAKE, NOW)


def test_an_unknown_message_is_said(pair: Pair) -> None:
    with pytest.raises(NotErasedError, match="no message"):
        erase_message(pair.utility, MessageId("0" * 36), Why.MISTAKE, NOW)


def test_a_hold_on_the_message_and_one_on_its_agreement(pair: Pair) -> None:
    message = said(pair.utility, pair.aggregator, "outage_notice")
    for what in ((message, None), (None, AGREEMENT)):
        held = hold(pair.aggregator, *what, "CASE-7", NOW)
        with pytest.raises(NotErasedError, match=rf"hold {held.number} \(CASE-7\) is on it"):
            erase_message(pair.aggregator, message, Why.ORDER, NOW)
        found = list(erase_expired(pair.aggregator, {}, NOW + 30 * YEAR))
        assert [(one.standing, one.hold) for one in found] == [(Standing.HELD, held)]
        release(pair.aggregator, held.number, NOW)
    assert erase_message(pair.aggregator, message, Why.ORDER, NOW).erased


def test_an_open_dispute_keeps_everything_under_its_agreement(pair: Pair) -> None:
    invoice = said(pair.aggregator, pair.utility, "invoice")
    dispute = said(pair.utility, pair.aggregator, "dispute")
    for gateway in (pair.utility, pair.aggregator):
        for message in (invoice, dispute):
            with pytest.raises(NotErasedError, match=f"dispute under agreement {AGREEMENT} is open"):
                erase_message(gateway, message, Why.PRIVACY_REQUEST, NOW)
    answer = say(pair.aggregator, "dispute_answer")
    with pytest.raises(NotErasedError, match="is open"):  # an answer that did not arrive is none
        erase_message(pair.aggregator, invoice, Why.PRIVACY_REQUEST, NOW)
    deliver(pair.aggregator, pair.utility)
    assert open_disputes(pair.utility.store) == open_disputes(pair.aggregator.store) == frozenset()
    for gateway in (pair.utility, pair.aggregator):
        for message in (invoice, dispute, answer):
            assert erase_message(gateway, message, Why.PRIVACY_REQUEST, NOW).erased
        verify_journal(gateway.store)


def test_a_dispute_that_never_arrived_keeps_nothing(pair: Pair) -> None:
    say(pair.utility, "dispute")
    assert open_disputes(pair.utility.store)
    pair.utility.store.expire(NOW + timedelta(days=30))
    assert not open_disputes(pair.utility.store)


def test_held_meanwhile(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store decides, under its own lock."""
    message = said(pair.utility, pair.aggregator, "outage_notice")
    hold(pair.utility, message, None, "CASE-1", NOW)
    monkeypatch.setattr(type(pair.utility.store), "holds", lambda self: [])
    with pytest.raises(NotErasedError, match="just now"):
        erase_message(pair.utility, message, Why.ORDER, NOW)
    assert standings(list(erase_expired(pair.utility, {}, NOW + 30 * YEAR))) == [
        ("outage_notice", Standing.HELD)
    ]


@pytest.mark.parametrize("reference", ["", "two words", "../case", "x" * 200])
def test_a_hold_names_its_case(pair: Pair, reference: str) -> None:
    with pytest.raises(SettingsError, match="name of its case"):
        hold(pair.utility, None, AGREEMENT, reference, NOW)


def test_a_hold_is_on_something_that_is_here(pair: Pair) -> None:
    with pytest.raises(SettingsError, match="no message"):
        hold(pair.utility, MessageId("0" * 36), None, "CASE-1", NOW)
    with pytest.raises(SettingsError, match="no id of an agreement"):
        hold(pair.utility, None, AgreementId("two words"), "CASE-1", NOW)
    with pytest.raises(SettingsError, match="no hold 5"):
        release(pair.utility, 5, NOW)


# Afterwards


def test_afterwards_it_is_said_when_by_which_rule_and_what_is_left(pair: Pair) -> None:
    message = said(pair.utility, pair.aggregator, "outage_notice")
    row = erase_message(pair.aggregator, message, Why.PRIVACY_REQUEST, NOW)
    text = what_is_left(row)
    assert "2026-01-15 12:00:00Z" in text and "privacy_request" in text and row.leaf.hex() in text
    with pytest.raises(NoEvidenceError, match=r"erased 2026-01-15.*privacy_request"):
        export(pair.aggregator, message, NOW)
    assert export(pair.utility, message, NOW)
    again = erase_message(pair.aggregator, message, Why.ORDER, NOW + YEAR)
    assert again == row


def test_what_is_kept_has_nothing_to_say(pair: Pair) -> None:
    message = said(pair.utility, pair.aggregator, "outage_notice")
    row = pair.utility.store.message(message)
    assert row is not None and what_is_left(row) == ""
