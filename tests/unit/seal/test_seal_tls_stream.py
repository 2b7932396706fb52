"""The OpenSSL engine as a stream: cut anywhere, ended anyhow, fed rubbish, and large; held against the standard library's."""

from __future__ import annotations

import random
import ssl
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from OpenSSL import SSL
from tls_world import OPENSSL, STDLIB, A, B, Wire, end, make_ca

from intertie.seal.tls_openssl import RECORD_BYTES

ENGINES = {"openssl": OPENSSL, "stdlib": STDLIB}
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def contexts() -> dict[tuple[str, str], ssl.SSLContext]:
    """Made once: contexts carry nothing from one connection to the next."""
    ca = make_ca()
    made = {}
    for name, options in ENGINES.items():
        made[name, "server"] = end(ca, B, options).tls.server_context()
        made[name, "client"] = end(ca, A, options).tls.client_context(B)
    return made


Contexts = dict[tuple[str, str], ssl.SSLContext]


def new_wire(contexts: Contexts, server: str = "openssl", client: str = "openssl") -> Wire:
    return Wire(contexts[server, "server"], contexts[client, "client"])


@given(seed=st.integers(), largest=st.integers(1, 700), payload=st.binary(min_size=1, max_size=40_000))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_may_come_in_pieces_of_any_size(
    contexts: Contexts, seed: int, largest: int, payload: bytes
) -> None:
    dice = random.Random(seed)

    def crumbs(source: ssl.MemoryBIO, target: ssl.MemoryBIO) -> None:
        if source.pending:
            target.write(source.read(dice.randint(1, largest)))

    pair = dice.choice([("openssl", "openssl"), ("openssl", "stdlib"), ("stdlib", "openssl")])
    wire = new_wire(contexts, *pair)
    wire.pass_on = crumbs
    wire.shake()
    for source, target in ((wire.client, wire.server), (wire.server, wire.client)):
        assert source.write(payload) == len(payload)
        assert wire.read(target, len(payload)) == payload


