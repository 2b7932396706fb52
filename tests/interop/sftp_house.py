"""A gateway with its mailbox served, and OpenSSH on the other side: its client that comes, or its server to which we go."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.exchange.uftp_world import TEXT
from tests.ports import free_port

from intertie.cli import run
from intertie.exchange.outbound import State
from intertie.gateway.ports import MessageRow, Query
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.gateway.translating.deliver_translated import deliver_translated
from intertie.model.documents import example
from intertie.model.ids import AgreementId, DocumentName, InterfaceCode, MessageId, PartyId
from intertie.model.message import Mode
from intertie.model.record import Record
from intertie.run import Opened
from intertie.run.by_name import serve_mailbox
from intertie.run.foreign import ForeignPosts
from intertie.seal.ssh_keys import HOST, public_line

US, THEM = PartyId("aggregator.example"), PartyId("utility.example")
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
needs_client = pytest.mark.skipif(
    shutil.which("sftp") is None, reason="OpenSSH's sftp is not here (openssh-client)"
)
needs_server = pytest.mark.skipif(SSHD is None, reason="OpenSSH's sshd is not here (openssh-server)")
LEGACY = """
name = "The Utility"
roles = ["distribution_utility"]
legacy_until = 2099-12-31

[sftp]
{sftp}

[csv]
zone = "America/New_York"

[contract]
agreement = "{agreement}"
buyer = "utility.example"
seller = "aggregator.example"
effective = {effective}
general_terms = {{ title = "Base contract", edition = "2026", sha256 = "{sha256}" }}
calendar = {{ name = "utility", zone = "America/New_York" }}
"""


def table(*outages: str) -> bytes:
    """Outage notices as the utility's spreadsheet has them."""
    starts = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%MZ")
    lines = [f"outage_notice,{outage},unplanned,F12-T9,{starts},equipment_failure" for outage in outages]
    return "\n".join(["document,outage,kind,points,starts,cause", *lines, ""]).encode()


def make_key(path: Path) -> str:
    """A key pair by ssh-keygen; its public line."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "utility", "-f", str(path)], check=True
    )
    return path.with_suffix(".pub").read_text().strip()


class House(NamedTuple):
    """Our directory, and the port of our mailbox."""

    place: Path
    port: int
    listens: bool = True

    def box(self, *parts: str) -> Path:
        return Path(self.place, "sftp", THEM, "box", *parts)


def make_house(base: Path, sftp: str, *, listen: bool = True, more: str = "") -> House:
    """A gateway of the aggregator, with the utility's legacy file."""
    place, port = base / "us", free_port()
    url = f"https://127.0.0.1:{free_port()}"
    assert run(["init", US, "--role", "der_aggregator", "--url", url, "--dir", str(place)]) == 0
    said = "[sftp]\nenabled = true\n" + (f'listen = "127.0.0.1:{port}"\n' if listen else "") + more
    settings = place / "intertie.toml"
    settings.write_text(settings.read_text().replace("[sftp]\n", said, 1))
    add_partner(place, sftp)
    return House(place, port, listen)


def add_partner(place: Path, sftp: str) -> None:
    effective = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    file = place.parent / "them.file"
    text = LEGACY.format(
        sftp=sftp, agreement=TEXT.agreement, effective=effective, sha256=TEXT.general_terms.sha256
    )
    file.write_text(text)
    assert run(["partner", "legacy", THEM, str(file), "--dir", str(place)]) == 0


@contextmanager
def serving(house: House) -> Iterator[Opened]:
    """Its mailbox and visits, in a loop of their own, as `intertie serve` has them."""
    it = Opened(house.place)
    it.store.unlock()
    loop = asyncio.new_event_loop()
    task = loop.create_task(serve_mailbox("sftp", it))

    def work() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        until(lambda: task.done() or not house.listens or answers(house.port))
        yield it
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()
        it.close()
        assert task.cancelled(), task.exception()


