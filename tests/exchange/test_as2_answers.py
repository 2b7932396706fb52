"""AS2 that carries whole interchanges: each set is a message, and 997 and 824 go back as AS2 messages of their own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from tests.exchange.as2_world import NOTICE, TRADING, Two
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_as2 import theirs

from intertie.bindings.as2.kept import KeptAnswers, keep_answers, read_kept
from intertie.bindings.as2.proof import As2Verifier
from intertie.bindings.as2.translator import content_of
from intertie.exchange.outbound import State
from intertie.formats.as2 import mime
from intertie.formats.as2.flaws import As2Error
from intertie.gateway.ports import Query
from intertie.gateway.translating.accept_translated import original_of
from intertie.gateway.translating.foreign import Level
from intertie.journal.entry import Kind, read_entry

ANSWERING = replace(TRADING, acknowledge=True, advice="all")


def answering(closing: Level = Level.BUSINESS, **terms: Any) -> Two:
    two = Two(**terms)
    for party in (UTILITY, AGGREGATOR):
        partners = two.gateways[party].partners
        (partner,) = partners.all()
        assert partner.foreign is not None
        foreign = replace(partner.foreign, x12=ANSWERING, received=closing)
        partners.partners[partner.party] = partner._replace(foreign=foreign)  # type: ignore[attr-defined]
    return two


def file_of(two: Two, *outages: str) -> bytes:
    store, whole = two.gateways[UTILITY].store, b""
    for outage in outages:
        row = store.message(two.say(UTILITY, replace(NOTICE, outage=outage)), outgoing=True)
        assert row is not None
        whole += content_of(kept_of(row.body))
    return whole


def kept_of(body: bytes) -> bytes:
    return original_of(body) or b""


def test_its_receipt_says_that_it_is_there_and_its_824_closes_it() -> None:
    two = answering()
    message = two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.SENDING  # the signed receipt alone is not enough here
    two.carry(AGGREGATOR)
    assert two.state(UTILITY, message) == (State.ACCEPTED, "824: accepted")
    assert not two.inbox(UTILITY) and len(two.inbox(AGGREGATOR)) == 1
    notes = [read_entry(raw) for _, raw, _ in two.gateways[UTILITY].store.entries()]
    assert [one.note for one in notes if one.kind is Kind.RECEIPT_IN] == [
        "receipt: ",
        "syntax: 997: accepted",
        "",
    ]
    assert not two.gateways[AGGREGATOR].store.owed_answers(UTILITY, two.now + timedelta(days=1))


def test_answers_that_are_lost_go_again_under_their_own_ids() -> None:
    two = answering()
    message = two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    two.lose_posts = {UTILITY}
    two.carry(AGGREGATOR)
    two.lose_posts = set()
    two.now += timedelta(minutes=30)
    two.carry(AGGREGATOR)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED
    sent = [headers["message-id"] for party, headers, _ in two.posted if party == UTILITY]
    assert len(sent) == 3 and len(set(sent)) == 2 and all(one.endswith("@answer>") for one in sent)


def test_several_sets_in_one_signed_file_share_it() -> None:
    two = answering()
    whole = file_of(two, "OUT-1", "OUT-2")
    post = theirs(whole)
    answer = two.doors[AGGREGATOR].take(list(post.headers), post.body)
    assert answer.post is not None and b"received and is kept" in answer.post.body
    rows = two.inbox(AGGREGATOR)
    assert len(rows) == 2 and len({kept_of(row.body) for row in rows}) == 1


def test_a_set_that_is_refused_is_told_in_the_receipt_and_the_rest_is_kept() -> None:
    two = answering()
    whole = file_of(two, "OUT-1", "OUT-2").replace(b"OUT-2", b"OUT-2*" + b"X" * 90, 1)
    post = theirs(whole)
    answer = two.doors[AGGREGATOR].take(list(post.headers), post.body)
    assert answer.post is not None and b"1 of 2 in it are refused" in answer.post.body
    assert len(two.inbox(AGGREGATOR)) == 1


def test_the_evidence_of_a_receipt_with_answers_is_the_receipt() -> None:
    two = answering()
    two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    (row,) = two.inbox(AGGREGATOR)
    assert row.parcel is not None
    parcel = two.gateways[AGGREGATOR].store.parcel(row.parcel, outgoing=False)
    assert parcel is not None and parcel.receipt is not None
    kept = read_kept(parcel.receipt)
    assert isinstance(kept, KeptAnswers) and len(kept.messages) == 2
    facts = As2Verifier().check(parcel.receipt, two.keys[AGGREGATOR].pem.decode())
    sent = two.gateways[UTILITY].store.messages(Query(outgoing=True))[0]
    assert sent.id in facts.answers and facts.result == "processed"


def test_what_was_kept_of_answers_is_a_receipt_first() -> None:
    with pytest.raises(As2Error):
        content_of(mime.write([("Content-Type", "text/plain")], b"x"))
    broken = keep_answers(
        mime.write([("Content-Type", "text/plain")], b"x"), [b"Content-Type: text/plain\r\n\r\ny"]
    )
    with pytest.raises(As2Error, match="answers"):
        read_kept(broken)
    assert keep_answers(b"alone", []) == b"alone"
