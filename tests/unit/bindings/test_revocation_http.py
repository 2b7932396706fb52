"""Lists and answers over HTTP on loopback: the small responder, and a fetcher that nobody can keep waiting or flood."""

from __future__ import annotations

import asyncio
import base64
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from urllib.parse import quote

import pytest

from intertie.bindings.revocation_http import OCSP_ANSWER, OCSP_REQUEST, PKIX_CRL
from intertie.bindings.revocation_http.client import StatusFetcher
from intertie.bindings.revocation_http.responder import REQUEST_BYTES_MAX, make_responder
from intertie.model.errors import PartnerError, SettingsError

LISTS = {"ec": b"\x30\x03ec!", "mldsa": b"\x30\x04pq!!"}


def answer(request: bytes) -> bytes:
    if request == b"broken":
        raise SettingsError("the index is damaged")
    return b"answer to " + request


def lists() -> dict[str, bytes]:
    return LISTS


@contextmanager
def responder(lists: Callable[[], dict[str, bytes]] = lists) -> Iterator[int]:
    server = make_responder("127.0.0.1", 0, answer, lists)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with responder() as port:
        yield port


def fetch(url: str, request: bytes | None = None, *, limit: int = 1000, seconds: float = 5.0) -> bytes:
    async def go() -> bytes:
        fetcher = StatusFetcher(seconds)
        try:
            if request is None:
                return await fetcher.get(url, limit)
            return await fetcher.ask(url, request, limit)
        finally:
            await fetcher.aclose()

    return asyncio.run(go())


def plain(
    port: int, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, str, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    try:
        return answer.status, answer.headers.get("content-type", ""), answer.read()
    finally:
        connection.close()


def test_lists_and_answers(port: int) -> None:
    assert fetch(f"http://127.0.0.1:{port}/ec.crl") == LISTS["ec"]
    assert fetch(f"http://127.0.0.1:{port}/mldsa.crl") == LISTS["mldsa"]
    assert fetch(f"http://127.0.0.1:{port}/", b"question") == b"answer to question"


def test_kinds_and_the_request_in_the_address(port: int) -> None:
    assert plain(port, "GET", "/ec.crl")[:2] == (200, PKIX_CRL)
    assert plain(port, "POST", "/", b"q", content_type=OCSP_REQUEST)[:2] == (200, OCSP_ANSWER)
    asked = quote(base64.b64encode(b"\xff\xfe?"), safe="")
    assert plain(port, "GET", f"/{asked}") == (200, OCSP_ANSWER, b"answer to \xff\xfe?")


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/rsa.crl", None, {}, 404),
        ("GET", "/no base64".replace(" ", "%20"), None, {}, 404),
        ("POST", "/", b"q", {"content_type": "text/plain"}, 415),
        ("POST", "/", bytes(REQUEST_BYTES_MAX + 1), {"content_type": OCSP_REQUEST}, 413),
        ("POST", "/", b"broken", {"content_type": OCSP_REQUEST}, 500),
        ("DELETE", "/", None, {}, 501),
    ],
)
def test_what_the_responder_refuses(
    port: int, method: str, path: str, body: bytes | None, headers: dict[str, str], status: int
) -> None:
    assert plain(port, method, path, body, **headers)[0] == status


def test_a_responder_whose_register_is_damaged() -> None:
    def damaged() -> dict[str, bytes]:
        raise SettingsError("the index is damaged")

    with responder(damaged) as port:
        assert plain(port, "GET", "/ec.crl")[0] == 500


def test_a_port_that_is_taken(port: int) -> None:
    with pytest.raises(SettingsError, match="cannot listen"):
        make_responder("127.0.0.1", port, answer, lists)


def test_no_answer_is_a_partners_error(port: int) -> None:
    with pytest.raises(PartnerError, match="answers 404"):
        fetch(f"http://127.0.0.1:{port}/none.crl")
    with pytest.raises(PartnerError, match="more than 3 bytes"):
        fetch(f"http://127.0.0.1:{port}/ec.crl", limit=3)
    for url in ("http://127.0.0.1:1/ec.crl", "http://", "gopher://x/", "http://[::1/"):
        with pytest.raises(PartnerError):
            fetch(url)


@contextmanager
def odd_server(*pieces: bytes, pause: float = 0.0) -> Iterator[int]:
    """One connection; the pieces with a pause after each."""
    door = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        try:
            line, _ = door.accept()
        except OSError:
            return
        with line:
            for piece in pieces:
                try:
                    line.sendall(piece)
                except OSError:
                    return
                done.wait(pause)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield door.getsockname()[1]
    finally:
        done.set()
        door.close()
        thread.join()


def test_a_server_that_drips_is_cut() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n"
    with odd_server(head, *[b"x"] * 90, pause=0.1) as port:
        with pytest.raises(PartnerError, match=r"within 0\.5 s"):
            fetch(f"http://127.0.0.1:{port}/", seconds=0.5)


def test_a_redirect_is_not_followed(port: int) -> None:
    away = f"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{port}/ec.crl\r\ncontent-length: 0\r\n\r\n"
    with odd_server(away.encode()) as odd:
        with pytest.raises(PartnerError, match="answers 302"):
            fetch(f"http://127.0.0.1:{odd}/")


def test_a_compressed_answer_is_taken_as_it_is() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00"
    with odd_server(head) as port:
        assert fetch(f"http://127.0.0.1:{port}/") == b"\x1f\x8b\x08\x00"


def test_an_answer_cut_short() -> None:
    with odd_server(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf") as port:
        with pytest.raises(PartnerError, match="no answer"):
            fetch(f"http://127.0.0.1:{port}/")
