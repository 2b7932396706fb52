"""Going to a partner's FTPS server: its certificate is pinned, nothing goes without TLS but what is sealed where both agreed on
that, uploads have another name until they are whole, and its outbox is looked at. `bindings.sftp.carrier.Client`."""

from __future__ import annotations

import asyncio
import contextlib
import ftplib
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from intertie.bindings.sftp.names import is_file_name, is_unfinished
from intertie.bindings.sftp.seen import FILES_MAX, PART
from intertie.formats.ftps_terms import TheirFtps
from intertie.gateway.receiving.accept_carried import is_sealed
from intertie.gateway.translating.in_clear import SEALED_ONLY
from intertie.model.errors import PartnerError
from intertie.seal.private_files import read_secret_text
from intertie.seal.tls_files import context_towards, is_pinned

LOG = logging.getLogger("intertie.ftps")
PIECE = 128 * 1024
# Lines of a listing: more is no outbox, and has to fit in memory.
LINES_MAX = 20_000
# How a mailbox of ours calls what it says to people: it is not given out without TLS, and says nothing to a gateway.
NOTE = ".txt"
# "There is no such file", or the command is not known: 550 is said of whatever cannot be had.
NOT_THERE, NOT_KNOWN = "550", ("500", "501", "502", "504")


class NotTheirs(ssl.SSLError):
    """Another certificate than was agreed."""


class Session(ftplib.FTP):
    """What we do at a partner's server."""

    def store(self, path: str, content: bytes) -> None:
        """A file, whole: the server says that it has it."""
        self.voidcmd("TYPE I")
        with self.transfercmd(f"STOR {path}") as data:
            for at in range(0, len(content), PIECE):
                data.sendall(content[at : at + PIECE])
            _end(data)
        self.voidresp()

    def fetch(self, path: str, limit: int) -> bytes:
        """A file, or one byte more than the limit of it: then the session is of no use any more."""
        self.voidcmd("TYPE I")
        found = bytearray()
        with self.transfercmd(f"RETR {path}") as data:
            while chunk := data.recv(PIECE):
                found += chunk
                if len(found) > limit:
                    return bytes(found[: limit + 1])
            _end(data)
        self.voidresp()
        return bytes(found)

    def length(self, path: str) -> int | None:
        """Of a file; None if it is not there. PartnerError if the server does not say: then nothing is sure to be whole."""
        self.voidcmd("TYPE I")
        try:
            return self.size(path)
        except ftplib.error_perm as error:
            if str(error)[:3] == NOT_THERE:
                return None
            raise PartnerError("the partner's server does not say how long a file is (SIZE)") from error

    def entries(self, folder: str) -> Iterator[tuple[str, dict[str, str]]]:
        """Names and facts of what lies there."""
        lines: list[str] = []

        def add(line: str) -> None:
            lines.append(line)
            if len(lines) > LINES_MAX:
                raise PartnerError(f"more than {LINES_MAX} files lie at the partner's server")

        try:
            self.retrlines(f"MLSD {folder}", add)
        except ftplib.error_perm as error:
            if str(error)[:3] not in NOT_KNOWN:
                raise
            yield from self._named(folder)
            return
        for line in lines:
            facts, _, name = line.partition(" ")
            said = (fact.partition("=") for fact in facts.rstrip(";").split(";"))
            yield name, {key.lower(): value for key, _, value in said}

    def _named(self, folder: str) -> Iterator[tuple[str, dict[str, str]]]:
        """The same of a server that knows no MLSD. That a folder is empty, some say as if it were not there."""
        try:
            paths = self.nlst(folder)
        except ftplib.error_perm:
            here = self.pwd()
            self.cwd(folder)
            self.cwd(here)
            return
        for path in paths[:LINES_MAX]:
            size = self.length(f"{folder}/{path.rpartition('/')[2]}")
            if size is not None:
                yield path.rpartition("/")[2], {"type": "file", "size": str(size)}


class InClear(Session):
    """A session without TLS: for what is sealed, where both agreed on that (docs/ftps.md)."""

    def __init__(self, there: TheirFtps, seconds: float) -> None:
        super().__init__(timeout=seconds, encoding="utf-8")
        self._there = there

    def open(self, secret: str) -> None:
        """Log in. The secret goes in the clear, too."""
        self.connect(self._there.host, self._there.port)
        self.login(self._there.user, secret)


