"""We go to a partner's FTPS server: pyftpdlib's as it is, with curl beside us, and one that is not the partner's."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer
from tests.command.gateways import here
from tests.exchange.uftp_world import TEXT
from tests.interop.sftp_house import LEGACY, THEM, US, House, deliver, inbox, say, state, table, until
from tests.interop.test_ftps import certificate, serving
from tests.ports import free_port

from intertie.bindings.ftps import client as client_module
from intertie.bindings.ftps.client import FtpsClient
from intertie.cli import run
from intertie.exchange.outbound import State
from intertie.formats.ftps_terms import FtpsTerms, TheirFtps
from intertie.model.errors import PartnerError
from intertie.model.record import RuleError
from intertie.run import Opened
from intertie.seal.tls_files import context_of_files

PASSWORD = "a password of theirs"
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")


class Server(NamedTuple):
    """The partner's: its port, its files, where its certificate is, and what was asked of it."""

    port: int
    there: Path
    trust: Path
    asked: list[str]

    @property
    def pin(self) -> str:
        der = ssl.PEM_cert_to_DER_cert(self.trust.read_text())
        return f"sha256:{hashlib.sha256(der).hexdigest()}"

    def terms(self, **changed: Any) -> TheirFtps:
        said: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "intertie",
            "secret_file": "password.txt",
            "certificates": (self.pin,),
            "to": "from_us",
            "fetch": "to_us",
            "receipts": "receipts",
            "taken": "done",
            "poll_seconds": 1,
        }
        return TheirFtps(**(said | changed))

    def curl(self, *words: str) -> bytes:
        """Somebody of the partner's at its own server."""
        tls = ("--ssl-reqd", "--cacert", str(self.trust), "-u", f"intertie:{PASSWORD}")
        return subprocess.run(
            ["curl", "-sS", *tls, *words], capture_output=True, check=True, timeout=60
        ).stdout


@contextmanager
def server(base: Path, **changed: Any) -> Iterator[Server]:
    """pyftpdlib with TLS for everything."""
    there, asked = base / "theirs", []
    for name in ("to_us", "from_us", "receipts", "done"):
        (there / name).mkdir(parents=True)
    certificate(base)
    users = DummyAuthorizer()
    users.add_user("intertie", PASSWORD, str(there), perm="elradfmwMT")

    class Handler(TLS_FTPHandler):  # type: ignore[misc]
        authorizer = users
        ssl_context = context_of_files(base / "ftps.pem", base / "ftps.key", "[theirs]")
        tls_control_required = tls_data_required = True
        auth_failed_timeout = 0

        def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
            asked.append(line)
            super().pre_process_command(line, cmd, arg)

        def log(self, *said: Any, **more: Any) -> None:
            pass

        logline = log_cmd = log_transfer = log

    for name, value in changed.items():
        setattr(Handler, name, value)
    port = free_port()
    listening = FTPServer(("127.0.0.1", port), Handler, ioloop=IOLoop())
    stopping = threading.Event()

    def work() -> None:
        while not stopping.is_set():
            listening.ioloop.loop(0.05, blocking=False)
        listening.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield Server(port, there, base / "ftps.pem", asked)
    finally:
        stopping.set()
        thread.join()


def client_of(base: Path, seconds: float = 10.0) -> FtpsClient:
    secret = base / "password.txt"
    secret.write_text(PASSWORD + "\n")
    secret.chmod(0o600)
    return FtpsClient(lambda name: base / name, seconds)


def make_house(base: Path, one: Server) -> House:
    """A gateway of the aggregator that goes to the utility's server."""
    place = base / "us"
    said = ["init", US, "--role", "der_aggregator", "--url", f"https://127.0.0.1:{free_port()}"]
    assert run([*said, "--dir", str(place)]) == 0
    settings = place / "intertie.toml"
    settings.write_text(settings.read_text().replace("[ftps]\n", "[ftps]\nvisits = true\n", 1))
    secret = place / "password.txt"
    secret.write_text(PASSWORD + "\n")
    secret.chmod(0o600)
    who = f'host = "127.0.0.1", port = {one.port}, user = "intertie", secret_file = "password.txt"'
    where = 'to = "from_us", fetch = "to_us", receipts = "receipts", taken = "done", poll_seconds = 1'
    terms = f'[ftps]\nserver = {{ {who}, certificates = ["{one.pin}"], {where} }}'
    file = base / "them.file"
    file.write_text(
        LEGACY.replace("[sftp]\n{sftp}", terms.replace("{", "{{").replace("}", "}}")).format(
            agreement=TEXT.agreement, effective="2026-01-01T00:00:00Z", sha256=TEXT.general_terms.sha256
        )
    )
    assert run(["partner", "legacy", THEM, str(file), "--dir", str(place)]) == 0
    return House(place, 0, listens=False)


