"""The door for partners that come by FTP over TLS. Control and data both go over TLS, or nothing does; but for partners that may
come without it, with what is sealed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, cast

from pyftpdlib.authorizers import AuthenticationFailed
from pyftpdlib.filesystems import FilesystemError
from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from intertie.bindings.ftps.filesystem import BoxFs, Limited
from intertie.bindings.sftp.boxes import Box
from intertie.bindings.sftp.mailbox import Guest, Told
from intertie.bindings.sftp.names import is_unfinished
from intertie.formats.ftps_terms import FtpsTerms
from intertie.formats.upload_terms import hash_secret, is_hashed_secret
from intertie.gateway.configuration.ftps_settings import FtpsDoor
from intertie.gateway.configuration.listening import address_of
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.translating.foreign import Foreign
from intertie.gateway.translating.in_clear import check_in_clear, check_opens_nothing_else, check_sealed
from intertie.model.errors import Code, Refused, SettingsError, StoreError
from intertie.model.ids import PartyId
from intertie.seal.tls_files import context_of_files

LOG = logging.getLogger("intertie.ftps")
# Change folder, list, read, remove, rename, store, append. No folders are made, no rights set.
PERMITTED = "elrdfwa"
# How soon the server sees that it is to end.
TURN_SECONDS = 0.2
# As OpenSSL has it: the other side said that it sends no more.
RECEIVED_SHUTDOWN = 2
# After so many wrong secrets the connection is closed; each takes so long.
LOGIN_TRIES, LOGIN_SECONDS = 3, 1


class FtpsDoorway:
    """Who is let in, and where. `ticks` is a monotonic clock in seconds."""

    def __init__(
        self,
        gateway: Gateway,
        settings: FtpsDoor,
        folder: Path,
        told: Told,
        ticks: Callable[[], float],
        today: Callable[[], date],
    ) -> None:
        self._gateway, self._settings, self._folder, self._ticks = gateway, settings, folder, ticks
        self.told, self._today = told, today
        self._guests: dict[PartyId, Guest] = {}
        self._stopping = threading.Event()

    def open(self, certificate: Path, key: Path) -> FTPServer:
        """A server that listens. SettingsError for files or an address that cannot be had."""
        settings = self._settings
        said = {
            "authorizer": _Authorizer(self),
            "door": self,
            "ssl_context": context_of_files(certificate, key, "[ftps]"),
            "timeout": settings.idle_seconds,
            "passive_ports": range(settings.data_ports[0], settings.data_ports[1] + 1)
            if settings.data_ports
            else None,
            "masquerade_address": settings.address or None,
        }
        handler = type("Handler", (_Session,), said)
        try:
            server = FTPServer(
                address_of(settings.listen), handler, ioloop=IOLoop()
            )  # its own: it is closed at the end
        except OSError as error:
            do = "Choose another port, or free it."
            raise SettingsError(f"[ftps] listen {settings.listen}: {error.strerror}", do=do) from error
        server.max_cons = settings.connections
        server.max_cons_per_ip = settings.connections_per_address
        return server

    def serve(self, server: FTPServer) -> None:
        """Until `stop`; for a thread."""
        try:
            while not self._stopping.is_set():
                server.ioloop.loop(TURN_SECONDS, blocking=False)
        finally:
            server.close_all()

    def stop(self) -> None:
        """End; from any thread."""
        self._stopping.set()

    def find(self, user: str, secret: str, *, in_clear: bool) -> tuple[PartyId, FtpsTerms] | None:
        """The partner of this user and secret, if it may come; `in_clear`: without TLS, where other secrets count."""
        known = self._of(user)
        if known is None:
            hash_secret(secret)
            return None
        partner, _, terms = known
        good = is_hashed_secret(terms.plain_secrets if in_clear else terms.secrets, secret)
        if not good or partner.suspended:
            if in_clear and is_hashed_secret(terms.secrets, secret):
                why = "its secret for TLS was said without it, and whoever listened has it: give it another"
                LOG.error("ftps refused", extra={"partner": partner.party, "why": why})
            return None
        if in_clear:
            try:
                check_opens_nothing_else(partner.party, hash_secret(secret), self._gateway.partners.all())
            except Refused as refused:
                _say(refused)
                return None
        return partner.party, terms

    def _of(self, user: str) -> tuple[Partner, Foreign, FtpsTerms] | None:
        for partner in self._gateway.partners.all():
            foreign = partner.foreign
            if foreign is not None and foreign.ftps_terms is not None and foreign.ftps_terms.user == user:
                return partner, foreign, foreign.ftps_terms
        return None

    def may_stay(self, user: str) -> bool:
        """Whether a session that is open goes on: not of a partner that was suspended, or is another's, meanwhile."""
        known = self._of(user)
        return known is not None and not known[0].suspended

    def check_in_clear(self, user: str) -> None:
        """Refused unless this user may come without TLS: the door lets such in, its legacy file says so, and until when."""
        known = self._of(user)
        if known is None:
            raise Refused(Code.PROTECTION_TOO_WEAK, "nobody is known who may come without TLS so")
        partner, foreign, _ = known
        check_in_clear(partner.party, foreign, self._today(), allowed=self._settings.plain)

    def home_of(self, user: str) -> str:
        """The top of the mailbox of this user."""
        known = self._of(user)
        if known is None:
            raise AuthenticationFailed("user and secret are not known")
        return str(self.guest(known[0].party).box.root)

    def guest(self, party: PartyId) -> Guest:
        """Its box and limits, over all its sessions."""
        found = self._guests.get(party)
        if found is None:
            box = Box(self._folder, party)
            box.make()
            found = self._guests[party] = Guest(box, self._settings, self._ticks)
        return found