class Connection(Session, ftplib.FTP_TLS):
    """A session whose every connection is TLS, to a server whose certificate was looked at before a word was said."""

    def __init__(self, there: TheirFtps, context: ssl.SSLContext, seconds: float) -> None:
        super().__init__(context=context, timeout=seconds, encoding="utf-8")
        self._there = there

    def open(self, secret: str) -> None:
        """Log in, and protect data as well."""
        self.connect()
        self.login(self._there.user, secret)
        self.prot_p()

    def connect(self, *_: Any, **__: Any) -> str:
        """To the partner, with TLS from the first byte where that was agreed."""
        there = self._there
        if there.tls == "explicit":
            said = super().connect(there.host, there.port)
            self.auth()
        else:
            self.host, self.port = there.host, there.port
            plain = socket.create_connection((there.host, there.port), self.timeout)
            self.af = plain.family
            self.sock = self.context.wrap_socket(plain, server_hostname=there.host)
            self.file = self.sock.makefile("r", encoding=self.encoding)
            said = self.welcome = self.getresp()
        self._secured(self.sock)
        return said

    def _secured(self, connection: socket.socket | None) -> ssl.SSLSocket:
        if not isinstance(connection, ssl.SSLSocket):
            raise ssl.SSLError("nothing is said without TLS")
        if self._there.certificates and not is_pinned(connection, self._there.certificates):
            raise NotTheirs("another certificate than was agreed")
        return connection

    def ntransfercmd(self, cmd: str, rest: Any = None) -> tuple[socket.socket, int | None]:
        """A data connection: the session of the control connection goes on in it, since many servers let in nobody else."""
        plain, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321  # TLS follows in the next line but one
        session = self._secured(self.sock).session
        secure = self.context.wrap_socket(plain, server_hostname=self._there.host, session=session)
        return self._secured(secure), size


def _end(data: socket.socket) -> None:
    """Close TLS first: else a server has to take what was cut off for the end. Some do not answer to it, and need not."""
    if isinstance(data, ssl.SSLSocket):
        with contextlib.suppress(OSError):
            data.unwrap()


