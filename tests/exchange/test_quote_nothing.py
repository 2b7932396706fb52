"""What a partner sends and we refuse is quoted nowhere: not in the receipt, the refusals, the journal, or an error."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from test_refusals import message, read_receipt, seal
from tests.exchange.house import AGGREGATOR, NOW, Pair, Wire, make_pair

from intertie.exchange.outbound import State
from intertie.gateway.gateway import LinkAnswer, Peer
from intertie.gateway.receiving.accept_parcel import accept
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.send_message import send_raw
from intertie.model.ids import MessageId

SECRET = "DUNS-007700-4412"


def edited(**changes: Any) -> bytes:
    """A declaration whose body has these fields."""
    whole = json.loads(message())
    whole["body"] |= changes
    return json.dumps(whole).encode()


BAD = {
    "type": edited(aggregation=[SECRET]),
    "unknown field": edited(**{SECRET: SECRET}),
    "pattern": edited(aggregation=f"{SECRET} {SECRET}"),
    "unit": edited(up_kw={"unit": SECRET}),
    "no body": message().replace(b'"body"', b'"%s"' % SECRET.encode()),
    "no message": b'{"%s"' % SECRET.encode(),
    "not utf-8": message().replace(b'"aggregation":"', b'"aggregation":"%s\xff' % SECRET.encode()),
}


@pytest.mark.parametrize("kind", sorted(BAD))
def test_a_refused_message_is_not_quoted(kind: str) -> None:
    pair = make_pair()
    raw = accept(pair.utility, seal(pair, [BAD[kind], message()]), peer=Peer(AGGREGATOR), now=NOW)
    bad, good = read_receipt(pair, raw).outcomes
    assert (bad.status, good.status) == ("refused", "accepted")
    assert bad.detail
    store = pair.utility.store
    everything = [repr(read_receipt(pair, raw)), repr(store.refusals()), repr(store.entries())]
    assert len(store.refusals()) == 1
    assert SECRET not in "".join(everything)


def test_what_a_partner_writes_of_a_refusal_stays_with_the_message_and_out_of_the_log() -> None:
    """Another implementation may quote: its words are for people who look at the message."""
    for status, code in ((422, "cannot_open"), (503, "schema"), (422, SECRET)):
        pair, row = make_pair(), message()
        wire = Wire(pair.utility, AGGREGATOR)
        problem = json.dumps({"code": code, "detail": f"of {SECRET}", "retry": status == 503}).encode()
        wire.answers.append(LinkAnswer(status, problem, None))
        delivery, kept = deliver(pair, wire, row)
        assert SECRET not in delivery.detail and SECRET in kept.detail
        assert kept.state is (State.REFUSED if code == "cannot_open" else State.SENDING)


def deliver(pair: Pair, wire: Wire, raw: bytes) -> tuple[Any, Any]:
    sent = MessageId(json.loads(raw)["header"]["id"])
    send_raw(pair.aggregator, raw, NOW)
    delivery = asyncio.run(
        deliver_once(pair.aggregator, wire, pair.utility.party.id, lambda: NOW, lambda: 0.5)
    )
    return delivery, pair.aggregator.store.message(sent)
