"""The door for partners that come by SFTP: who they are by their keys, and a mailbox for each. Nothing else is spoken here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import asyncssh
from asyncssh.kex import get_kex_algs

from intertie.bindings.parcel_https.limits import Addresses
from intertie.bindings.sftp.boxes import Box
from intertie.bindings.sftp.mailbox import Guest, Mailbox, Told
from intertie.formats.sftp_terms import SftpTerms
from intertie.gateway.configuration.sftp_settings import SftpDoor
from intertie.gateway.gateway import Gateway, Partner
from intertie.model.ids import PartyId

LOG = logging.getLogger("intertie.sftp")
# Hybrid key exchanges first; none on SHA-1, none on groups under 2048 bits.
_KEX = (
    *("mlkem768x25519-sha256", "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com"),
    *("curve25519-sha256", "curve25519-sha256@libssh.org"),
    *("ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521"),
    *("diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512", "diffie-hellman-group14-sha256"),
)
# Some need a library that is not everywhere.
KEX = tuple(name for name in _KEX if name.encode() in get_kex_algs())
CIPHERS = (
    *("chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-gcm@openssh.com"),
    *("aes256-ctr", "aes192-ctr", "aes128-ctr"),
)
MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
SIGNATURES = (
    *("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    *("rsa-sha2-512", "rsa-sha2-256"),
)
# Connections of an address that come at once.
BURST = 20.0


class SftpDoorway:
    """Who is let in, and where. `ticks` is a monotonic clock in seconds."""

    def __init__(
        self, gateway: Gateway, settings: SftpDoor, folder: Path, told: Told, ticks: Callable[[], float]
    ) -> None:
        self._gateway, self._settings, self._folder, self._told = gateway, settings, folder, told
        self._ticks = ticks
        self._guests: dict[PartyId, Guest] = {}
        self._addresses = Addresses(settings.connections_per_minute, BURST, ticks)
        self.connections = 0

    async def listen(self, host: str, port: int, host_key: bytes) -> asyncssh.SSHAcceptor:
        """Serve; close what it gives when done. OSError if the port is taken."""
        return await asyncssh.create_server(
            lambda: Visitor(self),
            host,
            port,
            server_host_keys=[asyncssh.import_private_key(host_key)],
            sftp_factory=self.mailbox,
            sftp_version=3,
            kex_algs=KEX,
            encryption_algs=CIPHERS,
            mac_algs=MACS,
            signature_algs=SIGNATURES,
            compression_algs=None,
            login_timeout=self._settings.login_seconds,
            keepalive_interval=self._settings.idle_seconds / 4,
            keepalive_count_max=4,
            allow_scp=False,
            agent_forwarding=False,
            x11_forwarding=False,
            server_version="Intertie",
            encoding=None,
            line_editor=False,
            password_auth=False,
            kbdint_auth=False,
        )

    def find(self, user: str) -> tuple[Partner, SftpTerms] | None:
        """The partner that logs in by this name, if it may today."""
        for partner in self._gateway.partners.all():
            foreign = partner.foreign
            if foreign is None or foreign.sftp_terms is None or foreign.sftp_terms.user != user:
                continue
            return None if partner.suspended else (partner, foreign.sftp_terms)
        return None

    def guest(self, party: PartyId) -> Guest:
        """Its box and limits, over all its sessions."""
        found = self._guests.get(party)
        if found is None:
            box = Box(self._folder, party)
            box.make()
            found = self._guests[party] = Guest(box, self._settings, self._ticks)
        return found

    def mailbox(self, chan: asyncssh.SSHServerChannel[bytes]) -> Mailbox:
        """A session of who was let in."""
        party, who = chan.get_extra_info("intertie_party"), chan.get_extra_info("intertie_who")
        found = next(one for one in self._gateway.partners.all() if one.party == party)
        complete = found.foreign.sftp.complete if found.foreign is not None else "renamed"
        return Mailbox(chan, self.guest(party), complete, self._told, who)

    def may_connect(self, address: str) -> bool:
        """Whether one more connection of this address is looked at; it is counted if so."""
        if self.connections >= self._settings.connections:
            return False
        return not self._addresses.wait(address)

    def enter(self, party: PartyId) -> bool:
        """Whether one more session of this partner may begin; it is counted if so."""
        guest = self.guest(party)
        if guest.sessions >= self._settings.connections_per_partner:
            return False
        guest.sessions += 1
        return True

    def leave(self, party: PartyId) -> None:
        """A session ended."""
        self._guests[party].sessions -= 1


class Visitor(asyncssh.SSHServer):
    """One connection."""

    def __init__(self, door: SftpDoorway) -> None:
        self._door = door
        self._connection: asyncssh.SSHServerConnection | None = None
        self._counted = False
        self._user = ""
        self._partner: Partner | None = None
        self._entered = False
        self._who = ""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Somebody is there."""
        self._connection = conn
        address = str((conn.get_extra_info("peername") or ("",))[0])
        if not self._door.may_connect(address):
            LOG.warning("sftp refused", extra={"why": "too many connections"})
            conn.abort()
            return
        self._counted = True
        self._door.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        if self._counted:
            self._door.connections -= 1
        if self._entered and self._partner is not None:
            self._door.leave(self._partner.party)

    def begin_auth(self, username: str) -> bool:
        """Which keys count. Strangers are asked for one too, so that nobody learns which names there are."""
        assert self._connection is not None
        self._user = username
        found = self._door.find(username)
        self._partner = found[0] if found is not None else None
        lines = key_lines(found[1]) if found is not None else []
        self._connection.set_authorized_keys(asyncssh.import_authorized_keys("\n".join(lines)))
        return True

    def auth_completed(self) -> None:
        """It has one of them."""
        connection, partner = self._connection, self._partner
        assert connection is not None and partner is not None
        if not self._door.enter(partner.party):
            LOG.warning("sftp refused", extra={"partner": partner.party, "why": "too many sessions"})
            connection.disconnect(asyncssh.DISC_TOO_MANY_CONNECTIONS, "too many sessions of this partner")
            return
        self._entered = True
        connection.set_extra_info(intertie_party=partner.party, intertie_who=self._user)
        LOG.info("sftp session", extra={"partner": partner.party})


def key_lines(terms: SftpTerms) -> Sequence[str]:
    """As authorized_keys has them: keys, and authorities whose certificates name the user."""
    return [*terms.keys, *(f'cert-authority,principals="{terms.user}" {line}' for line in terms.authorities)]
