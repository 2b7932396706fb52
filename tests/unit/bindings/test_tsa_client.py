"""Asking a time-stamping authority over HTTP: a reply, or a StampError that says what came instead."""

from __future__ import annotations

import pytest
from tests.tsa import Tsa, needs_openssl, tsa_server

from intertie.bindings.tsa_http.client import ask_authority
from intertie.seal.timestamp import REPLY_BYTES_MAX, StampError, read_tsa_roots, request_stamp, verify_stamp

pytestmark = needs_openssl


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Tsa:
    return Tsa(tmp_path_factory.mktemp("tsa"))


def test_a_reply(tsa: Tsa) -> None:
    request = request_stamp(b"data")
    with tsa_server(tsa) as url:
        reply = ask_authority(url, request)
    assert verify_stamp(reply, b"data", read_tsa_roots(tsa.root.read_bytes()), request)


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        ({"status": 500}, "answers 500"),
        ({"status": 302}, "answers 302"),
        ({"kind": "text/html"}, "text/html"),
        ({"more": b"x" * REPLY_BYTES_MAX}, "more than"),
    ],
)
def test_something_else(tsa: Tsa, answer: dict[str, object], match: str) -> None:
    with tsa_server(tsa, **answer) as url, pytest.raises(StampError, match=match):  # type: ignore[arg-type]
        ask_authority(url, request_stamp(b"data"))


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/tsa", "nonsense", "ftp://127.0.0.1/tsa", "http://[/"])
def test_nobody_there(url: str) -> None:
    with pytest.raises(StampError, match="no answer"):
        ask_authority(url, b"request")
