"""Parcels as files by FTP: over TLS, and without it where a partner is flagged so. Two gateways, in processes of their own; curl
and Python's ftplib at our mailbox; pyftpdlib as a partner's server. Without TLS nothing goes but what is sealed or signed."""

from __future__ import annotations

import asyncio
import contextlib
import ftplib
import io
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer
from tests.command.gateways import command, served
from tests.command.relaying import AGGREGATOR, HOME, HUB, Three, both_ways, left_in, make_three, wait_for
from tests.interop.parcels_house import (
    PLAIN,
    SECRET,
    bring_back,
    comes,
    export,
    keep_secret,
    open_mailbox,
    put_legacy,
    set_section,
    two,
    two_by_ftp,
)
from tests.interop.sftp_house import table
from tests.interop.test_ftps import is_open
from tests.ports import free_port

from intertie.bindings.ftps.client import FtpsClient
from intertie.formats.ftps_terms import TheirFtps
from intertie.gateway.ports import Query
from intertie.model.errors import PartnerError
from intertie.run import open_gateway

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
ROLE = "der_aggregator"
# Whoever is refused is told who it is, and which rule it broke.
NAMED = "protection_too_weak: without TLS only sealed parcels .* .partner aggregator.example."


@pytest.mark.parametrize("plain", [False, True], ids=["over TLS", "without TLS"])
def test_parcels_and_receipts_of_two_gateways_go_both_ways(plain: bool, tmp_path: Path) -> None:
    three = two_by_ftp(tmp_path, plain=plain)
    shown = command("partner", "show", HOME, "--dir", three.aggregator, "--json").json
    assert shown["goes_by"]["binding"] == "parcels as files"
    assert ("without TLS" in shown["goes_by"]["why"]) is plain
    with served(three.aggregator), served(three.home):
        both_ways(three, tmp_path)
    assert not left_in(three.aggregator / "ftps" / HOME / "box"), "what was fetched is removed"


class Hub(NamedTuple):
    """The relay's mailbox, to which somebody of the aggregator's comes."""

    three: Three
    port: int

    @property
    def box(self) -> Path:
        return self.three.hub / "ftps" / AGGREGATOR / "box"

    def curl(self, *words: str, path: str, tls: bool = False) -> subprocess.CompletedProcess[bytes]:
        how = ["--ssl-reqd", "--cacert", str(self.three.hub / "ftps.pem")] if tls else []
        who = ["-u", f"aggregator:{SECRET if tls else PLAIN}"]
        said = ["curl", "-sS", *how, *who, *words, f"ftp://localhost:{self.port}/{path}"]
        return subprocess.run(said, capture_output=True, timeout=60, check=False)

    def upload(self, file: Path, name: str) -> subprocess.CompletedProcess[bytes]:
        done = ("-Q", f"-RNFR /in/{name}.part", "-Q", f"-RNTO /in/{name}")
        return self.curl("-T", str(file), *done, path=f"in/{name}.part")


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    three = make_three(tmp_path)
    put_legacy(three.hub, AGGREGATOR, ROLE, comes("aggregator", plain=True))
    return Hub(three, open_mailbox(three.hub, plain=True))


@needs_curl
def test_a_parcel_dropped_by_curl_is_receipted_and_goes_on_by_the_relay(hub: Hub, tmp_path: Path) -> None:
    made = export(hub.three, tmp_path / "medium")
    table_file = tmp_path / "outages.csv"
    table_file.write_bytes(table("OUT-1"))
    receipt, answer = f"{made.parcel}.taken.json", f"{made.parcel}.itr"
    with served(hub.three.hub), served(hub.three.home):
        wait_for(lambda: is_open(hub.port))
        refused = hub.upload(table_file, "outages.csv")
        assert refused.returncode and not (hub.box / "in" / "outages.csv").exists()
        done = hub.upload(made.file, made.file.name)
        assert done.returncode == 0, done.stderr
        wait_for((hub.box / "receipts" / receipt).exists)
        wait_for((hub.box / "out" / answer).exists)
        for folder, name in (("receipts", receipt), ("out", answer)):
            got = hub.curl("-o", str(tmp_path / "medium" / name), path=f"{folder}/{name}")
            assert got.returncode == 0, got.stderr
        (text,) = [file.name for file in (hub.box / "receipts").iterdir() if file.suffix == ".txt"]
        assert hub.curl(path=f"receipts/{text}").returncode, "what is for people is neither sealed nor signed"
        over_tls = hub.curl(path=f"receipts/{text}", tls=True)
        assert b"1 taken" in over_tls.stdout
    state = bring_back(*(tmp_path / "medium" / name for name in (receipt, answer)), to=hub.three.aggregator)
    assert state == "accepted"


@contextlib.contextmanager
def ftp(port: int, user: str = "aggregator") -> Iterator[ftplib.FTP]:
    with ftplib.FTP(timeout=30) as it:
        it.connect("127.0.0.1", port)
        it.login(user, PLAIN)
        yield it