def test_files_go_there_and_come_from_there(tmp_path: Path) -> None:
    with server(tmp_path) as one:
        house = make_house(tmp_path, one)
        with visiting(house) as it:
            message = say(it)
            deliver(it)
            [ours] = list((one.there / "from_us").iterdir())
            assert str(message) in ours.name and ours.stat().st_size
            assert state(it, message)[0] is State.SENDING
            (one.there / "to_us" / "outages.csv").write_bytes(table("OUT-1", "OUT-2"))
            (one.there / "to_us" / "growing.csv.part").write_bytes(table("OUT-3"))
            until(lambda: len(inbox(it)) == 2)
            until((one.there / "done" / "outages.csv").exists)
            deliver(it)
            until(lambda: list((one.there / "receipts").iterdir()))
            assert (one.there / "to_us" / "growing.csv.part").exists()
            ours.unlink()  # the partner has it
            until(lambda: state(it, message)[0] is State.ACCEPTED)
        stored = [line for line in one.asked if line.startswith("STOR")]
        assert stored and all(line.endswith(".part") for line in stored), (
            "no file has its name before it is whole"
        )
        assert not [line for line in one.asked if line.startswith("PROT C")]


@contextmanager
def visiting(house: House) -> Iterator[Opened]:
    """As `serving`, without a door."""
    with serving(house, until_open=False) as it:
        yield it


@needs_curl
def test_the_partner_brings_and_fetches_with_curl(tmp_path: Path) -> None:
    with server(tmp_path) as one:
        house = make_house(tmp_path, one)
        file = tmp_path / "a.csv"
        file.write_bytes(table("OUT-1"))
        url = f"ftp://127.0.0.1:{one.port}"
        with visiting(house) as it:
            one.curl(
                "-T",
                str(file),
                f"{url}/to_us/a.csv.part",
                "-Q",
                "-RNFR /to_us/a.csv.part",
                "-Q",
                "-RNTO /to_us/a.csv",
            )
            until(lambda: len(inbox(it)) == 1)
            message = say(it)
            deliver(it)
            listed = one.curl("--list-only", f"{url}/from_us/").decode().split()
            [name] = [name for name in listed if str(message) in name]
            assert one.curl(f"{url}/from_us/{name}")
            one.curl("--list-only", f"{url}/", "-Q", f"DELE /from_us/{name}")
            until(lambda: state(it, message)[0] is State.ACCEPTED)


def test_to_another_server_nothing_is_said(tmp_path: Path) -> None:
    with server(tmp_path) as one:
        client = client_of(tmp_path)
        there = one.terms(certificates=("sha256:" + "0" * 64,))
        with pytest.raises(PartnerError, match="another certificate"):
            asyncio.run(client.put(there, "from_us", "a.csv", b"secret"))
        with pytest.raises(PartnerError, match="no authority"):
            (tmp_path / "ca.pem").write_text((_other(tmp_path / "other") / "ftps.pem").read_text())
            asyncio.run(client.names(one.terms(certificates=(), ca_file="ca.pem"), "from_us"))
        assert not [line for line in one.asked if line.split()[0] in ("USER", "PASS", "STOR")]
        assert asyncio.run(client.names(one.terms(certificates=(), ca_file="ftps.pem"), "from_us")) == set()
        asyncio.run(client.aclose())


def _other(folder: Path) -> Path:
    folder.mkdir()
    certificate(folder)
    return folder


def test_without_tls_nothing_is_said(tmp_path: Path) -> None:
    def no(self: Any, line: str) -> None:
        self.respond("502 not here")

    with server(tmp_path, ftp_AUTH=no, tls_control_required=False) as one:
        with pytest.raises(PartnerError):
            asyncio.run(client_of(tmp_path).put(one.terms(), "from_us", "a.csv", b"secret"))
        assert not [line for line in one.asked if line.split()[0] in ("USER", "PASS", "STOR")]
    with server(tmp_path / "2" if (tmp_path / "2").mkdir() is None else tmp_path, ftp_PROT=no) as one:
        with pytest.raises(PartnerError, match="502"):
            asyncio.run(client_of(tmp_path).put(one.terms(), "from_us", "a.csv", b"secret"))
        assert not [line for line in one.asked if line.startswith("STOR")]


def test_a_wrong_password_is_said_without_the_partner_s_words(tmp_path: Path) -> None:
    with server(tmp_path) as one:
        client = client_of(tmp_path)
        (tmp_path / "password.txt").write_text("another\n")
        with pytest.raises(PartnerError, match="says no: 530"):
            asyncio.run(client.names(one.terms(), "to_us"))


