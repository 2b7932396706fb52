"""`libas2` from npm, unchanged, against our door and our client. It grew out of mail: it reads structures in base64 only, and
signs its receipts without the last line end of what it sends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.exchange.as2_world import NAMES, NOTICE, Two, key_of, stranger
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.interop.as2_house import LIBAS2, Peer, as_post, libas2
from tests.interop.as2_street import Peers, file, posted, said, sent

from intertie.exchange.outbound import State
from intertie.formats.as2.message import Post
from intertie.formats.as2.terms import Encoding, Quirk
from intertie.model.documents import read_message
from intertie.seal.cms import CipherName

pytestmark = pytest.mark.skipif(
    LIBAS2 is None, reason="libas2 is not here: `make peers` installs it (Node.js, npm)"
)
REFUSED = "error: decryption-failed: "
TERMS: dict[str, Any] = {"cipher": CipherName.AES256_CBC, "encoding": Encoding.BASE64}


@pytest.fixture(scope="module")
def them(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    keys = key_of(AGGREGATOR), key_of(UTILITY)
    with libas2(tmp_path_factory.mktemp("libas2"), *keys, NAMES[UTILITY], NAMES[AGGREGATOR]) as it:
        yield it


def two(*quirks: Quirk, **terms: Any) -> Two:
    return Two(*(quirks or (Quirk.SIGNED_SHORT,)), **{**TERMS, **terms})


@pytest.mark.parametrize("terms", [{}, {"encrypt": "aes128-CBC"}, {"sign": "sha-512"}], ids=str)
def test_its_file_becomes_a_message_once_and_it_takes_our_receipt(them: Peer, terms: dict[str, str]) -> None:
    pair = two()
    post = as_post(them.build(f"in-{len(terms)}{'sign' in terms}", file(), "application/edi-x12", **terms))
    answers = [posted(pair, post) for _ in range(2)]
    assert answers[0].body == answers[1].body
    (row,) = pair.inbox(AGGREGATOR)
    assert read_message(row.body)[1] == NOTICE
    for answer in answers:
        taken = them.receipt(answer)
        assert (taken["status"], taken["detail"], bool(taken["mic"])) == ("processed", "", True)


def test_its_file_by_a_key_that_is_not_pinned_or_changed_on_the_way_is_refused(them: Peer) -> None:
    post = as_post(them.build("bad", file(), "application/edi-x12"))
    pair = two()
    pair.change(AGGREGATOR, certificates=(stranger().pem.decode(),))
    assert them.receipt(posted(pair, post))["detail"] == REFUSED
    pair = two()
    middle = len(post.body) // 2
    changed = b"A" if post.body[middle : middle + 1] != b"A" else b"B"
    bent = Post(post.headers, post.body[:middle] + changed + post.body[middle + 1 :])
    assert them.receipt(posted(pair, bent))["detail"] == REFUSED
    assert not pair.inbox(AGGREGATOR)


def test_our_receipt_that_is_changed_on_the_way_is_found_out(them: Peer) -> None:
    post = as_post(them.build("mdn", file(), "application/edi-x12"))
    answer = posted(two(), post)
    bent = Post(answer.headers, answer.body.replace(b"processed", b"precessed", 1))
    with pytest.raises(AssertionError, match="failed"):
        them.receipt(bent)


def test_our_file_goes_and_its_receipt_delivers_it(them: Peer) -> None:
    pair, wire = two(), Peers(them)
    message = said(pair)
    sent(pair, wire)
    assert pair.state(AGGREGATOR, message) == (State.ACCEPTED, "")


def test_its_receipt_that_was_lost_comes_again_for_the_same_bytes(them: Peer) -> None:
    pair, wire = two(), Peers(them)
    message = said(pair)
    wire.lose = True
    sent(pair, wire)
    assert pair.state(AGGREGATOR, message)[0] is State.SENDING
    wire.lose = False
    sent(pair, wire)
    assert pair.state(AGGREGATOR, message)[0] is State.ACCEPTED
    assert len(wire.came) == 2 and wire.came[0] == wire.came[1]


@pytest.mark.parametrize(
    ("quirk", "terms"), [(Quirk.SIGNED_AS_CRLF, {}), (Quirk.SIGNED_SHORT, {"encoding": Encoding.BINARY})]
)
def test_without_its_quirk_or_its_encoding_nothing_counts_as_delivered(
    them: Peer, quirk: Quirk, terms: dict[str, Any]
) -> None:
    """Its receipt does not verify; or it cannot read our file, and says so."""
    pair, wire = two(quirk, **terms), Peers(them)
    message = said(pair)
    sent(pair, wire)
    assert pair.state(AGGREGATOR, message)[0] is not State.ACCEPTED
    assert len(wire.came) == 1