def answers(port: int) -> bool:
    """Whether somebody is there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as it:
        return it.recv(4) == b"SSH-"
    return False


def until(what: Callable[[], object], seconds: float = 120) -> None:
    """It becomes so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come so"
        time.sleep(0.05)


class Person:
    """Somebody with OpenSSH's `sftp`, who knows our host key."""

    def __init__(self, house: House, key: Path, user: str = "utility", host_key: str = "") -> None:
        self.house, self.key, self.user = house, key, user
        self.known = key.with_suffix(".known")
        it = Opened(house.place)
        line = host_key or public_line(it.ssh_key(HOST))
        it.close()
        self.known.write_text(f"[127.0.0.1]:{house.port} {line}\n")

    def says(self, *lines: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A batch of commands."""
        options = {
            "UserKnownHostsFile": str(self.known),
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "PasswordAuthentication": "no",
            **more,
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        command = ["sftp", "-b", "-", *words, "-i", str(self.key), "-P", str(self.house.port)]
        return subprocess.run(
            [*command, f"{self.user}@127.0.0.1"],
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
            cwd=self.key.parent,
            timeout=60,
        )

    def does(self, *lines: str) -> str:
        """The same; it works."""
        done = self.says(*lines)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fails(self, *lines: str, **more: str) -> str:
        """The same; it does not."""
        done = self.says(*lines, **more)
        assert done.returncode != 0, done.stdout
        return done.stderr


@contextmanager
def sshd(base: Path, ours: str) -> Iterator[tuple[int, str, Path]]:
    """OpenSSH's server with a folder for us, who log in with this key: its port, its host key, and the folder."""
    there = base / "theirs"
    for name in ("to_us", "from_us", "receipts", "done"):
        (there / name).mkdir(parents=True)
    host = make_key(base / "host")
    (base / "authorized").write_text(ours + "\n")
    port = free_port()
    (base / "sshd.conf").write_text(
        f"""Port {port}
ListenAddress 127.0.0.1
HostKey {base}/host
PidFile none
AuthorizedKeysFile {base}/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
Subsystem sftp internal-sftp
ForceCommand internal-sftp -d {there}
"""
    )
    if getpass.getuser() == "root":
        Path("/run/sshd").mkdir(exist_ok=True)  # where it goes to before it knows who somebody is
    log = (base / "sshd.log").open("w")
    process = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(base / "sshd.conf")], stderr=log)
    try:
        until(lambda: "listening" in (base / "sshd.log").read_text())
        yield port, host, there
    finally:
        process.terminate()
        process.wait()
        log.close()


def server_terms(port: int, host: str) -> str:
    """The legacy file's `[sftp]` for it."""
    who = f'host = "127.0.0.1", port = {port}, user = "{getpass.getuser()}", host_keys = ["{host}"]'
    where = 'to = "from_us", fetch = "to_us", receipts = "receipts", taken = "done", poll_seconds = 1'
    return f"server = {{ {who}, {where} }}"


def inbox(it: Opened) -> list[MessageRow]:
    return list(it.store.messages(Query(outgoing=False, limit=1000)))


def say(it: Opened) -> MessageId:
    """Something for the utility: an outage of a DER of ours would need a book; a request for readings needs none."""
    _, body = example(DocumentName("meter_request"))
    return send(it.gateway, [outgoing(body)], it.clock())[0]


def outgoing(body: Record) -> Outgoing:
    return Outgoing(
        body=body,
        recipient=THEM,
        interface=InterfaceCode("DA"),
        mode=Mode.SCHEDULED,
        agreement=AgreementId(TEXT.agreement),
    )


def deliver(it: Opened) -> None:
    """Everything that is owed goes."""

    async def all() -> None:
        posts = ForeignPosts(it)
        try:
            while await deliver_translated(it.gateway, posts.post, THEM, it.clock, lambda: 0.0) is not None:
                pass
        finally:
            await posts.aclose()

    asyncio.run(all())


def state(it: Opened, message: MessageId) -> tuple[State, str]:
    row = it.store.message(message, outgoing=True)
    assert row is not None
    return row.state, row.detail