class _Authorizer:
    """What pyftpdlib asks about who comes."""

    def __init__(self, door: FtpsDoorway) -> None:
        self._door = door

    def validate_authentication(self, username: str, password: str, handler: Any) -> None:
        """AuthenticationFailed, or the session has its mailbox."""
        found = self._door.find(username, password, in_clear=not handler._ssl_established)
        if found is None:
            LOG.warning("ftps refused", extra={"why": "not let in"})
            raise AuthenticationFailed("user and secret are not known")
        handler.guest, handler.terms = self._door.guest(found[0]), found[1]
        LOG.info("ftps session", extra={"partner": found[0]})

    def get_home_dir(self, username: str) -> str:
        """Of whoever was just let in."""
        return self._door.home_of(username)

    def has_user(self, username: str) -> bool:
        """Nothing is told."""
        return True

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:
        """Alike for all that may come, now; which folder, the file system knows."""
        return perm in PERMITTED and self._door.may_stay(username)

    def get_perms(self, username: str) -> str:
        """The same."""
        return PERMITTED

    def get_msg_login(self, username: str) -> str:
        """What is said then."""
        return "in, out, receipts, refused"

    def get_msg_quit(self, username: str) -> str:
        """And at the end."""
        return "Goodbye."

    def impersonate_user(self, username: str, password: str) -> None:
        """Nobody on this machine."""

    def terminate_impersonation(self, username: str) -> None:
        """Nobody."""


class _Data(TLS_DTPHandler):  # type: ignore[misc]
    """A data connection. pyftpdlib says nothing when a file cannot be written and TLS is spoken, and its client waits; and it
    takes any end of a connection for the end of a file."""

    transfer_finished: bool
    _judged = False

    def close(self) -> None:
        """Where a file counts when it is closed, its sender has to have closed it: what TLS says at the end (close_notify) is not
        there when a connection breaks, or is cut by somebody between (RFC 8446 s.6.1)."""
        if not self._judged:
            self._judged = True
            if self.receive and self.transfer_finished and self._must_be_closed():
                self.transfer_finished = False
                self._resp = (
                    "426 the connection ended, and TLS was not closed: send it again",
                    self.cmd_channel.log,
                )
        super().close()

    def _must_be_closed(self) -> bool:
        name = Path(self.file_obj.name).name if self.file_obj is not None else ""
        if self.cmd_channel.terms.complete != "closed" or is_unfinished(name):
            return False
        said = getattr(self.socket, "get_shutdown", None)  # without TLS nothing says that it was closed
        return said is None or not said() & RECEIVED_SHUTDOWN

    def handle_error(self) -> None:
        """Say so before it is closed."""
        if isinstance(self.file_obj, Limited) and self.file_obj.refused is not None:
            said = f"426 {self.file_obj.refused.why}"
            _say(self.file_obj.refused)
        else:
            most = self.cmd_channel.guest.settings.file_bytes
            said = f"426 it was cut off: a file has at most {most} bytes, or the disk cannot be written"
        self._resp = (said, self.cmd_channel.log)
        super().handle_error()


