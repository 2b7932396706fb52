"""The way to a partner's door: what counts as an answer, and what leaves the outcome unknown."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from tests.exchange.https_world import (
    AGGREGATOR,
    THIRD,
    UTILITY,
    Book,
    House,
    link_of,
    make_ca,
    make_house,
    now,
    open_door,
    queue_one,
    with_limits,
)

from intertie.bindings.oauth import METADATA, TOKEN
from intertie.bindings.parcel_https.client import ANSWER_BYTES_MAX
from intertie.exchange.outbound import State
from intertie.gateway.configuration.settings import Delivery as Waits
from intertie.gateway.configuration.settings import Quota
from intertie.gateway.gateway import LinkAnswer, Partner
from intertie.gateway.ports import Query
from intertie.gateway.sending.answers import Delivery
from intertie.gateway.sending.deliver import deliver_once
from intertie.model.errors import PartnerError
from intertie.stores.memory import MemoryStore

QUICK = Waits(connect_seconds=2.0, answer_seconds=1.0)


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, House]:
    ca, base = make_ca(), tmp_path_factory.mktemp("houses")
    return {name: make_house(base / name, ca, name) for name in (UTILITY, AGGREGATOR, THIRD)}


def fresh(house: House) -> House:
    book = Book()
    return House(house.directory, replace(house.gateway, store=MemoryStore(), partners=book), book)


@pytest.fixture
def sender(houses: dict[str, House]) -> House:
    return fresh(houses[UTILITY])


@pytest.fixture
def receiver(houses: dict[str, House]) -> House:
    return fresh(houses[AGGREGATOR])


Talk = Callable[[ssl.SSLSocket], None]


@contextmanager
def fake_door(house: House, talk: Talk) -> Iterator[str]:
    """A door with the certificate of a house that gives a token, reads one more request, and does as `talk` says."""
    context = house.plain_context(server=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(15)

        def run() -> None:
            with suppress(OSError):
                while True:
                    raw, _ = server.accept()
                    raw.settimeout(15)
                    with suppress(OSError), context.wrap_socket(raw, server_side=True) as tls:
                        line = read_request(tls)
                        authorized = (tell for path, tell in oauth_of(url).items() if path.encode() in line)
                        next(authorized, talk)(tls)

        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        threading.Thread(target=run, daemon=True).start()
        yield url


def oauth_of(url: str) -> dict[str, Talk]:
    """What an honest authorization server says."""
    metadata = {"issuer": url, "token_endpoint": url + TOKEN}
    token = {"access_token": "abc", "token_type": "Bearer", "expires_in": 300, "scope": "DA/*"}
    return {
        path: says("200 OK", json.dumps(body).encode())
        for path, body in ((METADATA, metadata), (TOKEN, token))
    }


def read_request(tls: ssl.SSLSocket) -> bytes:
    """The request line, once all of the request has come."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += tls.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line), 0
    )
    while len(body) < length:
        body += tls.recv(65536)
    return head.partition(b"\r\n")[0]


def says(status: str, body: bytes = b"", *headers: str) -> Talk:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers, "", ""]
    return lambda tls: tls.sendall("\r\n".join(lines).encode() + body)


def post(sender: House, partner: Partner, blob: bytes = b"blob") -> LinkAnswer:
    async def once() -> LinkAnswer:
        link = link_of(sender, QUICK)
        try:
            return await link.post(partner, blob)
        finally:
            await link.aclose()

    return asyncio.run(once())


def deliver(sender: House) -> Delivery | None:
    async def once() -> Delivery | None:
        link = link_of(sender, QUICK)
        try:
            return await deliver_once(sender.gateway, link, AGGREGATOR, now, lambda: 0.5)
        finally:
            await link.aclose()

    return asyncio.run(once())


def state(sender: House) -> State:
    return sender.gateway.store.messages(Query(outgoing=True))[0].state


def test_a_message_goes_through_the_true_door(sender: House, receiver: House) -> None:
    receiver.knows(sender)
    with open_door(receiver) as door:
        sender.knows(receiver, door.url)
        queue_one(sender, receiver)
        delivery = deliver(sender)
        assert delivery is not None
        assert delivery.receipted
        assert deliver(sender) is None
    assert state(sender) is State.ACCEPTED
    assert len(receiver.gateway.store.messages(Query(outgoing=False))) == 1