def test_what_is_neither_sealed_nor_signed_is_refused_whatever_it_is_called(hub: Hub, tmp_path: Path) -> None:
    made = export(hub.three, tmp_path / "medium")
    sealed = made.file.read_bytes()
    with served(hub.three.hub):
        wait_for(lambda: is_open(hub.port))
        with pytest.raises(ftplib.error_temp, match=NAMED), ftp(hub.port) as it:
            it.storbinary("STOR in/a.itc.part", io.BytesIO(table("OUT-1")))
        with ftp(hub.port) as it:
            # It begins as a parcel does, and is none; and one that was written around the first look.
            it.storbinary("STOR in/b.itp.part", io.BytesIO(sealed[:4] + table("OUT-1")))
            it.storbinary("STOR in/c.itp.part", io.BytesIO(sealed[:40]))
            it.storbinary("APPE in/c.itp.part", io.BytesIO(b"in clear" * 10))
            for name in ("b.itp", "c.itp"):
                it.sendcmd(f"RNFR in/{name}.part")
                with pytest.raises(ftplib.error_perm, match=NAMED):
                    it.sendcmd(f"RNTO in/{name}")
            with pytest.raises(ftplib.error_perm, match=NAMED):
                it.retrbinary("RETR in/b.itp.part", lambda data: None)
            it.storbinary("STOR in/d.itc.part", io.BytesIO(sealed))
            it.rename("in/d.itc.part", "in/d.itc")
        wait_for((hub.box / "receipts" / f"{made.parcel}.taken.json").exists)
    log = (hub.three.hub / "serve.log").read_text()
    assert log.count('"code": "protection_too_weak"') >= 4 and f'"partner": "{AGGREGATOR}"' in log


@pytest.mark.parametrize("over", ["the door", "the partner", "the date", "another user"])
def test_without_tls_nobody_comes_who_is_not_let(over: str, hub: Hub) -> None:
    directory, port = hub.three.hub, hub.port
    if over == "the door":
        settings = directory / "intertie.toml"
        settings.write_text(settings.read_text().replace("plain = true\n", "", 1))
    until = "2020-01-01" if over == "the date" else "2099-12-31"
    put_legacy(directory, AGGREGATOR, ROLE, comes("aggregator", plain=over != "the partner"), until)
    with served(directory):
        wait_for(lambda: is_open(port))
        user = "somebody" if over == "another user" else "aggregator"
        with pytest.raises(ftplib.error_perm, match="SSL/TLS required"), ftp(port, user):
            pass
        with ftplib.FTP(timeout=30) as it:  # and not by naming first a user who may
            it.connect("127.0.0.1", port)
            if over == "another user":
                assert it.sendcmd("USER aggregator").startswith("331")
                with pytest.raises(ftplib.error_perm, match="SSL/TLS required"):
                    it.sendcmd("USER somebody")
            with pytest.raises(ftplib.error_perm, match="SSL/TLS required"):
                it.sendcmd(f"PASS {PLAIN}")


def test_who_may_come_without_tls_and_comes_over_it_is_protected_whole(hub: Hub) -> None:
    context = ssl.create_default_context(cafile=str(hub.three.hub / "ftps.pem"))
    with served(hub.three.hub):
        wait_for(lambda: is_open(hub.port))
        with ftplib.FTP_TLS(context=context, timeout=30) as it:
            it.connect("127.0.0.1", hub.port)
            it.login("aggregator", SECRET)
            with pytest.raises(ftplib.error_perm, match="data channel"):
                it.nlst()
            it.prot_p()
            assert set(it.nlst()) >= {"in", "out"}


def test_show_and_inventory_say_it_with_its_end_date(hub: Hub, tmp_path: Path) -> None:
    shown = command("partner", "show", AGGREGATOR, "--dir", hub.three.hub).out
    assert "without TLS" in shown and "2099-12-31" in shown
    out = tmp_path / "cbom.json"
    assert command("policy", "inventory", "-o", out, "--dir", hub.three.hub).code == 0
    assert "FTP without TLS" in out.read_text() and "2099-12-31" in out.read_text()


class Theirs(NamedTuple):
    """A partner's server without TLS: its port, its files, and what was asked of it."""

    port: int
    folder: Path
    asked: list[str]

    def terms(self, **changed: Any) -> TheirFtps:
        said: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "intertie",
            "secret_file": "password.txt",
            "tls": "none",
            "to": "from_us",
            "fetch": "to_us",
        }
        return TheirFtps(**(said | changed))


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[Theirs]:
    """pyftpdlib as it is."""
    folder, asked, port = tmp_path / "theirs", [], free_port()
    for name in ("to_us", "from_us", "receipts"):
        (folder / name).mkdir(parents=True)
    users = DummyAuthorizer()
    users.add_user("intertie", PLAIN, str(folder), perm="elradfmwMT")

    class Handler(FTPHandler):  # type: ignore[misc]
        authorizer = users

        def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
            asked.append(line)
            super().pre_process_command(line, cmd, arg)

        def log(self, *said: Any, **more: Any) -> None:
            pass

        logline = log_cmd = log_transfer = log

    listening, stopping = FTPServer(("127.0.0.1", port), Handler, ioloop=IOLoop()), threading.Event()

    def work() -> None:
        while not stopping.is_set():
            listening.ioloop.loop(0.05, blocking=False)
        listening.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    yield Theirs(port, folder, asked)
    stopping.set()
    thread.join()


