"""What goes wrong over FTP: sizes, what nobody saw arrive, commands ahead of TLS, sessions of who may come no more."""

from __future__ import annotations

import ftplib
import os
import re
import socket
import ssl
from collections.abc import Iterator

import pytest
from tests.interop.sftp_house import THEM, House, deliver, say, state, until
from tests.interop.test_ftps import SECRET, At, make, serving

from intertie.exchange.outbound import State


@pytest.fixture(scope="module")
def edge_house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return make(tmp_path_factory.mktemp("ftps"), more="file_bytes = 20000\n")


@pytest.fixture
def edge(edge_house: House) -> Iterator[At]:
    with serving(edge_house) as it:
        yield At(edge_house, it)


def test_a_file_that_is_too_large_is_cut_off_and_its_writer_is_told(edge: At) -> None:
    with edge.client() as client:
        client.voidcmd("TYPE I")
        data = client.transfercmd("STOR in/large.csv.part")
        data.sendall(b"x" * 20_001)
        with pytest.raises(ftplib.error_temp, match="426 it was cut off"):
            client.voidresp()
        data.close()
        client.delete("in/large.csv.part")


def test_what_was_read_is_fetched_when_its_reader_removes_it(edge: At) -> None:
    message = say(edge.it)
    deliver(edge.it)
    with edge.client() as client:
        (name,) = [name for name in client.nlst("out") if str(message) in name]
        path = f"out/{name.rpartition('/')[2]}"
        got: list[bytes] = []
        client.retrbinary(f"RETR {path}", got.append)
        assert got
        deliver(edge.it)
        assert state(edge.it, message)[0] is State.SENDING, "that it was sent does not say that it arrived"
        client.delete(path)
    until(lambda: state(edge.it, message)[0] is State.ACCEPTED)


def test_a_session_goes_to_a_folder_and_the_process_stays(edge: At) -> None:
    before = os.getcwd()
    with edge.client() as client:
        client.cwd("in")
        assert client.pwd() == "/in" and os.getcwd() == before
        client.cwd("..")
        assert client.pwd() == "/"
        for wrong in ("in/nothing", "/etc", "in/a/b"):
            with pytest.raises(ftplib.error_perm):
                client.cwd(wrong)
        assert client.pwd() == "/" and sorted(client.nlst()) == ["in", "out", "receipts", "refused"]


def test_what_is_sent_ahead_of_tls_is_not_heard(edge: At) -> None:
    with socket.create_connection(("127.0.0.1", edge.house.port), 20) as raw:
        raw.recv(100)
        raw.sendall(b"AUTH TLS\r\nUSER utility\r\n")
        assert raw.recv(100).startswith(b"234 ")
        context = ssl.create_default_context(cafile=str(edge.house.place / "ftps.pem"))
        with context.wrap_socket(raw, server_hostname="127.0.0.1") as secure:
            secure.sendall(b"PASS " + SECRET.encode() + b"\r\n")
            assert secure.recv(100).startswith(b"503 "), "a user that nobody said over TLS"


def test_a_partner_that_is_suspended_may_nothing_from_then_on(edge: At) -> None:
    standing = edge.house.place / "partners" / f"{THEM}.toml"
    before = standing.read_text()

    def suspended() -> bool:
        partner = edge.it.partners.find(THEM)
        return partner is not None and partner.suspended

    with edge.client() as client:
        standing.write_text("suspended = true\n" + re.sub(r"(?m)^suspended = .*\n", "", before))
        try:
            until(suspended)
            with pytest.raises(ftplib.error_perm, match="privileges"):
                client.cwd("in")
        finally:
            standing.write_text(before)
        until(lambda: not suspended())
        client.cwd("in")