def test_a_file_is_there_once_whatever_broke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytes(range(256)) * 2000
    with server(tmp_path) as one:
        client, there = client_of(tmp_path), one.terms()
        (one.there / "from_us" / "a.bin.part").write_bytes(content[:1000] + b"of another file")
        real = client_module.Connection.store

        def breaks(self: Any, path: str, content: bytes) -> None:
            real(self, path, content[:5000])
            raise ConnectionResetError

        with monkeypatch.context() as patch:
            patch.setattr(client_module.Connection, "store", breaks)
            with pytest.raises(PartnerError, match="ConnectionResetError"):
                asyncio.run(client.put(there, "from_us", "a.bin", content))
        assert not (one.there / "from_us" / "a.bin").exists()
        asyncio.run(client.put(there, "from_us", "a.bin", content))
        asyncio.run(client.put(there, "from_us", "a.bin", content))
        assert (one.there / "from_us" / "a.bin").read_bytes() == content
        assert len([line for line in one.asked if line.startswith("RNTO")]) == 1
        asyncio.run(client.aclose())


def test_what_comes_short_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(tmp_path) as one:
        client, there = client_of(tmp_path), one.terms()
        (one.there / "to_us" / "a.csv").write_bytes(b"x" * 5000)
        assert asyncio.run(client.get(there, "a.csv", 5000)) == b"x" * 5000
        assert len(asyncio.run(client.get(there, "a.csv", 100))) == 101, "and no more is read of it"
        with monkeypatch.context() as patch:
            patch.setattr(client_module.Connection, "length", lambda self, path: 5001)
            with pytest.raises(PartnerError, match="less of a file"):
                asyncio.run(client.get(there, "a.csv", 9000))
        with pytest.raises(PartnerError):
            asyncio.run(client.get(there, "b.csv", 100))
        asyncio.run(client.took(there, "a.csv"))
        asyncio.run(client.took(there, "a.csv"))  # it is put aside already
        assert (one.there / "done" / "a.csv").exists() and not list((one.there / "to_us").iterdir())
        asyncio.run(client.aclose())


def test_what_lies_there_is_looked_at_with_and_without_mlsd(tmp_path: Path) -> None:
    def no(self: Any, path: str) -> None:
        self.respond("500 not here")

    for number, changed in enumerate(({}, {"ftp_MLSD": no})):
        base = tmp_path / str(number)
        base.mkdir()
        with server(base, **changed) as one:
            client, there = client_of(base), one.terms()
            assert asyncio.run(client.look(there)) == {}
            for name in ("a.csv", "b.csv.part", "con.csv"):
                (one.there / "to_us" / name).write_bytes(b"12345")
            (one.there / "to_us" / "folder").mkdir()
            found = asyncio.run(client.look(there))
            assert list(found) == ["a.csv"] and found["a.csv"][0] == 5
            with pytest.raises(PartnerError):
                asyncio.run(client.names(one.terms(to="nowhere"), "nowhere"))
            asyncio.run(client.aclose())


def test_data_goes_on_in_the_session_of_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some servers let in nobody else: whoever opens a data connection has to be who logged in."""
    reused: list[bool] = []
    real = client_module.Connection.ntransfercmd

    def noted(self: Any, cmd: str, rest: Any = None) -> Any:
        data, size = real(self, cmd, rest)
        reused.append(data.session_reused)  # type: ignore[attr-defined]
        return data, size

    monkeypatch.setattr(client_module.Connection, "ntransfercmd", noted)
    with server(tmp_path) as one:
        client = client_of(tmp_path)
        asyncio.run(client.put(one.terms(), "from_us", "a.csv", b"12345"))
        assert asyncio.run(client.names(one.terms(), "from_us")) == {"a.csv"}
        asyncio.run(client.aclose())
    assert reused and all(reused)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"server": None}, "user"),
        ({"user": "them"}, "user"),
        ({"server": None, "user": "them"}, "secrets"),
        ({"secrets": ("sha256:" + "0" * 64,)}, "secrets"),
    ],
)
def test_terms_say_who_goes_to_whom(changed: dict[str, Any], word: str, tmp_path: Path) -> None:
    there = TheirFtps(host="a", user="us", secret_file="f", ca_file="c", to="a", fetch="b")
    with pytest.raises(RuleError, match=word):
        FtpsTerms(**({"server": there} | changed))
    for more in ({"ca_file": ""}, {"certificates": ("sha256:" + "0" * 64,)}):
        with pytest.raises(RuleError, match="certificates"):
            TheirFtps(
                **(
                    {"host": "a", "user": "us", "secret_file": "f", "ca_file": "c", "to": "a", "fetch": "b"}
                    | more
                )
            )


def test_a_legacy_file_needs_visits_and_the_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with server(tmp_path) as one:
        house = make_house(tmp_path, one)
    file = tmp_path / "them.file"
    shown = here(capsys, "partner", "show", THEM, "--dir", house.place).out
    assert f"we go to ftp://intertie@127.0.0.1:{one.port}" in shown and PASSWORD not in shown
    (house.place / "password.txt").chmod(0o644)
    said = here(capsys, "partner", "legacy", THEM, file, "--dir", house.place)
    assert said.code == 1 and "open to others" in said.err
    settings = house.place / "intertie.toml"
    settings.write_text(settings.read_text().replace("visits = true", "visits = false", 1))
    said = here(capsys, "partner", "legacy", THEM, file, "--dir", house.place)
    assert said.code == 1 and "visits" in said.err