def test_we_go_to_a_server_without_tls_and_leave_there_what_is_signed_alone(
    theirs: Theirs, tmp_path: Path
) -> None:
    three = two(tmp_path)
    set_section(three.home, "ftps", "visits = true\nplain = true\n")
    keep_secret(three.home, PLAIN)
    who = f'host = "127.0.0.1", port = {theirs.port}, user = "intertie", secret_file = "password.txt", tls = "none"'
    where = 'to = "from_us", fetch = "to_us", receipts = "receipts", poll_seconds = 0.2, complete = "renamed"'
    put_legacy(three.home, AGGREGATOR, ROLE, f"[ftps]\nserver = {{ {who}, {where} }}")
    made = export(three, tmp_path / "medium")
    receipt = theirs.folder / "receipts" / f"{made.parcel}.receipt.json"
    with served(three.home):
        sealed = made.file.read_bytes()
        for name, content in (
            ("outages.csv", table("OUT-1")),
            ("changed.itp", sealed[:-1] + bytes([sealed[-1] ^ 1])),
            ("half.itp", sealed[: len(sealed) // 2]),
            ("../out.itp".replace("/", "\\"), sealed),  # no name of a file
            ("-rf", sealed),
            ("part.itp.part", sealed),  # not done
            (made.file.name, sealed),
            ("twice.itp", sealed),
        ):
            (theirs.folder / "to_us" / name).write_bytes(content)
        wait_for(receipt.exists)
        wait_for(lambda: len(list((theirs.folder / "to_us").iterdir())) == 3)
        time.sleep(1)
    left = {file.name for file in (theirs.folder / "to_us").iterdir()}
    assert left == {"..\\out.itp", "-rf", "part.itp.part"}, (
        "what has no name, or is not done, stays where it is"
    )
    refused = {
        file.name.partition(".")[0]
        for file in (three.home / "ftps" / AGGREGATOR / "box" / "refused").iterdir()
    }
    assert refused == {"outages", "changed", "half"}
    log = (three.home / "serve.log").read_text()
    assert f'"partner": "{AGGREGATOR}", "code": "protection_too_weak"' in log
    gateway = open_gateway(three.home)
    assert len(gateway.store.messages(Query(outgoing=False))) == 1, "each once"
    gateway.store.close()
    assert bring_back(receipt, to=three.aggregator) == "accepted"
    assert [file.name for file in (theirs.folder / "receipts").iterdir()] == [receipt.name]


def client(base: Path, *, plain: bool = True) -> FtpsClient:
    keep_secret(base, PLAIN)
    return FtpsClient(lambda name: base / name, 10.0, plain=plain)


def test_our_way_out_refuses_what_is_not_sealed_and_every_server_while_the_setting_is_off(
    theirs: Theirs, tmp_path: Path
) -> None:
    async def put(content: bytes, plain: bool) -> None:
        it = client(tmp_path, plain=plain)
        try:
            await it.put(theirs.terms(), "from_us", "a.itp", content)
        finally:
            await it.aclose()

    made = export(two(tmp_path / "gateways"), tmp_path / "medium")
    with pytest.raises(PartnerError, match=r"intertie at 127.0.0.1: without TLS only sealed"):
        asyncio.run(put(table("OUT-1"), True))
    with pytest.raises(PartnerError, match=r"plain is not set: nothing goes to 127.0.0.1 without TLS"):
        asyncio.run(put(made.file.read_bytes(), False))
    assert not theirs.asked, "not even the secret was said"
    asyncio.run(put(made.file.read_bytes(), True))
    assert (theirs.folder / "from_us" / "a.itp").read_bytes() == made.file.read_bytes()


def test_after_its_end_date_nothing_goes_there_and_nothing_is_fetched(theirs: Theirs, tmp_path: Path) -> None:
    three = two(tmp_path)
    set_section(three.home, "ftps", "visits = true\nplain = true\n")
    keep_secret(three.home, PLAIN)
    who = f'host = "127.0.0.1", port = {theirs.port}, user = "intertie", secret_file = "password.txt", tls = "none"'
    section = f'[ftps]\nserver = {{ {who}, to = "from_us", fetch = "to_us", poll_seconds = 0.2 }}'
    put_legacy(three.home, AGGREGATOR, ROLE, section, "2020-01-01")
    body = tmp_path / "status.json"
    body.write_text(command("example", "charging_status").out)
    with served(three.home):
        sent = command(
            "send", body, "--to", AGGREGATOR, "--document", "charging_status", "--interface", "ET8", "--mode", "real_time",
            "--wait", "3", "--dir", three.home, "--json",
        )  # fmt: skip
    assert "accepted" not in sent.out and not theirs.asked
    assert HUB not in sent.out
