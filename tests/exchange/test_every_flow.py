"""Every flow of every interface: its document goes from a party of the one role to a party of the other, with proof."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest
from tests.exchange.house import AGGREGATOR, AGREEMENT, NOW, UTILITY, Wire, gateway_of, keys_of

from intertie.catalogue.flow import Flow
from intertie.catalogue.load import load_catalogue
from intertie.exchange.outbound import State
from intertie.gateway.ports import Query
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.model.documents import example, read_message
from intertie.model.ids import DocumentName

# The trade has no contract to sign, or to decline, before one is proposed.
ANSWERS_A_PROPOSAL = {"contract_signature", "contract_notice"}


@pytest.mark.parametrize("flow", load_catalogue().flows(), ids=lambda flow: flow.key)
def test_flow_is_sent_checked_received_and_receipted(flow: Flow) -> None:
    ours = keys_of(UTILITY, frozenset({flow.sender}))
    theirs = keys_of(AGGREGATOR, frozenset({flow.recipient}))
    sender, recipient = gateway_of(ours, [theirs]), gateway_of(theirs, [ours])
    _, body = example(flow.document)
    outgoing = Outgoing(
        body=body,
        recipient=AGGREGATOR,
        interface=flow.interface,
        mode=flow.mode,
        agreement=AGREEMENT if flow.agreement else None,
    )
    wire = Wire(recipient, UTILITY)
    if flow.document in ANSWERS_A_PROPOSAL:
        _, contract = example(DocumentName("base_contract"))
        send(sender, [msgspec.structs.replace(outgoing, body=contract)], NOW)
        asyncio.run(deliver_once(sender, wire, AGGREGATOR, lambda: NOW, lambda: 0.5))
    (message,) = send(sender, [outgoing], NOW + timedelta(seconds=1))
    delivery = asyncio.run(
        deliver_once(sender, wire, AGGREGATOR, lambda: NOW + timedelta(seconds=1), lambda: 0.5)
    )
    assert delivery is not None and delivery.receipted, delivery
    row = sender.store.message(message, outgoing=True)
    assert row is not None and row.state is State.ACCEPTED
    got = recipient.store.messages(Query(outgoing=False))[-1]
    header, received = read_message(got.body)
    assert got.body == row.body and header.priority == flow.priority
    assert msgspec.json.encode(received) == msgspec.json.encode(body)
    assert verify_journal(sender.store).size and verify_journal(recipient.store).size
