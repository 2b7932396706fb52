"""Links that misbehave, and clocks: a named outcome, nothing lost, nothing doubled, and all is well again by itself.

Each once with the parcel lost on its way to the recipient's disk, and once with it kept there and only the answer spoiled.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.exchange.house import AGGREGATOR as AGG
from tests.exchange.house import AGREEMENT, NOW, Pair, Wire, make_pair
from tests.exchange.house import UTILITY as UTIL
from tests.exchange.https_world import (
    AGGREGATOR,
    UTILITY,
    Book,
    House,
    link_of,
    make_ca,
    make_house,
    now,
    queue_one,
)

from intertie.bindings.oauth import METADATA, TOKEN
from intertie.exchange.outbound import State
from intertie.gateway.configuration.settings import Delivery as Waits
from intertie.gateway.gateway import LinkAnswer, Peer
from intertie.gateway.ports import MessageRow, Query
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.gateway.receiving.accept_parcel import accept
from intertie.gateway.sending.answers import Delivery
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.expire import expire
from intertie.gateway.sending.resend import why_dead
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.model.documents import example
from intertie.model.errors import PartnerError
from intertie.model.ids import DocumentName, InterfaceCode, MessageId
from intertie.model.message import Mode
from intertie.seal.key_port import KeyFile
from intertie.stores.sqlite import SqliteStore

QUICK = Waits(connect_seconds=1.0, answer_seconds=0.4)
Talk = Callable[[ssl.SSLSocket, bytes], None]


def says(status: str, body: bytes = b"", *headers: str) -> Talk:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers, "", ""]
    return lambda tls, receipt: tls.sendall("\r\n".join(lines).encode() + body)


def half(tls: ssl.SSLSocket, receipt: bytes) -> None:
    """The receipt that it has, or as much of nothing, and the connection ends in the middle."""
    body = receipt or bytes(5000)
    tls.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body[: len(body) // 2])


def trickle(tls: ssl.SSLSocket, receipt: bytes) -> None:
    """A byte now and then: never a silence that is long enough to give up, never an end."""
    tls.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    for _ in range(50):
        tls.sendall(b"{")
        threading.Event().wait(0.1)


# What the door says instead of the receipt, and what the sender's operator reads.
SPOILED: dict[str, tuple[Talk, str]] = {
    "200 with rubbish": (says("200 OK", b"<html>thank you</html>"), "the answer is no receipt"),
    "302": (says("302 Found", b"", "location: https://elsewhere.example/"), "HTTP 302"),
    "502": (says("502 Bad Gateway", b"<html>"), "HTTP 502"),
    "524": (says("524 A Timeout Occurred", b"error code: 524"), "HTTP 524"),
    "half a response": (half, "no answer"),
    "slow trickle": (trickle, "no answer"),
}


@dataclass
class Door:
    """The recipient's door with something in front of it that spoils the first answers."""

    house: House
    kept: bool  # the parcels behind spoiled answers are kept
    spoiled: list[Talk]
    url: str = ""
    parcels: list[bytes] = field(default_factory=list)

    def answer(self, tls: ssl.SSLSocket) -> None:
        line, body = read_request(tls)
        for path, said in (
            (METADATA, {"issuer": self.url, "token_endpoint": self.url + TOKEN}),
            (TOKEN, {"access_token": "abc", "token_type": "Bearer", "expires_in": 300, "scope": "DA/*"}),
        ):
            if path.encode() in line:
                says("200 OK", json.dumps(said).encode())(tls, b"")
                return
        self.parcels.append(body)
        talk = self.spoiled.pop(0) if self.spoiled else None
        receipt = b""
        if self.kept or talk is None:
            receipt = accept(self.house.gateway, body, peer=Peer(UTILITY), now=now())
        (talk or says("200 OK", receipt, "content-type: application/jose+json"))(tls, receipt)