def test_a_refused_quota_is_waited_for(sender: House, receiver: House) -> None:
    receiver.knows(sender)
    quota = Quota(parcels_per_second=0.01, parcels_burst=1.0)
    with open_door(receiver, quota=quota) as door:
        partner = sender.knows(receiver, door.url)
        assert post(sender, partner).status == 400
        answer = post(sender, partner)
    assert answer.status == 429
    assert answer.retry_after is not None
    assert 1 <= answer.retry_after <= 100


ODD_ANSWERS = {
    "redirect": says("302 Found", b"", "location: https://127.0.0.1:1/parcels"),
    "bad gateway": says("502 Bad Gateway", b"<html>"),
    "gone to sleep": says("524 A Timeout Occurred", b"error code: 524"),
    "rubbish": says("200 OK", b"thank you!", "content-type: application/jose+json"),
    "empty": says("200 OK"),
    "compressed": says("200 OK", b"\x1f\x8b\x08" + bytes(50), "content-encoding: gzip"),
    "unexplained refusal": says("400 Bad Request", b"what?"),
    "login page": says("401 Unauthorized", b'{"code":"login"}'),
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_an_odd_answer_leaves_the_outcome_unknown(sender: House, receiver: House, name: str) -> None:
    with fake_door(receiver, ODD_ANSWERS[name]) as url:
        sender.knows(receiver, url)
        queue_one(sender, receiver)
        delivery = deliver(sender)
    assert delivery is not None
    assert not delivery.receipted
    assert state(sender) is State.SENDING
    parcel = sender.gateway.store.messages(Query(outgoing=True))[0].parcel
    assert parcel is not None
    kept = sender.gateway.store.parcel(parcel, outgoing=True)
    assert kept is not None
    assert kept.receipt is None


def test_a_redirect_is_handed_on_and_not_followed(sender: House, receiver: House) -> None:
    reached = threading.Event()
    with fake_door(receiver, lambda tls: reached.set()) as other:
        with fake_door(receiver, says("307 Temporary Redirect", b"", f"location: {other}/parcels")) as url:
            answer = post(sender, sender.knows(receiver, url))
    assert answer.status == 307
    assert not reached.is_set()


def endless(tls: ssl.SSLSocket) -> None:
    tls.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    sent = 0
    while sent < 10 * ANSWER_BYTES_MAX:
        tls.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
        sent += 65536
    pytest.fail("the client read on and on")


def drip(tls: ssl.SSLSocket) -> None:
    tls.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    for _ in range(100):
        tls.sendall(b"x")
        threading.Event().wait(0.2)


BROKEN = {
    "hangs up at once": lambda tls: None,
    "hangs up within the head": lambda tls: tls.sendall(b"HTTP/1.1 200 OK\r\ncontent-le"),
    "hangs up within the body": lambda tls: tls.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf"),
    "is no HTTP": lambda tls: tls.sendall(b"220 mail.example ESMTP\r\n"),
    "says nothing": lambda tls: threading.Event().wait(3),
    "never ends": endless,
    "drips": drip,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_no_answer(sender: House, receiver: House, name: str) -> None:
    with fake_door(receiver, BROKEN[name]) as url:
        partner = sender.knows(receiver, url)
        with pytest.raises(PartnerError) as caught:
            post(sender, partner)
    assert caught.value.retry
    assert AGGREGATOR in str(caught.value)


def test_a_door_that_belongs_to_another_party_is_named(
    sender: House, houses: dict[str, House], receiver: House
) -> None:
    with fake_door(houses[THIRD], says("200 OK", b"{}")) as url:
        with pytest.raises(PartnerError, match=f"belongs to {THIRD}"):
            post(sender, sender.knows(receiver, url))


def test_a_door_of_another_authority_is_not_spoken_to(
    sender: House, receiver: House, tmp_path_factory: pytest.TempPathFactory
) -> None:
    false = make_house(tmp_path_factory.mktemp("false"), make_ca("Elsewhere"), AGGREGATOR)
    with fake_door(false, says("200 OK")) as url, pytest.raises(PartnerError):
        post(sender, sender.knows(receiver, url))


def test_nobody_at_home(sender: House, receiver: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    partner = sender.knows(receiver, f"https://127.0.0.1:{port}")
    with pytest.raises(PartnerError, match="no answer"):
        post(sender, partner)


def test_an_address_that_is_none(sender: House, receiver: House) -> None:
    for url in ("https://", "https://[::1", "ftp://127.0.0.1/", "https://no-such-host.invalid"):
        with pytest.raises(PartnerError):
            post(sender, sender.knows(receiver, url))


def test_an_environment_with_a_proxy_changes_nothing(
    sender: House, receiver: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    with fake_door(receiver, says("204 No Content")) as url:
        assert post(sender, sender.knows(receiver, url)).status == 204


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("999999999", 86_400.0),
        ("soon", None),
        ("-3", None),
        ("1e9", None),
        ("9" * 40, None),
    ],
)
def test_retry_after(sender: House, receiver: House, header: str, seconds: float | None) -> None:
    with fake_door(receiver, says("429 Too Many", b"", f"retry-after: {header}")) as url:
        assert post(sender, sender.knows(receiver, url)).retry_after == seconds


# Tokens, between two true doors


def test_what_we_may_send_is_what_the_partner_grants(sender: House, receiver: House) -> None:
    receiver.knows(sender)
    with open_door(receiver) as door:
        partner = sender.knows(receiver, door.url)

        async def ask() -> frozenset[str] | None:
            link = link_of(sender)
            try:
                return await link.granted(partner)
            finally:
                await link.aclose()

        granted = asyncio.run(ask())
        assert granted == door.authority.scopes_of(receiver.book.partners[UTILITY])
        assert granted
        receiver.book.partners[UTILITY] = receiver.book.partners[UTILITY]._replace(scopes=())
        assert asyncio.run(ask()) == frozenset()


def test_a_message_without_scope_fails_before_it_is_sealed(sender: House, receiver: House) -> None:
    receiver.knows(sender)
    receiver.book.partners[UTILITY] = receiver.book.partners[UTILITY]._replace(scopes=("DA/invoice",))
    with open_door(receiver) as door:
        sender.knows(receiver, door.url)
        queue_one(sender, receiver)
        assert deliver(sender) is None
    row = sender.gateway.store.messages(Query(outgoing=True))[0]
    assert (row.state, row.parcel) == (State.FAILED, None)
    assert row.detail.startswith("insufficient_scope")
    assert receiver.gateway.store.head().size == 0


def test_revoked_tokens_are_replaced_and_nothing_is_lost(sender: House, receiver: House) -> None:
    receiver.knows(sender)
    with open_door(receiver) as door:
        sender.knows(receiver, door.url)

        async def both() -> list[Delivery | None]:
            link = link_of(sender)
            try:
                queue_one(sender, receiver)
                first = await deliver_once(sender.gateway, link, AGGREGATOR, now, lambda: 0.5)
                door.authority.revoke_all(UTILITY, now())
                await asyncio.sleep(
                    1.0
                )  # tokens say the second of their issue: from the next one on they are good
                queue_one(sender, receiver)
                return [first, await deliver_once(sender.gateway, link, AGGREGATOR, now, lambda: 0.5)]
            finally:
                await link.aclose()

        deliveries = asyncio.run(both())
    assert all(delivery is not None and delivery.receipted for delivery in deliveries)
    assert door.app.guard.refused.total() == 1


def test_a_lasting_refusal_over_https_is_lasting(sender: House, receiver: House) -> None:
    """The door says that trying again does not help, and the sender believes it."""
    receiver.knows(sender)
    with open_door(with_limits(receiver, parcel_bytes=100)) as door:
        sender.knows(receiver, door.url)
        queue_one(sender, receiver)
        (row,) = sender.gateway.store.messages(Query(outgoing=True))
        delivery = deliver(sender)
    assert delivery is not None
    assert not delivery.receipted
    assert sender.gateway.store.message(row.id, outgoing=True).state is State.REFUSED  # type: ignore[union-attr]
