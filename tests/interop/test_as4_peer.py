"""The library `as4` against our door and our client: its files become messages here, and ours go out with its receipt."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.exchange.as2_world import NOTICE, TRADING
from tests.exchange.as4_world import Two, key_of, stranger
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.interop.as4_house import OURS, PYTHON, THEIRS, Peer, peer, terms

from intertie.bindings.as4.client import As4Client
from intertie.bindings.as4.translator import As4
from intertie.exchange.outbound import State
from intertie.formats.as2 import mime
from intertie.formats.as4.message import Post, open_post, read_message
from intertie.formats.x12.carried import write_carried
from intertie.gateway.translating.deliver_translated import deliver_translated
from intertie.model.documents import example
from intertie.model.documents import read_message as read_kept_message
from intertie.model.ids import DocumentName, MessageId, PartyId
from intertie.seal.smime_keys import OwnSmime

pytestmark = pytest.mark.skipif(PYTHON is None, reason="as4 is not here: `make peers` installs it")


@pytest.fixture(scope="module")
def them(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """The library is the utility, we are the aggregator."""
    with peer(tmp_path_factory.mktemp("as4"), key_of(AGGREGATOR), key_of(UTILITY)) as it:
        yield it


def world(**changed: Any) -> Two:
    """The aggregator's side, with the library as its utility."""
    two = Two()
    for party, us in ((AGGREGATOR, OURS), (UTILITY, THEIRS)):
        two.as4[party] = As4(us, 1_000_000, OwnSmime(1, lambda _, party=party: two.keys[party]))  # type: ignore[misc]
        two.doors[party] = two.door(party)
    agreed = terms(key_of(UTILITY), THEIRS, **changed)
    two.change(AGGREGATOR, **{name: getattr(agreed, name) for name in agreed.__struct_fields__})
    two.gateways[AGGREGATOR].translators["as4"] = two.as4[AGGREGATOR]  # type: ignore[index]
    return two


def file() -> bytes:
    """An outage of the utility's, as X12."""
    two = Two()
    row = two.gateways[UTILITY].store.message(two.say(UTILITY, NOTICE), outgoing=True)
    assert row is not None
    return write_carried(*read_kept_message(row.body), TRADING, 7)


def posted(two: Two, post: Post) -> bytes:
    """Over HTTP to the aggregator's door; its answer."""

    async def go() -> httpx.Response:
        app = httpx.ASGITransport(two.doors[AGGREGATOR].app())
        async with httpx.AsyncClient(transport=app) as client:
            return await client.post(
                "https://aggregator.example/as4", headers=dict(post.headers), content=post.body
            )

    answer = asyncio.run(go())
    assert answer.status_code == 200
    return answer.content


def test_its_file_becomes_a_message_once_and_it_takes_our_receipt(them: Peer) -> None:
    two = world()
    post = them.build("in-1@peer", file())
    answers = [posted(two, post) for _ in range(2)]
    assert answers[0] == answers[1]
    (row,) = two.inbox(AGGREGATOR)
    assert read_kept_message(row.body)[1] == NOTICE
    for answer in answers:
        assert them.signal("in-1@peer", answer) == {"error": "", "verified": True, "about": "in-1@peer"}


def test_it_takes_our_receipt_for_no_other_message(them: Peer) -> None:
    two = world()
    answer = posted(two, them.build("in-2@peer", file()))
    them.build("in-3@peer", file())
    assert "was not sent" in them.signal("in-3@peer", answer)["failed"]


def test_its_file_by_a_key_that_is_not_pinned_or_changed_on_the_way_is_an_error_that_it_reads(
    them: Peer,
) -> None:
    post = them.build("bad@peer", file())
    two = world(certificates=(stranger().pem.decode(),))
    assert them.signal("bad@peer", posted(two, post))["error"] == "EBMS:0101"
    two = world()
    body = bytearray(post.body)
    body[post.body.rindex(b"\r\n\r\n") + 40] ^= 1
    assert them.signal("bad@peer", posted(two, Post(post.headers, bytes(body))))["error"] == "EBMS:0102"
    changed = Post(post.headers, post.body.replace(b"intertie:files<", b"intertie:filet<"))
    assert changed != post and posted(two, changed)
    assert them.signal("bad@peer", posted(two, changed))["error"] == "EBMS:0101"
    assert not two.inbox(AGGREGATOR)


