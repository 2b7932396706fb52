"""What protection leaves with: computed per message, refused before a byte leaves, and never in another's way."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta

import pytest
from msgspec.structs import replace as replace_struct
from tests.exchange.house import (
    AGGREGATOR,
    AGGREGATOR_ROLES,
    AGREEMENT,
    NOW,
    UTILITY,
    UTILITY_ROLES,
    Pair,
    Wire,
    gateway_of,
    keys_of,
    make_pair,
    trial_ca,
)

from intertie.catalogue.admit import catalogue_of
from intertie.catalogue.flow import Channel
from intertie.catalogue.load import load_catalogue
from intertie.exchange.outbound import State
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import MessageRow, Query
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.model.documents import example
from intertie.model.errors import Code, Refused
from intertie.model.ids import DocumentName, InterfaceCode, MessageId
from intertie.model.message import Mode
from intertie.seal.keys import generate_keys
from intertie.seal.parcel import read_frame
from intertie.seal.policy_settings import PolicySettings
from intertie.seal.profile import PROFILES
from intertie.seal.transport import Transport


def put(pair: Pair, document: str, mode: Mode = Mode.SCHEDULED) -> MessageId:
    _, body = example(DocumentName(document))
    outgoing = Outgoing(
        body=body, recipient=UTILITY, interface=InterfaceCode("DA"), mode=mode, agreement=AGREEMENT
    )
    return send(pair.aggregator, [outgoing], NOW)[0]


def deliver(pair: Pair, wire: Wire) -> None:
    asyncio.run(deliver_once(pair.aggregator, wire, UTILITY, lambda: NOW, lambda: 0.5))


def row(gateway: Gateway, message: MessageId) -> MessageRow:
    found = gateway.store.message(message, outgoing=True)
    assert found is not None
    return found


def suite_of(blob: bytes) -> str:
    return read_frame(blob, limit=1 << 24).header.suite


def classical_pair() -> Pair:
    """A utility that has only classical keys."""
    end = NOW + timedelta(days=700)
    weak = generate_keys(
        UTILITY,
        UTILITY_ROLES,
        trial_ca(),
        NOW,
        ("classical",),
        not_before=NOW - timedelta(days=30),
        not_after=end,
    )
    aggregator = keys_of(AGGREGATOR, AGGREGATOR_ROLES)
    return Pair(gateway_of(weak, [aggregator]), gateway_of(aggregator, [weak]))


def weakened(pair: Pair) -> Pair:
    """The same aggregator, with what it has queued, once its partner has only classical keys."""
    weak = classical_pair()
    return Pair(weak.utility, replace(pair.aggregator, partners=weak.aggregator.partners))


def with_policy(pair: Pair, **settings: object) -> Pair:
    policy = PolicySettings(**settings)  # type: ignore[arg-type]
    return Pair(replace(pair.utility, policy=policy), replace(pair.aggregator, policy=policy))


def test_hybrid_is_sent_where_classical_would_do() -> None:
    pair = make_pair()
    put(pair, "availability_declaration", Mode.REAL_TIME)
    wire = Wire(pair.utility, AGGREGATOR)
    deliver(pair, wire)
    assert suite_of(wire.sent[0]) == PROFILES["hybrid"].suite


def test_a_setting_sends_no_more_than_is_needed() -> None:
    pair = with_policy(make_pair(), default_profile="classical")
    wire = Wire(pair.utility, AGGREGATOR)
    short = put(pair, "availability_declaration", Mode.REAL_TIME)
    deliver(pair, wire)
    put(pair, "invoice")
    deliver(pair, wire)
    assert [suite_of(blob) for blob in wire.sent] == [
        PROFILES["classical"].suite,
        PROFILES["hybrid"].suite,
    ], "the setting is for what may be classical only"
    assert row(pair.aggregator, short).state is State.ACCEPTED


def test_a_partner_with_classical_keys_gets_what_may_be_classical() -> None:
    pair = classical_pair()
    message = put(pair, "availability_declaration", Mode.REAL_TIME)
    wire = Wire(pair.utility, AGGREGATOR)
    deliver(pair, wire)
    assert suite_of(wire.sent[0]) == PROFILES["classical"].suite
    assert row(pair.aggregator, message).state is State.ACCEPTED


def test_what_needs_more_fails_alone_before_a_byte_leaves() -> None:
    pair = make_pair()
    short = put(pair, "availability_declaration", Mode.REAL_TIME)
    invoice = put(pair, "invoice")
    other = put(pair, "availability_declaration")
    pair = weakened(pair)
    wire = Wire(pair.utility, AGGREGATOR)
    deliver(pair, wire)
    failed = row(pair.aggregator, invoice)
    assert failed.state is State.FAILED and failed.parcel is None
    assert (
        "DA.invoice.der_aggregator>distribution_utility.scheduled must hold until 2033-01-20" in failed.detail
    )
    assert "utility.example has no keys for it, both can do classical" in failed.detail
    assert len(wire.sent) == 1
    assert {row(pair.aggregator, message).state for message in (short, other)} == {State.ACCEPTED}


def test_its_writer_hears_of_it_at_once() -> None:
    pair = classical_pair()
    with pytest.raises(Refused, match=r"needs hybrid; utility\.example has no keys for it") as refused:
        put(pair, "invoice")
    assert refused.value.code is Code.PROTECTION_TOO_WEAK
    assert pair.aggregator.store.messages(Query(outgoing=True)) == []


def test_nothing_but_what_needs_more_sends_nothing() -> None:
    pair = make_pair()
    invoice = put(pair, "invoice")
    pair = weakened(pair)
    wire = Wire(pair.utility, AGGREGATOR)
    deliver(pair, wire)
    assert wire.sent == [] and row(pair.aggregator, invoice).state is State.FAILED


def test_one_that_needs_more_lifts_the_parcel() -> None:
    pair = with_policy(make_pair(), default_profile="classical", high_years=7)
    put(pair, "availability_declaration", Mode.REAL_TIME)
    put(pair, "invoice")
    wire = Wire(pair.utility, AGGREGATOR)
    deliver(pair, wire)
    assert [suite_of(blob) for blob in wire.sent] == [PROFILES["hybrid-high"].suite]


def test_the_recipients_own_settings_decide_there() -> None:
    """A sender whose horizon is later than ours does not weaken what we accept."""
    pair = with_policy(make_pair(), default_profile="classical", harvest_horizon=date(2035, 1, 1))
    strict = Pair(replace(pair.utility, policy=PolicySettings()), pair.aggregator)
    invoice = put(strict, "invoice")
    wire = Wire(strict.utility, AGGREGATOR)
    deliver(strict, wire)
    assert suite_of(wire.sent[0]) == PROFILES["classical"].suite
    refused = row(strict.aggregator, invoice)
    assert refused.state is State.REFUSED
    assert (
        "protection_too_weak" in refused.detail and "needs hybrid, the parcel has classical" in refused.detail
    )


HYBRID = Transport(
    binding="parcel_https",
    engine="openssl",
    version="TLSv1.3",
    group="X25519MLKEM768",
    cipher="TLS_AES_256_GCM_SHA384",
    certificate="0" * 64,
)


@pytest.mark.parametrize("group", ["x25519", ""])
def test_what_needs_a_hybrid_connection_waits_for_one_and_holds_nothing_up(group: str) -> None:
    pair = with_policy(make_pair(), hybrid_channel_from="high")
    invoice = put(pair, "invoice")
    short = put(pair, "availability_declaration", Mode.REAL_TIME)
    wire = Wire(pair.utility, AGGREGATOR, transport=replace_struct(HYBRID, group=group))
    deliver(pair, wire)
    deliver(pair, wire)
    assert row(pair.aggregator, short).state is State.ACCEPTED
    waiting = row(pair.aggregator, invoice)
    assert waiting.state is State.SENDING and "not hybrid" in waiting.detail
    assert len(wire.sent) == 1, "no byte of the invoice left"
    wire.transport = HYBRID
    asyncio.run(deliver_once(pair.aggregator, wire, UTILITY, lambda: NOW + timedelta(minutes=5), lambda: 0.5))
    assert row(pair.aggregator, invoice).state is State.ACCEPTED


@pytest.mark.parametrize(
    "transport", [None, replace_struct(HYBRID, group="x25519"), replace_struct(HYBRID, group="")]
)
def test_a_recipient_that_asks_for_a_hybrid_connection_refuses_another(transport: Transport | None) -> None:
    """The sender's settings do not ask for it, the recipient's do: refused by message, whatever the parcel has."""
    strict = Pair(
        replace(make_pair().utility, policy=PolicySettings(hybrid_channel_from="high")),
        make_pair().aggregator,
    )
    invoice, short = put(strict, "invoice"), put(strict, "availability_declaration", Mode.REAL_TIME)
    deliver(strict, Wire(strict.utility, AGGREGATOR, transport=transport))
    refused = row(strict.aggregator, invoice)
    assert refused.state is State.REFUSED and refused.detail.startswith("transport_too_weak: DA.invoice")
    assert row(strict.aggregator, short).state is State.ACCEPTED


def test_a_flow_of_the_catalogue_can_ask_for_it() -> None:
    pair = make_pair()
    catalogue = catalogue_of(
        replace_struct(
            interface, flows=tuple(replace_struct(flow, channel=Channel.HYBRID) for flow in interface.flows)
        )
        for interface in load_catalogue().interfaces.values()
    )
    pair = Pair(replace(pair.utility, catalogue=catalogue), replace(pair.aggregator, catalogue=catalogue))
    message = put(pair, "availability_declaration", Mode.REAL_TIME)
    wire = Wire(pair.utility, AGGREGATOR)
    deliver(pair, wire)
    assert wire.sent == [] and row(pair.aggregator, message).state is State.SENDING
