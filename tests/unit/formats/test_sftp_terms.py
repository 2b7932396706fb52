"""`[sftp]` of a legacy file: it comes to us, or we go to it, and what would lead elsewhere is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from intertie.formats.sftp_terms import SftpTerms

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINTpc6LJHdP6gqLd6lIejPXheD3w8GNxLGJtrNLyrUTq"
SERVER = {"host": "files.example", "user": "us", "host_keys": [KEY], "to": "in", "fetch": "out"}


def terms(**said: Any) -> SftpTerms:
    return msgspec.convert(said, SftpTerms)


def test_it_comes_to_us() -> None:
    assert terms(user="them", keys=[KEY]).url == ""
    assert terms(user="them", authorities=[KEY]).complete == "renamed"


def test_we_go_to_it() -> None:
    assert terms(server=SERVER).url == "sftp://us@files.example:22"
    there = terms(server=SERVER | {"port": 2222, "to": "/data/in.d/a"}).server
    assert there is not None and there.port == 2222 and there.taken is None
    assert there.complete == "still"


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"user": "them"},
        {"keys": [KEY]},
        {"user": "them", "keys": [KEY], "server": SERVER},
        {"server": SERVER, "keys": [KEY]},
        {"user": "Them", "keys": [KEY]},
        {"user": "them", "keys": [KEY + "\n" + KEY]},
        {"user": "them", "keys": ["no-pty " + KEY]},
        {"user": "them", "keys": ['command="sh" ' + KEY]},
        {"user": "them", "keys": [KEY] * 9},
        {"user": "them", "keys": [KEY], "complete": "soon"},
        {"user": "them", "keys": [KEY], "pasword": "x"},
        {"server": SERVER | {"to": "../in"}},
        {"server": SERVER | {"to": "in/../../x"}},
        {"server": SERVER | {"fetch": ".ssh"}},
        {"server": SERVER | {"fetch": ""}},
        {"server": SERVER | {"host": "-oProxyCommand=x"}},
        {"server": SERVER | {"host_keys": []}},
        {"server": SERVER | {"port": 0}},
        {"server": SERVER | {"poll_seconds": 0}},
        {"server": SERVER | {"poll_seconds": 0.05}},
        {"server": SERVER | {"complete": "closed"}},
    ],
)
def test_what_cannot_be_meant(said: dict[str, Any]) -> None:
    with pytest.raises((msgspec.ValidationError, ValueError)):
        terms(**said)
