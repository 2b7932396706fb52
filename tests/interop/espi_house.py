"""A utility that serves its readings to third parties over TLS, as a process of its own."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import httpx
from tests.interop.sftp_house import until
from tests.interop.test_ftps import certificate
from tests.ports import free_port
from tests.unit.formats.espi_world import series, written

from intertie.bindings.parcel_https.serving import bound
from intertie.cli import run
from intertie.formats.espi.service import read_list
from intertie.run.espi import EspiServing
from intertie.run.readings import opened_readings

# A month ago: within what a consent of today lets see.
START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=30)
US = "utility.example"
SCOPE = "FB=1_3_4_5_13_15_31_34_35_37_39;IntervalDuration=900;BlockDuration=daily;HistoryLength=400;BR=b1"


class House(NamedTuple):
    """Its directory, its door, and the file by which its certificate is trusted."""

    place: Path
    url: str
    trust: Path


def make_house(base: Path, more: str = "") -> House:
    place, port = base / "utility", free_port()
    said = ["init", US, "--role", "distribution_utility", "--url", f"https://127.0.0.1:{free_port()}"]
    assert run([*said, "--dir", str(place)]) == 0
    certificate(place)
    url = f"https://localhost:{port}"
    section = (
        f'[espi]\nlisten = "127.0.0.1:{port}"\nurl = "{url}"\ncertificate = "ftps.pem"\nkey = "ftps.key"\n'
    )
    settings = place / "intertie.toml"
    text = settings.read_text()
    settings.write_text(text.replace("[espi]\n", f"{section}notify_seconds = 0.2\n{more}", 1))
    return House(place, url, place / "ftps.pem")


def bring(house: House, *values: int, meter: str = "M1", days: int = 0) -> None:
    """Readings of a meter's day come in."""
    one = series(values, meter=meter, start=START + timedelta(days=days))
    file = house.place / "more.xml"
    file.write_bytes(written(one))
    assert run(["readings", "import", str(file), "--dir", str(house.place)]) == 0
    assert run(["readings", "show", "--dir", str(house.place)]) == 0


def answers(house: House) -> bool:
    """Whether its door is open."""
    try:
        return httpx.get(
            f"{house.url}/.well-known/oauth-authorization-server", verify=context(house)
        ).is_success
    except httpx.TransportError:
        return False


def context(house: House) -> ssl.SSLContext:
    """Who knows the certificate of its door."""
    return ssl.create_default_context(cafile=str(house.trust))


@contextmanager
def serving(house: House) -> Iterator[None]:
    """Its door, with telling and fetching, in a loop of its own: as the process beside a gateway has it."""
    with opened_readings(house.place) as it, bound(it.settings.espi.listen, "[espi]") as door:
        it.store.unlock()
        it.readings  # noqa: B018 - in this thread: SQLite and Parquet are opened once
        door.listen(64)
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        one = EspiServing(it, door)
        thread = threading.Thread(target=lambda: loop.run_until_complete(one.run()))
        thread.start()
        try:
            until(lambda: answers(house))
            yield
        finally:
            loop.call_soon_threadsafe(one.stop)
            thread.join()
            loop.close()
            asyncio.set_event_loop(None)


class ThirdParty(ThreadingHTTPServer):
    """The server of a third party that is told what there is."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Told)
        self.said: list[list[str]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/espi/1_1/Notification"


class _Told(BaseHTTPRequestHandler):
    server: ThirdParty

    def do_POST(self) -> None:
        self.server.said.append(read_list(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def third_party() -> Iterator[ThirdParty]:
    server = ThirdParty()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