def read_request(tls: ssl.SSLSocket) -> tuple[bytes, bytes]:
    """Request line and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += tls.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line), 0
    )
    while len(body) < length:
        body += tls.recv(65536)
    return head.partition(b"\r\n")[0], body


@contextmanager
def open_door(house: House, *, kept: bool, spoiled: list[Talk]) -> Iterator[Door]:
    context = house.plain_context(server=True)
    door = Door(house, kept, spoiled)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        door.url = f"https://127.0.0.1:{server.getsockname()[1]}"

        def run() -> None:
            with suppress(OSError):
                while True:
                    raw, _ = server.accept()
                    raw.settimeout(15)
                    with suppress(OSError), context.wrap_socket(raw, server_side=True) as tls:
                        door.answer(tls)

        threading.Thread(target=run, daemon=True).start()
        yield door


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, House]:
    ca, base = make_ca(), tmp_path_factory.mktemp("houses")
    return {name: make_house(base / name, ca, name) for name in (UTILITY, AGGREGATOR)}


@pytest.fixture
def two(houses: dict[str, House], tmp_path: Path) -> Iterator[tuple[House, House]]:
    """Sender and recipient, each with a store on disk."""
    made = []
    for name in (UTILITY, AGGREGATOR):
        store = SqliteStore(tmp_path / f"{name}.db", KeyFile(tmp_path / f"{name}.kek"))
        book = Book()
        house = houses[name]
        made.append(House(house.directory, replace(house.gateway, store=store, partners=book), book))
    yield made[0], made[1]
    for house in made:
        house.gateway.store.close()


def deliver(sender: House, at: datetime) -> Delivery | None:
    async def once() -> Delivery | None:
        link = link_of(sender, QUICK)
        try:
            return await deliver_once(sender.gateway, link, AGGREGATOR, lambda: at, lambda: 0.5)
        finally:
            await link.aclose()

    return asyncio.run(once())


def sent(house: House) -> MessageRow:
    (row,) = house.gateway.store.messages(Query(outgoing=True))
    return row


def came(house: House) -> list[MessageId]:
    return [row.id for row in house.gateway.store.messages(Query(outgoing=False))]


@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_answer_loses_nothing_and_doubles_nothing(
    two: tuple[House, House], name: str, kept: bool
) -> None:
    sender, receiver = two
    talk, said = SPOILED[name]
    receiver.knows(sender)
    with open_door(receiver, kept=kept, spoiled=[talk, talk]) as door:
        sender.knows(receiver, door.url)
        message = queue_one(sender, receiver)
        for attempt in range(2):
            delivery = deliver(sender, now() + attempt * timedelta(minutes=1))
            assert delivery is not None and not delivery.receipted
            row = sent(sender)
            assert (row.state, row.attempts) == (State.SENDING, attempt + 1)
            assert said in row.detail, row.detail
            assert row.next_attempt is not None, "it is tried again by itself"
            assert came(receiver) == ([message] if kept else [])
        delivery = deliver(sender, now() + timedelta(minutes=5))
    assert delivery is not None and delivery.receipted
    assert sent(sender).state is State.ACCEPTED and came(receiver) == [message]
    assert len(door.parcels) == 3 and len(set(door.parcels)) == 1, "the same bytes each time"
    verify_journal(sender.gateway.store)
    verify_journal(receiver.gateway.store, sender.gateway.store.partner_heads(AGGREGATOR))


# Clocks


def declare(pair: Pair, at: datetime = NOW, expires: datetime | None = None) -> MessageId:
    outgoing = Outgoing(
        body=example(DocumentName("availability_declaration"))[1],
        recipient=UTIL,
        interface=InterfaceCode("DA"),
        mode=Mode.SCHEDULED,
        agreement=AGREEMENT,
        expires=expires,
    )
    return send(pair.aggregator, [outgoing], at)[0]


def deliver_there(pair: Pair, wire: Wire, at: datetime = NOW) -> Delivery | None:
    return asyncio.run(deliver_once(pair.aggregator, wire, UTIL, lambda: at, lambda: 0.5))


def state(pair: Pair, message: MessageId) -> MessageRow:
    row = pair.aggregator.store.message(message, outgoing=True)
    assert row is not None
    return row


def received(pair: Pair) -> list[MessageRow]:
    return pair.utility.store.messages(Query(outgoing=False))


def held(pair: Pair, message: MessageId) -> bool:
    return message in {row.id for row in received(pair)}


@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
@pytest.mark.parametrize("hours", [-2, 2], ids=["back", "forward"])
def test_the_senders_clock_is_stepped_while_an_answer_is_awaited(hours: int, kept: bool) -> None:
    """It goes on at once by the clock as it is now, and the message that lives long enough arrives once."""
    pair = make_pair()
    message = declare(pair, expires=NOW + timedelta(hours=5))
    wire = (
        Wire(pair.utility, AGG, lose_next=True)
        if kept
        else Wire(pair.utility, AGG, answers=[PartnerError("x")])
    )
    first = deliver_there(pair, wire)
    assert first is not None and not first.receipted and held(pair, message) == kept
    stepped = NOW + timedelta(hours=hours, seconds=1)
    assert pair.aggregator.store.next_partners(stepped) == [UTIL], "not in two hours"
    second = deliver_there(pair, wire, stepped)
    assert second is not None and second.receipted
    assert state(pair, message).state is State.ACCEPTED and len(received(pair)) == 1
    assert wire.sent[0] == wire.sent[1]
    for gateway in (pair.utility, pair.aggregator):
        verify_journal(gateway.store)


@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
def test_a_clock_that_runs_past_the_end_of_a_message_ends_it_with_a_name(kept: bool) -> None:
    pair = make_pair()
    message = declare(pair, expires=NOW + timedelta(hours=1))
    wire = (
        Wire(pair.utility, AGG, lose_next=True)
        if kept
        else Wire(pair.utility, AGG, answers=[PartnerError("x")])
    )
    deliver_there(pair, wire)
    queued = declare(pair, expires=NOW + timedelta(hours=1))
    stepped = NOW + timedelta(hours=2)
    assert expire(pair.aggregator, stepped) == [queued]
    wire.answers = [PartnerError("down")]
    deliver_there(pair, wire, stepped)
    assert [why_dead(state(pair, one)) for one in (message, queued)] == ["exhausted", "expired"]
    again = declare(pair, stepped)
    wire.now = stepped
    done = deliver_there(pair, wire, stepped)
    assert done is not None and done.receipted and held(pair, again), "what is sent after it goes as ever"


def test_the_recipients_clock_is_put_back_and_right_again() -> None:
    """What comes from its future is refused for now, and tried again until its clock is right: nobody has to do anything."""
    pair = make_pair()
    messages = [declare(pair, expires=NOW + timedelta(hours=5)) for _ in range(2)]
    wire = Wire(pair.utility, AGG, now=NOW - timedelta(hours=2))
    at = NOW
    for attempt in range(1, 4):
        delivery = deliver_there(pair, wire, at)
        assert delivery is not None and delivery.receipted
        for message in messages:
            row = state(pair, message)
            assert (row.state, row.attempts) == (State.QUEUED, attempt) and "from_the_future" in row.detail
        assert deliver_there(pair, wire, at) is None, "not at once"
        at += timedelta(minutes=10)
    assert received(pair) == [] and len(set(wire.sent)) == 3, "each time in a parcel of its own"
    wire.now = at
    done = deliver_there(pair, wire, at)
    assert done is not None and done.receipted
    assert all(state(pair, message).state is State.ACCEPTED for message in messages)
    assert [row.id for row in received(pair)] == messages
    verify_journal(pair.utility.store, pair.aggregator.store.partner_heads(UTIL))
    verify_journal(pair.aggregator.store)


def test_what_comes_from_the_future_until_its_end_expires() -> None:
    pair = make_pair()
    message = declare(pair, expires=NOW + timedelta(minutes=5))
    wire = Wire(pair.utility, AGG, now=NOW - timedelta(hours=2))
    deliver_there(pair, wire)
    assert expire(pair.aggregator, NOW + timedelta(minutes=5)) == [message]
    assert why_dead(state(pair, message)) == "expired", "it was refused each time: they do not have it"
    deliver_there(pair, wire, NOW + timedelta(minutes=6))
    assert len(wire.sent) == 1


def test_a_clock_that_runs_ahead_at_the_recipient_ends_messages_with_a_name() -> None:
    pair = make_pair()
    message = declare(pair, expires=NOW + timedelta(hours=1))
    wire = Wire(pair.utility, AGG, now=NOW + timedelta(hours=2))
    delivery = deliver_there(pair, wire)
    row = state(pair, message)
    assert delivery is not None and delivery.receipted and row.state is State.REFUSED
    assert row.detail.startswith("expired") and received(pair) == []
    assert [refusal.code for _, refusal in pair.utility.store.refusals()] == ["expired"]
    wire.now = NOW + timedelta(minutes=1)
    later = declare(pair, wire.now)
    done = deliver_there(pair, wire, wire.now)
    assert done is not None and done.receipted and held(pair, later)
    verify_journal(pair.utility.store, pair.aggregator.store.partner_heads(UTIL))


@pytest.mark.parametrize("hours", [-2, 2], ids=["back", "forward"])
def test_a_repeat_is_a_repeat_whatever_the_recipients_clock_says(hours: int) -> None:
    pair = make_pair()
    message = declare(pair, expires=NOW + timedelta(hours=1))
    wire = Wire(pair.utility, AGG, lose_next=True)
    deliver_there(pair, wire)
    wire.now = NOW + timedelta(hours=hours)
    done = deliver_there(pair, wire, NOW + timedelta(minutes=5))
    assert done is not None and done.receipted
    assert state(pair, message).state is State.ACCEPTED and len(received(pair)) == 1


def test_a_partner_whose_retry_after_is_a_day_is_asked_sooner() -> None:
    pair = make_pair()
    declare(pair)
    answer = LinkAnswer(429, b'{"code":"rate_limited","retry":true}', 86_400.0)
    wire = Wire(pair.utility, AGG, answers=[answer])
    deliver_there(pair, wire)
    assert deliver_there(pair, wire, NOW + timedelta(minutes=9)) is None
    done = deliver_there(pair, wire, NOW + timedelta(minutes=10))
    assert done is not None and done.receipted
