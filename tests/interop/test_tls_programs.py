"""Our TLS against programs that are none of ours: `openssl s_client`, `openssl s_server` and `curl`."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.exchange.https_world import wait_until
from tests.exchange.tls_world import A, B, C, EchoDoor, TlsHouse, echo_door, make_ca, post

from intertie.model.errors import PartnerError
from intertie.seal.tls import describe
from intertie.seal.transport import Transport
from intertie.seal.trial_ca import TrialCa

OPENSSL, CURL = shutil.which("openssl") or "", shutil.which("curl") or ""
pytestmark = pytest.mark.skipif(
    not (OPENSSL and CURL), reason="the programs openssl and curl are not installed"
)
HYBRID_HOST = ssl.OPENSSL_VERSION_INFO >= (3, 5)


@pytest.fixture(scope="module")
def ca() -> TrialCa:
    return make_ca()


@pytest.fixture
def a(ca: TrialCa) -> TlsHouse:
    return TlsHouse.of(ca, A)


@pytest.fixture(params=["openssl", "stdlib"])
def door(request: pytest.FixtureRequest, ca: TrialCa) -> Iterator[EchoDoor]:
    with echo_door(TlsHouse.of(ca, B, engine=request.param)) as opened:
        yield opened


def run(*command: str | Path, give: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [str(part) for part in command], input=give, capture_output=True, timeout=30, check=False
    )


def s_client(door: EchoDoor, house: TlsHouse | None, trust: TlsHouse, folder: Path, *more: str) -> str:
    """What `openssl s_client` prints; it says Q as soon as it could say anything."""
    roots = trust.files(folder / "trust")[2]
    command: list[str | Path] = [OPENSSL, "s_client", "-connect", f"127.0.0.1:{door.port}", "-CAfile", roots]
    command += ["-verify_return_error", "-verify_hostname", "localhost", *more]
    if house is not None:
        key, chain, _ = house.files(folder / "own")
        command += ["-key", key, "-cert", chain]
    done = run(*command, give=b"GET /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    return (done.stdout + done.stderr).decode(errors="replace")


def curl(
    door: EchoDoor, house: TlsHouse, folder: Path, *more: str, path: str = "/x"
) -> subprocess.CompletedProcess[bytes]:
    key, chain, roots = house.files(folder)
    return run(
        CURL,
        "-sS",
        "--cacert",
        roots,
        "--cert",
        chain,
        "--key",
        key,
        *more,
        f"https://localhost:{door.port}{path}",
    )


def test_s_client_shakes_hands_over_tls_1_3_and_is_not_given_a_session(
    door: EchoDoor, a: TlsHouse, tmp_path: Path
) -> None:
    text = s_client(door, a, a, tmp_path, "-ign_eof")
    assert "Verification: OK" in text
    assert "TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384" in text
    assert "HTTP/1.1 200 OK" in text
    assert '"party":"a.example"' in text
    if not HYBRID_HOST:
        assert "Server Temp Key: X25519" in text


@pytest.mark.parametrize("refused", ["-tls1_2", "-tls1_1"])
def test_s_client_with_an_older_version_gets_nothing(
    door: EchoDoor, a: TlsHouse, tmp_path: Path, refused: str
) -> None:
    text = s_client(door, a, a, tmp_path, refused)
    assert "HTTP/1.1" not in text
    assert "Cipher is (NONE)" in text
    assert door.seen == []


def test_s_client_without_a_certificate_gets_nothing(door: EchoDoor, a: TlsHouse, tmp_path: Path) -> None:
    assert "HTTP/1.1" not in s_client(door, None, a, tmp_path, "-ign_eof")
    assert door.seen == []


def test_s_client_of_another_authority_gets_nothing(door: EchoDoor, a: TlsHouse, tmp_path: Path) -> None:
    stranger = TlsHouse.of(make_ca("Else"), A)
    assert "HTTP/1.1" not in s_client(door, stranger, a, tmp_path, "-ign_eof")
    assert door.seen == []


def test_s_client_cannot_resume(door: EchoDoor, a: TlsHouse, tmp_path: Path) -> None:
    kept = tmp_path / "session"
    s_client(door, a, a, tmp_path, "-ign_eof", "-sess_out", str(kept))
    if kept.exists():  # the standard library's engine gives none at all
        text = s_client(door, a, a, tmp_path, "-ign_eof", "-sess_in", str(kept))
        assert "Reused" not in text
        assert "HTTP/1.1 200 OK" in text


def test_s_client_with_a_group_that_is_not_offered_gets_nothing(
    ca: TrialCa, a: TlsHouse, tmp_path: Path
) -> None:
    with echo_door(TlsHouse.of(ca, B, engine="openssl")) as door:
        text = s_client(door, a, a, tmp_path, "-groups", "X448")
        assert "handshake failure" in text or "Cipher is (NONE)" in text
        assert '"group":"secp256r1"' in s_client(door, a, a, tmp_path, "-groups", "P-256", "-ign_eof")


def test_curl_posts_a_large_body(door: EchoDoor, a: TlsHouse, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(bytes(8 * 1024 * 1024))
    done = curl(door, a, tmp_path, "--data-binary", f"@{body}", "-H", "expect:", path="/parcels")
    said = json.loads(done.stdout)
    assert (said["party"], said["size"]) == (A, 8 * 1024 * 1024)
    assert said["transport"]["version"] == "TLSv1.3"


def test_curl_with_tls_1_2_gets_nothing(door: EchoDoor, a: TlsHouse, tmp_path: Path) -> None:
    done = curl(door, a, tmp_path, "--tls-max", "1.2")
    assert (done.returncode, done.stdout) == (35, b"")


# Our link against `openssl s_server`


@contextmanager
def s_server(house: TlsHouse, folder: Path, *more: str) -> Iterator[tuple[str, list[bytes]]]:
    """`openssl s_server` until the end of the test; with -www it answers every GET with a page. What it prints is kept."""
    key, chain, roots = house.files(folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [OPENSSL, "s_server", "-accept", f"127.0.0.1:{port}", "-key", key, "-cert", chain]
    command += ["-CAfile", roots, "-Verify", "2", "-verify_return_error", *more]
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    lines: list[bytes] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: lines.extend(iter(process.stdout.readline, b"")), daemon=True)
    reader.start()
    try:
        wait_until(lambda: any(b"ACCEPT" in line for line in lines) or process.poll() is not None)
        assert process.poll() is None, lines
        yield f"https://127.0.0.1:{port}", lines
    finally:
        process.kill()
        process.wait(10)
        reader.join(10)


@pytest.mark.parametrize("engine", ["openssl", "stdlib"])
def test_our_link_calls_s_server_and_shows_its_certificate(ca: TrialCa, tmp_path: Path, engine: str) -> None:
    a = TlsHouse.of(ca, A, engine=engine)

    async def get(url: str) -> tuple[str, Transport]:
        async with httpx.AsyncClient(verify=a.tls.client_context(B), trust_env=False) as client:
            async with client.stream("GET", url) as response:
                text = (await response.aread()).decode()
                tls = response.extensions["network_stream"].get_extra_info("ssl_object")
                return text, describe(tls).transport

    with s_server(TlsHouse.of(ca, B), tmp_path, "-tls1_3", "-www") as (url, _):
        page, transport = asyncio.run(get(url))
    assert transport.version == "TLSv1.3"
    assert "TLS_AES_256_GCM_SHA384" in page
    assert "a.example" in page
    if engine == "openssl" and not HYBRID_HOST:
        assert transport.group == "x25519"


def test_s_server_with_tls_1_2_or_another_partys_certificate_is_told_nothing(
    ca: TrialCa, a: TlsHouse, tmp_path: Path
) -> None:
    with s_server(TlsHouse.of(ca, B), tmp_path / "b", "-tls1_2") as (url, lines):
        with pytest.raises(PartnerError):
            post(a, url, b"secret")
        assert b"secret" not in b"".join(lines)
    with s_server(TlsHouse.of(ca, C), tmp_path / "c", "-tls1_3") as (url, lines):
        with pytest.raises(PartnerError, match=r"belongs to c\.example"):
            post(a, url, b"secret")
        assert b"secret" not in b"".join(lines)


@pytest.mark.skipif(HYBRID_HOST, reason="this openssl does hybrid groups")
def test_s_server_that_is_classical_gets_nothing_of_a_hybrid_flow(
    ca: TrialCa, a: TlsHouse, tmp_path: Path
) -> None:
    with s_server(TlsHouse.of(ca, B), tmp_path, "-tls1_3") as (url, lines):
        with pytest.raises(PartnerError, match="no hybrid group was agreed"):
            post(a, url, b"secret", hybrid=True)
    assert b"secret" not in b"".join(lines)