@given(place=st.integers(0, 5_000), flip=st.integers(1, 255), to_server=st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_byte_is_an_ssl_error_or_nothing_happens(
    contexts: Contexts, place: int, flip: int, to_server: bool
) -> None:
    """Whoever sits on the line can end a conversation; not change it, and not raise anything the loops do not expect."""
    wire = new_wire(contexts)
    seen = 0

    def spoil(source: ssl.MemoryBIO, target: ssl.MemoryBIO) -> None:
        nonlocal seen
        data = bytearray(source.read())
        if (target is wire.buffers[2]) == to_server:
            if seen <= place < seen + len(data):
                data[place - seen] ^= flip
            seen += len(data)
        target.write(bytes(data))

    wire.pass_on = spoil
    try:
        for _ in range(20):
            for side in (wire.client, wire.server):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
            wire.carry()
        wire.client.write(b"x")
        wire.carry()
        assert wire.server.read(1) == b"x"
    except ssl.SSLError:
        return


@pytest.mark.parametrize("engine", ENGINES)
@given(garbage=st.binary(min_size=6, max_size=2_000))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_instead_of_a_hello_is_an_ssl_error(contexts: Contexts, engine: str, garbage: bytes) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = contexts[engine, "server"].wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(garbage)
    incoming.write_eof()
    with pytest.raises(ssl.SSLError):
        server.do_handshake()
    assert outgoing.pending < 100  # an alert at most


@pytest.mark.parametrize(
    "text", [b"GET / HTTP/1.1\r\n\r\n", b"SSH-2.0-x\r\n", bytes(600), b"\x16\x03\x01\xff\xff" + bytes(99)]
)
def test_other_protocols_are_ssl_errors(contexts: Contexts, text: bytes) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = contexts["openssl", "server"].wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(text)
    with pytest.raises(ssl.SSLError) as caught:
        server.do_handshake()
    assert not isinstance(caught.value, ssl.SSLWantReadError)


@pytest.mark.parametrize("after", [0, 1, 100, 700])
def test_a_handshake_that_breaks_off_is_an_eof(contexts: Contexts, after: int) -> None:
    wire = new_wire(contexts)
    with pytest.raises(ssl.SSLWantReadError):
        wire.client.do_handshake()
    wire.buffers[2].write(wire.buffers[1].read()[:after])
    wire.buffers[2].write_eof()
    with pytest.raises(ssl.SSLEOFError):
        wire.server.do_handshake()


# How conversations end: each case on both engines, which must agree


@pytest.mark.parametrize("engine", ENGINES)
def test_a_farewell_is_an_empty_read_and_unwrap_answers_it(contexts: Contexts, engine: str) -> None:
    wire = new_wire(contexts, engine, "openssl").shake()
    wire.client.write(b"last words")
    with pytest.raises(ssl.SSLWantReadError):
        wire.client.unwrap()
    wire.carry()
    assert wire.server.read(100) == b"last words"
    assert wire.server.read(100) == b""
    wire.server.unwrap()
    wire.carry()
    wire.client.unwrap()
    with pytest.raises(ssl.SSLZeroReturnError):
        wire.client.read(1)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_end_without_farewell_is_an_eof_error(contexts: Contexts, engine: str) -> None:
    wire = new_wire(contexts, engine, "openssl").shake()
    wire.client.write(b"half a bo")
    wire.carry()
    wire.buffers[2].write_eof()
    assert wire.server.read(100) == b"half a bo"
    with pytest.raises(ssl.SSLEOFError):
        wire.server.read(100)


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_there_yet_is_want_read(contexts: Contexts, engine: str) -> None:
    wire = new_wire(contexts, engine, "openssl").shake()
    with pytest.raises(ssl.SSLWantReadError):
        wire.server.read(10)
    with pytest.raises(ssl.SSLWantReadError):
        wire.server.unwrap()


@pytest.mark.parametrize("engine", ENGINES)
def test_writing_after_our_own_farewell_fails(contexts: Contexts, engine: str) -> None:
    wire = new_wire(contexts, "openssl", engine).shake()
    with pytest.raises(ssl.SSLWantReadError):
        wire.client.unwrap()
    with pytest.raises(ssl.SSLError):
        wire.client.write(b"more")


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_unread_at_our_farewell_is_not_lost_silently(contexts: Contexts, engine: str) -> None:
    wire = new_wire(contexts, engine, "openssl").shake()
    wire.client.write(b"unread")
    wire.carry()
    with pytest.raises(ssl.SSLError, match=r"(?i)application.data.after.close.notify"):
        wire.server.unwrap()


# What a reader and a writer may rely on


def test_a_buffer_can_be_read_into(contexts: Contexts) -> None:
    wire = new_wire(contexts).shake()
    wire.client.write(b"abcdef")
    wire.carry()
    room = bytearray(4)
    assert wire.server.read(4, memoryview(room)) == 4  # type: ignore[comparison-overlap]
    assert bytes(room) == b"abcd"
    assert wire.server.pending() == 2
    assert wire.server.read(0) == b""
    assert wire.server.read(100) == b"ef"


@pytest.mark.parametrize("data", [b"", bytearray(b"abc"), memoryview(b"abc"), memoryview(b"xabcx")[1:4]])
def test_anything_bytes_like_can_be_written(contexts: Contexts, data: bytes) -> None:
    wire = new_wire(contexts).shake()
    assert wire.client.write(data) == len(data)
    assert wire.read(wire.server, len(data)) == bytes(data)


@pytest.mark.parametrize(
    ("server", "client"), [("openssl", "openssl"), ("openssl", "stdlib"), ("stdlib", "openssl")]
)
def test_sixty_four_mebibytes_go_through_both_ways(contexts: Contexts, server: str, client: str) -> None:
    wire = new_wire(contexts, server, client).shake()
    block = random.Random(64).randbytes(4 * MEBIBYTE)
    for source, target in ((wire.client, wire.server), (wire.server, wire.client)):
        for _ in range(16):
            assert source.write(block) == len(block)
            got = bytearray()
            while len(got) < len(block):
                try:
                    part = target.read(256 * 1024)
                    assert len(part) <= RECORD_BYTES
                    got += part
                except ssl.SSLWantReadError:
                    wire.carry()
            assert got == block


def test_reading_takes_from_the_buffer_only_what_it_needs(contexts: Contexts) -> None:
    """The loops stop reading from the network by what waits in this buffer: it must not be emptied ahead of the reader."""
    wire = new_wire(contexts).shake()
    wire.client.write(bytes(4 * MEBIBYTE))
    wire.carry()
    waiting = wire.buffers[2].pending
    assert len(wire.server.read(100_000)) == RECORD_BYTES
    assert wire.buffers[2].pending >= waiting - RECORD_BYTES - 256


@given(sizes=st.lists(st.integers(1, 40_000), min_size=1, max_size=6), with_handshake=st.booleans())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_can_be_read_shows_in_pending_or_in_the_buffer(
    contexts: Contexts, sizes: list[int], with_handshake: bool
) -> None:
    """uvloop reads only while one of the two is not empty; also what came together with the end of the handshake."""
    wire = new_wire(contexts)
    if with_handshake:
        for side in (wire.client, wire.server, wire.client):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
            wire.carry()
    else:
        wire.shake()
    for size in sizes:
        wire.client.write(bytes(size))
    wire.carry()
    if with_handshake:
        wire.server.do_handshake()
    got = 0
    with suppress(ssl.SSLWantReadError):
        while wire.buffers[2].pending or wire.server.pending():
            got += len(wire.server.read(256 * 1024))
    assert got == sum(sizes)


def test_a_long_conversation_keeps_no_memory(contexts: Contexts) -> None:
    wire = new_wire(contexts).shake()

    def talk(times: int) -> None:
        for _ in range(times):
            wire.client.write(bytes(100_000))
            wire.read(wire.server, 100_000)

    talk(5)
    tracemalloc.start()
    try:
        talk(1)
        before = tracemalloc.get_traced_memory()[0]
        talk(30)
        assert tracemalloc.get_traced_memory()[0] - before < 50_000
    finally:
        tracemalloc.stop()


def test_want_read_without_input_returns_at_once_and_calls_openssl_once(
    contexts: Contexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = new_wire(contexts).shake()
    calls = []
    real = SSL.Connection.recv
    monkeypatch.setattr(SSL.Connection, "recv", lambda it, *args: calls.append(args) or real(it, *args))
    with pytest.raises(ssl.SSLWantReadError):
        wire.server.read(100)
    assert len(calls) == 1


def test_errors_left_by_others_in_this_thread_do_no_harm(contexts: Contexts) -> None:
    """OpenSSL's queue of errors is one per thread, and the signing library uses the same OpenSSL."""
    wire = new_wire(contexts).shake()
    library = SSL._lib
    library.BIO_new_file(b"/no/such/file", b"r")
    assert library.ERR_peek_error() != 0
    with pytest.raises(ssl.SSLWantReadError):
        wire.server.read(10)


def test_what_else_a_loop_asks(contexts: Contexts) -> None:
    wire = new_wire(contexts).shake()
    server = wire.server
    assert isinstance(server, ssl.SSLObject)
    assert (server.server_side, wire.client.server_side) == (True, False)
    assert (server.server_hostname, wire.client.server_hostname) == (None, "localhost")
    assert (server.session, server.session_reused) == (None, False)
    assert server.getpeercert() == {}
    assert server.selected_alpn_protocol() == wire.client.selected_alpn_protocol() == "http/1.1"
    assert server.selected_npn_protocol() is None
    assert server.compression() is None
    assert server.shared_ciphers() is None
    assert server.cipher() == ("TLS_AES_256_GCM_SHA384", "TLSv1.3", 256)
    binding = server.get_channel_binding("tls-exporter")
    assert binding is not None
    assert len(binding) == 32
    assert binding == wire.client.get_channel_binding("tls-exporter")
    with pytest.raises(ValueError, match="tls-unique"):
        server.get_channel_binding("tls-unique")
    with pytest.raises(ssl.SSLError):
        server.verify_client_post_handshake()


def test_a_client_that_speaks_only_something_else_is_sent_away(contexts: Contexts) -> None:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    client.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError):
        Wire(contexts["openssl", "server"], client).shake()