class _Session(TLS_FTPHandler):  # type: ignore[misc]
    """One connection."""

    door: FtpsDoorway
    guest: Guest
    terms: FtpsTerms
    attempted_logins: int
    banner = "Ready."
    abstracted_fs = BoxFs
    dtp_handler = _Data
    # STOU would write under a name of the server's choice, past all that a file to be written is asked.
    proto_cmds: ClassVar[dict[str, Any]] = {
        name: said for name, said in TLS_FTPHandler.proto_cmds.items() if name != "STOU"
    }
    tls_control_required = True
    tls_data_required = True
    permit_foreign_addresses = False
    use_sendfile = False
    max_login_attempts = LOGIN_TRIES
    auth_failed_timeout = LOGIN_SECONDS
    log_prefix = "ftps"

    def log(self, *said: Any, **more: Any) -> None:
        """Its own words would hold names: ours stand elsewhere."""

    logline = log_cmd = log_transfer = log

    def log_exception(self, instance: Any) -> None:
        """A mistake in a session ends it."""
        LOG.error("ftps", exc_info=True)

    def ftp_AUTH(self, line: str) -> None:
        """Turn to TLS. What was sent ahead without it is not heard (as in CVE-2011-0411), and who logged in without it is not
        logged in any more: over TLS other secrets count."""
        self.ac_in_buffer = b""
        self.flush_account()
        self.tls_control_required = self.tls_data_required = True
        super().ftp_AUTH(line)

    def flush_account(self) -> None:
        """Nobody is logged in; wrong secrets go on being counted."""
        tries = self.attempted_logins
        super().flush_account()
        self.attempted_logins = tries

    def ftp_PROT(self, line: str) -> None:
        """Data of a session over TLS is protected, also if it was asked for before (RFC 2228 s.3: 534)."""
        if line.upper() == "C" and self._ssl_established:
            self.respond("534 Data is protected here: PROT P.")
        else:
            super().ftp_PROT(line)

    def process_command(self, cmd: str, *args: Any, **more: Any) -> None:
        """A user that may come without TLS may go on so, as long as it may; all others are told to turn to TLS before they say a
        secret."""
        if cmd == "USER" and not self._ssl_established:
            needed = self._refusal(args[0]) is not None
            self.tls_control_required = self.tls_data_required = needed
        elif self.authenticated and not self._ssl_established and cmd not in ("AUTH", "QUIT"):
            refused = self._refusal(self.username)
            if refused is not None:
                self.flush_account()
                self.respond(f"530 {refused.why}")
                return
        super().process_command(cmd, *args, **more)

    def _refusal(self, user: str) -> Refused | None:
        """Why this user may not come without TLS; None if it may."""
        try:
            self.door.check_in_clear(user)
        except Refused as refused:
            _say(refused)
            return refused
        return None

    def check_sealed(self, content: bytes) -> None:
        """FilesystemError for what may not go as this session goes."""
        if self.is_protected:
            return
        try:
            self.door.check_in_clear(self.username)
            check_sealed(self.guest.box.party, content)
        except Refused as refused:
            _say(refused)
            raise FilesystemError(refused.why) from refused

    @property
    def is_protected(self) -> bool:
        """Whether commands and data go over TLS."""
        return bool(self._ssl_established and self._prot)

    def arrived(self, name: str) -> None:
        """A file counts."""
        self.door.told.arrived(self.guest.box.party)

    def on_file_received(self, file: str) -> None:
        """Whole, as far as its sender says."""
        name = Path(file).name
        if self.terms.complete != "closed" or is_unfinished(name):
            return
        try:
            self.guest.box.arrive(name, name)
        except (StoreError, FileNotFoundError):
            LOG.error("ftps", extra={"partner": self.guest.box.party, "why": "an upload could not be kept"})
            return
        self.arrived(name)

    def fetched(self, name: str) -> None:
        """Its reader removes a file of `out`. That it was sent to its end would not say that it arrived."""
        box = self.guest.box
        box.note_fetched(name, self.terms.user or "")
        self.door.told.fetched(box.party, name)


def _say(refused: Refused) -> None:
    """In the log: who broke which rule."""
    said = {"partner": refused.partner, "code": refused.code.value, "why": refused.detail}
    LOG.warning("ftps refused", extra=said)


def port_of(server: FTPServer) -> int:
    """Where it listens."""
    return cast(int, server.socket.getsockname()[1])
