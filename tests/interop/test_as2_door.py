"""`pyas2lib`, unchanged, against our door and our client: its files become messages here, and ours go out with its receipt."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.exchange.as2_world import NAMES, NOTICE, Two, key_of, stranger
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.interop.as2_house import PYTHON, Peer, as_post, peer
from tests.interop.as2_street import Peers, file, posted, said, sent

from intertie.exchange.outbound import State
from intertie.formats.as2.message import Post
from intertie.model.documents import read_message
from intertie.seal.cms import CipherName, Transport

pytestmark = pytest.mark.skipif(PYTHON is None, reason="pyas2lib is not here: `make peers` installs it")
# pyas2lib knows neither GCM nor OAEP by SHA-256.
CLASSIC = {"cipher": CipherName.AES256_CBC, "key_transport": Transport.PKCS1}


@pytest.fixture(scope="module")
def them(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with peer(
        tmp_path_factory.mktemp("as2"), key_of(AGGREGATOR), key_of(UTILITY), NAMES[UTILITY], NAMES[AGGREGATOR]
    ) as it:
        yield it


@pytest.mark.parametrize(
    "terms", [{}, {"compress": True}, {"digest_alg": "sha512", "mdn_digest_alg": "sha512"}], ids=str
)
def test_its_file_becomes_a_message_once_and_it_takes_our_receipt(
    them: Peer, terms: dict[str, object]
) -> None:
    two = Two()
    post = as_post(
        them.build(f"in-{len(terms)}{'compress' in terms}", file(), "application/edi-x12", **terms)
    )
    answers = [posted(two, post) for _ in range(2)]
    assert answers[0].body == answers[1].body
    (row,) = two.inbox(AGGREGATOR)
    assert read_message(row.body)[1] == NOTICE
    for answer in answers:
        assert them.receipt(answer) == {"status": "processed", "detail": ""}


def test_its_file_by_a_key_that_is_not_pinned_or_changed_on_the_way_is_refused(them: Peer) -> None:
    post = as_post(them.build("bad", file(), "application/edi-x12"))
    two = Two()
    two.change(AGGREGATOR, certificates=(stranger().pem.decode(),))
    assert them.receipt(posted(two, post)) == {"status": "processed/error", "detail": "decryption-failed"}
    two = Two()
    body = bytearray(post.body)
    body[len(body) // 2] ^= 1
    assert them.receipt(posted(two, Post(post.headers, bytes(body))))["status"] == "processed/error"
    assert not two.inbox(AGGREGATOR)


def test_our_file_goes_and_its_receipt_on_the_connection_delivers_it(them: Peer) -> None:
    two, wire = Two(**CLASSIC), Peers(them)
    message = said(two)
    sent(two, wire)
    assert two.state(AGGREGATOR, message) == (State.ACCEPTED, "")


def test_a_receipt_that_was_lost_comes_as_a_duplicate_of_the_same_bytes(them: Peer) -> None:
    two, wire = Two(**CLASSIC), Peers(them)
    message = said(two)
    wire.lose = True
    sent(two, wire)
    assert two.state(AGGREGATOR, message)[0] is State.SENDING
    wire.lose = False
    sent(two, wire)
    state, detail = two.state(AGGREGATOR, message)
    assert state is State.ACCEPTED and "duplicate-document" in detail.lower()
    assert len(wire.came) == 2 and wire.came[0] == wire.came[1]


def test_its_receipt_that_comes_later_at_our_door(them: Peer) -> None:
    two, wire = Two(receipt="async", **CLASSIC), Peers(them)
    message = said(two)
    sent(two, wire)
    assert two.state(AGGREGATOR, message)[0] is State.SENDING
    (receipt,) = wire.later
    assert posted(two, receipt).body == b""
    assert two.state(AGGREGATOR, message) == (State.ACCEPTED, "")