def test_another_file_under_its_message_id_is_an_error(them: Peer) -> None:
    two = world()
    posted(two, them.build("same@peer", file()))
    answer = posted(two, them.build("same@peer", file().replace(b"*T*>", b"*P*>")))
    assert them.signal("same@peer", answer)["error"] == "EBMS:0004" and len(two.inbox(AGGREGATOR)) == 1


def test_its_own_profile_is_read_as_it_writes_it(them: Peer) -> None:
    """A document of Peppol's, as the library has it: what is inside is another's business."""
    post = them.build("peppol@peer", b'<Invoice xmlns="urn:x"/>', peppol=True)
    got = read_message(
        open_post(mime.of_http(post.headers, post.body)),
        OURS,
        [key_of(AGGREGATOR)],
        terms(key_of(UTILITY), THEIRS),
        [key_of(UTILITY).certificate],
        100_000,
    )
    assert got.file is not None and got.file.kind == "application/xml"
    assert b"StandardBusinessDocumentHeader" in got.file.content
    assert them.signal("peppol@peer", posted(world(), post))["error"] == "EBMS:0004"


class Peers(httpx.AsyncBaseTransport):
    """The library behind an address."""

    def __init__(self, them: Peer) -> None:
        self.them = them
        self.came: list[bytes] = []
        self.said: list[dict[str, Any]] = []
        self.lose = False
        self.change = lambda body: body

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        self.came.append(body)
        said = self.them.take(Post(tuple(request.headers.multi_items()), self.change(body)))
        self.said.append(said)
        if self.lose:
            raise httpx.ReadTimeout("lost")
        return httpx.Response(400 if said["error"] else 200, headers=said["headers"], content=said["signal"])


def sent(two: Two, wire: Peers) -> None:
    """One delivery of the aggregator's, to the library as the utility."""
    two.now += timedelta(hours=1)

    async def go() -> None:
        gateway = two.gateways[AGGREGATOR]
        client = As4Client(gateway, two.as4[AGGREGATOR], lambda: two.now, 5.0, wire)
        try:
            await deliver_translated(gateway, client.post, UTILITY, lambda: two.now, lambda: 0.0)
        finally:
            await client.aclose()

    asyncio.run(go())


def said(two: Two) -> MessageId:
    """Something of the aggregator's."""
    return two.say(AGGREGATOR, example(DocumentName("dispute"))[1])


def state(two: Two, message: MessageId, party: PartyId = AGGREGATOR) -> tuple[State, str]:
    return two.state(party, message)


def test_our_file_goes_and_its_receipt_delivers_it(them: Peer) -> None:
    two, wire = world(), Peers(them)
    message = said(two)
    sent(two, wire)
    assert state(two, message) == (State.ACCEPTED, "")
    assert wire.said[0]["content"].startswith(b"ISA*")


def test_a_receipt_that_was_lost_is_asked_for_with_the_same_bytes(them: Peer) -> None:
    two, wire = world(), Peers(them)
    message = said(two)
    wire.lose = True
    sent(two, wire)
    assert state(two, message)[0] is State.SENDING
    wire.lose = False
    sent(two, wire)
    assert state(two, message)[0] is State.ACCEPTED and wire.came[0] == wire.came[1]


def test_what_was_changed_on_its_way_is_its_error(them: Peer) -> None:
    two, wire = world(), Peers(them)
    message = said(two)
    wire.change = lambda body: body.replace(b"intertie:files<", b"intertie:filet<")
    sent(two, wire)
    assert wire.said[0]["error"] == "DigestMismatchException"
    assert state(two, message)[0] is State.REFUSED and state(two, message)[1].startswith("EBMS:0101")


def test_our_file_by_another_key_is_its_error(them: Peer) -> None:
    two, wire = world(), Peers(them)
    two.keys[AGGREGATOR] = stranger()
    message = said(two)
    sent(two, wire)
    assert wire.said[0]["error"] == "UntrustedSignerException" and state(two, message)[0] is State.REFUSED


def test_its_receipt_by_a_key_that_is_not_pinned_proves_nothing(them: Peer) -> None:
    two, wire = world(), Peers(them)
    message = said(two)
    # Encrypted for the library, and its signature held to another key.
    two.change(AGGREGATOR, certificates=(stranger().pem.decode(),))
    sent(two, wire)
    assert wire.said[0]["error"] == "" and state(two, message)[0] is State.SENDING