class FtpsClient:
    """A session with each partner's server, one thing at a time in each; close it when done. `file` finds a file of ours."""

    def __init__(self, file: Callable[[str], Path], seconds: float, *, plain: bool = False) -> None:
        """`plain`: whether we go without TLS at all."""
        self._file, self._seconds, self._plain = file, seconds, plain
        self._lock = threading.Lock()
        self._turns: dict[TheirFtps, threading.Lock] = {}
        self._open: dict[TheirFtps, InClear | Connection] = {}

    async def put(self, there: TheirFtps, folder: str, name: str, content: bytes) -> None:
        """A file, whole, under its name. It may be there already: then nothing is done. One that was begun is sent anew."""
        if there.in_clear and not is_sealed(content):
            raise PartnerError(f"{there.user} at {there.host}: {SEALED_ONLY}", do="Agree on TLS.")
        await asyncio.to_thread(self._put, there, f"{folder}/{name}", content)

    def _put(self, there: TheirFtps, target: str, content: bytes) -> None:
        with self._session(there) as ftp:
            if ftp.length(target) == len(content):
                return
            ftp.store(target + PART, content)
            if ftp.length(target + PART) != len(content):
                raise PartnerError("the partner's server has another length than was sent")
            ftp.rename(target + PART, target)

    async def names(self, there: TheirFtps, folder: str) -> set[str]:
        """What lies in a folder."""
        return await asyncio.to_thread(self._names, there, folder)

    def _names(self, there: TheirFtps, folder: str) -> set[str]:
        with self._session(there) as ftp:
            return {name for name, _ in ftp.entries(folder)}

    async def look(self, there: TheirFtps) -> dict[str, tuple[int, int]]:
        """Size and time of each file of the outbox whose writer is done, by name."""
        return await asyncio.to_thread(self._look, there)

    def _look(self, there: TheirFtps) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        with self._session(there) as ftp:
            entries = list(ftp.entries(there.fetch))
        for name, facts in entries:
            if facts.get("type", "").lower() != "file" or is_unfinished(name):
                continue
            if there.in_clear and name.endswith(NOTE):
                continue
            if not is_file_name(name):
                LOG.warning("ftps name", extra={"why": "a file whose name is none was left where it is"})
                continue
            found[name] = (_digits(facts.get("size", "")), _digits(facts.get("modify", "")))
            if len(found) == FILES_MAX:
                break
        return found

    async def get(self, there: TheirFtps, name: str, limit: int) -> bytes:
        """A file of the outbox, whole, or one byte more than the limit."""
        return await asyncio.to_thread(self._get, there, name, limit)

    def _get(self, there: TheirFtps, name: str, limit: int) -> bytes:
        path = f"{there.fetch}/{name}"
        with self._session(there) as ftp:
            size = ftp.length(path)
            content = ftp.fetch(path, limit)
            if len(content) > limit:
                self._drop(there)
            elif len(content) != size:  # a connection that breaks looks like the end of a file
                raise PartnerError("the partner's server sent less of a file than it has")
            return content

    async def took(self, there: TheirFtps, name: str) -> None:
        """We have it: put aside there, or removed."""
        await asyncio.to_thread(self._took, there, name)

    def _took(self, there: TheirFtps, name: str) -> None:
        path = f"{there.fetch}/{name}"
        with self._session(there) as ftp:
            try:
                if there.taken is None:
                    ftp.delete(path)
                else:
                    ftp.rename(path, f"{there.taken}/{name}")
            except ftplib.error_perm:
                if ftp.length(path) is not None:
                    raise

    @contextlib.contextmanager
    def _session(self, there: TheirFtps) -> Iterator[InClear | Connection]:
        """A session that is open, or a new one. What the partner's server says becomes an error of ours."""
        with self._lock:
            turn = self._turns.setdefault(there, threading.Lock())
        with turn:
            try:
                yield self._connected(there)
            except PartnerError:
                self._drop(there)
                raise
            except NotTheirs as error:
                self._drop(there)
                raise PartnerError("the partner's server has another certificate than was agreed") from error
            except ssl.SSLCertVerificationError as error:
                self._drop(there)
                raise PartnerError("no authority of ca_file vouches for the partner's server") from error
            except ftplib.error_perm as error:
                self._drop(there)
                raise PartnerError(f"the partner's server says no: {_code(error)}") from error
            except (ftplib.Error, OSError, EOFError, ValueError) as error:
                self._drop(there)
                raise PartnerError(f"no answer of the partner's server: {type(error).__name__}") from error

    def _connected(self, there: TheirFtps) -> InClear | Connection:
        if there.in_clear and not self._plain:
            why = f"[ftps] plain is not set: nothing goes to {there.host} without TLS"
            raise PartnerError(why, do="Agree on TLS, or set plain = true.")
        known = self._open.get(there)
        if known is not None:
            try:
                known.voidcmd("NOOP")
                return known
            except (ftplib.Error, OSError, EOFError):  # it was idle for too long
                self._drop(there)
        secret = read_secret_text(self._file(there.secret_file), "password").decode("utf-8", "replace")
        fresh = self._open[there] = self._fresh(there)
        fresh.open(secret)
        return fresh

    def _fresh(self, there: TheirFtps) -> InClear | Connection:
        if there.in_clear:
            return InClear(there, self._seconds)
        context = context_towards(self._file(there.ca_file) if there.ca_file else None, "ca_file")
        return Connection(there, context, self._seconds)

    def _drop(self, there: TheirFtps) -> None:
        known = self._open.pop(there, None)
        if known is not None:
            with contextlib.suppress(OSError):
                known.close()

    async def aclose(self) -> None:
        """Let go of connections."""
        for there in list(self._open):
            self._drop(there)


def _digits(text: str) -> int:
    """A number of a listing; 0 for what is none. Times have fractions on some servers."""
    whole = text.partition(".")[0]
    return int(whole) if whole.isascii() and whole.isdigit() and len(whole) <= 20 else 0


def _code(error: ftplib.Error) -> str:
    """The reply's number: its text is the partner's."""
    said = str(error)[:3]
    return said if said.isascii() and said.isdigit() else "no reply code"
