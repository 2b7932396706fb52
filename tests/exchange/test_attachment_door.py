"""The pages under /attachments: who may bring a file, how much, and that nobody else leaves a byte."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.exchange.attachment_world import World, a_world, some
from tests.exchange.https_world import UTILITY, Caller, caller, make_ca, make_house, now, wait_until

from intertie.bindings.parcel_https import PIECE
from intertie.exchange.joining import Trial
from intertie.gateway.configuration.settings import Quota
from intertie.model.ids import ConversationId, PartyId, new_uuid7

SCOPE = "DA/outage_notice"
KB = 1024


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(
        tmp_path, limits={"waiting_files": 2, "waiting_bytes": 100 * KB, "file_bytes": 64 * KB}
    ) as it:
        yield it


@pytest.fixture
def client(world: World) -> Iterator[Caller]:
    with caller(world.utility, world.aggregator) as it:
        yield it


def ask(
    world: World,
    client: Caller,
    method: str = "PATCH",
    *,
    id: str | None = None,
    length: object = 10,
    scope: str = SCOPE,
    body: Any = b"",
    offset: object = 0,
    token: str | None = None,
    media_type: str = PIECE,
) -> httpx.Response:
    url = world.door.url
    token = client.token(url) if token is None else token
    headers = {"content-type": media_type, "upload-offset": str(offset)} if method == "PATCH" else {}
    return client.request(
        method,
        f"{url}/attachments/{id or new_uuid7(now())}",
        params={"length": str(length), "for": scope},
        content=body if method == "PATCH" else None,
        headers=headers | ({"authorization": f"Bearer {token}"} if token else {}),
    )


def code_of(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["code"])


# What works


def test_piece_by_piece(world: World, client: Caller) -> None:
    id, data = new_uuid7(now()), some(10)
    assert ask(world, client, "GET", id=id).json() == {"offset": 0, "length": 10, "wait": 0.0}
    assert world.files_there() == []  # asking keeps nothing
    first = ask(world, client, id=id, body=data[:4])
    assert first.json()["offset"] == 4 and first.headers["upload-offset"] == "4"
    assert ask(world, client, "GET", id=id).json()["offset"] == 4
    assert ask(world, client, id=id, body=data[4:], offset=4).json()["offset"] == 10
    (path,) = world.files_there()
    assert path.read_bytes() == data and path.stat().st_mode & 0o777 == 0o600


def test_what_came_before_the_connection_broke_is_kept(world: World, client: Caller) -> None:
    id = new_uuid7(now())

    def half() -> Iterator[bytes]:
        yield bytes(4 * KB)
        wait_until(lambda: world.files_there() != [])
        raise OSError("the line breaks here")

    with pytest.raises(OSError, match="breaks here"):
        ask(world, client, id=id, length=8 * KB, body=half())
    with caller(world.utility, world.aggregator) as again:
        wait_until(lambda: ask(world, again, "GET", id=id, length=8 * KB).json()["offset"] == 4 * KB)
        assert ask(world, again, id=id, length=8 * KB, body=bytes(4 * KB), offset=4 * KB).status_code == 200


def test_a_new_connection_goes_on_while_the_lost_one_is_not_known_to_be_lost(
    world: World, client: Caller
) -> None:
    """The old one holds nothing: what it still brings does not fit any more, and is not written."""
    id, release = new_uuid7(now()), threading.Event()
    answers: list[httpx.Response] = []

    def stuck() -> Iterator[bytes]:
        release.wait(10)
        yield b"B" * 10

    def first() -> None:
        answers.append(ask(world, client, id=id, body=stuck()))

    thread = threading.Thread(target=first)
    thread.start()
    wait_until(lambda: world.files_there() != [])
    with caller(world.utility, world.aggregator) as again:
        assert ask(world, again, id=id, body=b"A" * 10).json()["offset"] == 10
    release.set()
    thread.join(10)
    assert code_of(answers[0], 409) == "offset"
    assert world.files_there()[0].read_bytes() == b"A" * 10


# Who may


def test_no_token_no_byte(world: World, client: Caller) -> None:
    answer = ask(world, client, token="", body=b"x" * 10)
    assert code_of(answer, 401) == "invalid_token"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert code_of(ask(world, client, token="e30.e30.e30", body=b"x"), 401) == "invalid_token"
    assert code_of(ask(world, client, "GET", token=""), 401) == "invalid_token"
    assert not world.folder().exists()


def test_a_scope_that_the_token_does_not_cover(world: World, client: Caller) -> None:
    answer = ask(world, client, scope="ET16/tariff_filing", body=b"x" * 10)
    assert code_of(answer, 403) == "insufficient_scope" and "ET16/tariff_filing" in answer.text
    token = client.token(world.door.url, scope="DA/invoice")
    assert code_of(ask(world, client, token=token, body=b"x" * 10), 403) == "insufficient_scope"
    assert not world.folder().exists()


def test_whoever_is_no_partner_or_suspended_or_not_live(world: World, client: Caller, tmp_path: Path) -> None:
    token = client.token(world.door.url)
    stranger = make_house(tmp_path / "stranger", make_ca("Other"), PartyId("third.example"))
    with caller(stranger, world.aggregator) as other, pytest.raises(httpx.HTTPError):
        other.get(world.door.url)  # not even a connection
    book, known = world.aggregator.book, world.aggregator.book.partners[UTILITY]
    book.partners[UTILITY] = known._replace(suspended=True)
    assert code_of(ask(world, client, token=token, body=b"x" * 10), 403) == "sender_suspended"
    trial = Trial(ConversationId("PROOF-1"), now() + timedelta(days=1))
    book.partners[UTILITY] = known._replace(trial=trial)
    assert code_of(ask(world, client, token=token, body=b"x" * 10), 422) == "not_live"
    del book.partners[UTILITY]
    assert code_of(ask(world, client, token=token, body=b"x" * 10), 403) == "unknown_sender"
    assert not world.folder().exists()


def test_the_token_of_another_partner_s_certificate(world: World, client: Caller) -> None:
    """A token goes with its certificate (RFC 8705): from another connection it is worth nothing."""
    with caller(world.aggregator, world.aggregator) as other:
        token = client.token(world.door.url)
        world.aggregator.knows(world.aggregator)
        assert code_of(ask(world, other, token=token, body=b"x" * 10), 401) == "invalid_token"
    assert not world.folder().exists()


# How much


def test_a_file_larger_than_is_taken(world: World, client: Caller) -> None:
    assert code_of(ask(world, client, length=65 * KB, body=b"x"), 413) == "too_large"
    assert world.files_there() == []


def test_more_than_was_said(world: World, client: Caller) -> None:
    id = new_uuid7(now())
    assert code_of(ask(world, client, id=id, body=b"x" * 11), 409) == "offset"
    assert ask(world, client, "GET", id=id).json()["offset"] == 0


def test_so_many_files_may_wait_and_no_more(world: World, client: Caller) -> None:
    ids = [new_uuid7(now()) for _ in range(3)]
    for id in ids[:2]:
        assert ask(world, client, id=id, body=b"x" * 4).status_code == 200
    answer = ask(world, client, id=ids[2], body=b"x" * 4)
    assert code_of(answer, 429) == "attachment_quota" and answer.headers["retry-after"]
    assert len(world.files_there()) == 2
    assert ask(world, client, id=ids[0], body=b"x" * 6, offset=4).status_code == 200  # what was begun goes on


def test_so_many_bytes_may_wait_counted_as_announced(world: World, client: Caller) -> None:
    """A byte of a long file takes the room of all of it: nobody begins what he may not end."""
    assert ask(world, client, length=60 * KB, body=b"x").status_code == 200
    assert code_of(ask(world, client, length=41 * KB, body=b"x"), 429) == "attachment_quota"
    assert ask(world, client, length=40 * KB, body=b"x").status_code == 200


def test_a_disk_that_is_too_full(tmp_path: Path) -> None:
    with a_world(tmp_path, limits={"free_bytes": 2**62}) as world:
        with caller(world.utility, world.aggregator) as client:
            answer = ask(world, client, body=b"x" * 10)
            assert code_of(answer, 503) == "store" and answer.json()["retry"]
        assert world.files_there() == []


def test_a_partner_s_connections_that_bring_files(tmp_path: Path) -> None:
    with a_world(tmp_path, limits={"uploads": 1}) as world:
        release = threading.Event()

        def slow() -> Iterator[bytes]:
            release.wait(10)
            yield b"x" * 10

        with caller(world.utility, world.aggregator) as client:
            thread = threading.Thread(target=ask, args=(world, client), kwargs={"body": slow()})
            thread.start()
            wait_until(lambda: world.files_there() != [])
            with caller(world.utility, world.aggregator) as other:
                assert code_of(ask(world, other, body=b""), 429) == "rate_limited"
                release.set()
                thread.join(10)
                assert ask(world, other, body=b"x" * 10).status_code == 200


def test_requests_have_a_quota(tmp_path: Path) -> None:
    with a_world(tmp_path, quota=Quota(parcels_per_second=0.01, parcels_burst=2)) as world:
        with caller(world.utility, world.aggregator) as client:
            answers = [ask(world, client, "GET") for _ in range(3)]
            assert [answer.status_code for answer in answers] == [200, 200, 429]
            assert int(answers[2].headers["retry-after"]) > 10


# How it is asked


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "0192f1c0-0000-4000-8000-000000000001"},
        {"id": "..%2F..%2Fstore.db"},
        {"id": "x"},
        {"length": 0},
        {"length": "-1"},
        {"length": "1e3"},
        {"length": "٣"},
        {"length": "9" * 14},
        {"scope": "DA/*"},
        {"scope": ""},
        {"scope": "DA/outage_notice\n"},
        {"offset": "-1"},
        {"offset": "01"},
        {"offset": "x"},
    ],
)
def test_a_malformed_request(world: World, client: Caller, wrong: dict[str, Any]) -> None:
    answer = ask(world, client, body=b"x", **wrong)
    assert answer.status_code in (400, 404)
    assert not world.folder().exists()


def test_another_media_type_or_method(world: World, client: Caller) -> None:
    assert code_of(ask(world, client, body=b"x", media_type="text/csv"), 415) == "unsupported_media_type"
    assert code_of(ask(world, client, "DELETE"), 405) == "method_not_allowed"
    assert not world.folder().exists()


def test_a_gap_is_not_filled(world: World, client: Caller) -> None:
    id = new_uuid7(now())
    ask(world, client, id=id, body=b"x" * 4)
    for offset in (0, 3, 5, 9):
        assert code_of(ask(world, client, id=id, body=b"y", offset=offset), 409) == "offset"
    assert world.files_there()[0].read_bytes() == b"x" * 4
