"""Going to a partner's SFTP server: its host key is pinned, uploads have another name until they are whole, and go on where
they stopped; its outbox is looked at, and what we have is put aside or removed there."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import cast

import asyncssh

from intertie.bindings.sftp.names import is_file_name, is_unfinished
from intertie.bindings.sftp.seen import FILES_MAX, PART
from intertie.bindings.sftp.server import CIPHERS, KEX, MACS, SIGNATURES
from intertie.formats.sftp_terms import Theirs
from intertie.model.errors import PartnerError

LOG = logging.getLogger("intertie.sftp")
# What was uploaded before is compared over so much of its end before it is gone on with.
SAME_BYTES = 4096
# One write.
PIECE = 128 * 1024


class SftpClient:
    """Connections to partners' servers, one each; close it when done. All its errors are PartnerError."""

    def __init__(self, key: Callable[[], bytes], seconds: float) -> None:
        self._key, self._seconds = key, seconds
        self._open: dict[Theirs, tuple[asyncssh.SSHClientConnection, asyncssh.SFTPClient]] = {}

    async def put(self, there: Theirs, folder: str, name: str, content: bytes) -> None:
        """A file, whole, under its name. It may be there already: then nothing is done."""
        async with self._session(there) as sftp:
            target = f"{folder}/{name}"
            if await self._size(sftp, target) == len(content):
                return
            part = target + PART
            begin = await self._begun(sftp, part, content)
            async with sftp.open(part, "r+b" if begin else "wb") as file:
                for at in range(begin, len(content), PIECE):
                    await file.write(content[at : at + PIECE], at)
            if await self._size(sftp, part) != len(content):
                raise PartnerError("the partner's server has another length than was written")
            await _rename(sftp, part, target)

    async def _begun(self, sftp: asyncssh.SFTPClient, part: str, content: bytes) -> int:
        """Where an upload goes on: at the end of what is there, if that is the beginning of this file."""
        size = await self._size(sftp, part) or 0
        if not 0 < size <= len(content):
            return 0
        begin = max(0, size - SAME_BYTES)
        async with sftp.open(part, "rb") as file:
            there = cast(bytes, await file.read(size - begin, begin))
            return size if there == content[begin:size] else 0

    async def _size(self, sftp: asyncssh.SFTPClient, path: str) -> int | None:
        try:
            return (await sftp.stat(path)).size
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            return None

    async def names(self, there: Theirs, folder: str) -> set[str]:
        """What lies in a folder."""
        async with self._session(there) as sftp:
            return {str(name) for name in await sftp.listdir(folder)}

    async def look(self, there: Theirs) -> dict[str, tuple[int, int]]:
        """Size and time of each file of the outbox whose writer is done, by name."""
        found: dict[str, tuple[int, int]] = {}
        async with self._session(there) as sftp:
            async for entry in sftp.scandir(there.fetch):
                name, attrs = str(entry.filename), entry.attrs
                if attrs.type != asyncssh.FILEXFER_TYPE_REGULAR or is_unfinished(name):
                    continue
                if not is_file_name(name):
                    LOG.warning("sftp name", extra={"why": "a file whose name is none was left where it is"})
                    continue
                found[name] = (attrs.size or 0, attrs.mtime or 0)
                if len(found) == FILES_MAX:
                    break
        return found

    async def get(self, there: Theirs, name: str, limit: int) -> bytes:
        """A file of the outbox, one byte more than the limit at most."""
        async with self._session(there) as sftp, sftp.open(f"{there.fetch}/{name}", "rb") as file:
            return cast(bytes, await file.read(limit + 1))

    async def took(self, there: Theirs, name: str) -> None:
        """We have it: put aside there, or removed."""
        async with self._session(there) as sftp:
            path = f"{there.fetch}/{name}"
            try:
                if there.taken is None:
                    await sftp.remove(path)
                else:
                    await _rename(sftp, path, f"{there.taken}/{name}")
            except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
                return

    @contextlib.asynccontextmanager
    async def _session(self, there: Theirs) -> AsyncIterator[asyncssh.SFTPClient]:
        """A session that is open, or a new one. What the partner's server says becomes an error of ours."""
        try:
            async with asyncio.timeout(self._seconds * 4):
                yield await self._connected(there)
        except asyncssh.SFTPConnectionLost as error:
            await self._drop(there)
            raise PartnerError("the connection to the partner's server was lost") from error
        except asyncssh.SFTPError as error:
            raise PartnerError(f"the partner's server says no: {type(error).__name__}") from error
        except asyncssh.HostKeyNotVerifiable as error:
            raise PartnerError("the partner's server has another host key than was agreed") from error
        except asyncssh.PermissionDenied as error:
            raise PartnerError("the partner's server does not let us in with our key") from error
        except (OSError, TimeoutError, asyncssh.Error) as error:
            await self._drop(there)
            raise PartnerError(f"no answer of the partner's server: {type(error).__name__}") from error

    async def _connected(self, there: Theirs) -> asyncssh.SFTPClient:
        known = self._open.get(there)
        if known is not None and not known[0].is_closed():
            return known[1]
        pinned = [asyncssh.import_public_key(line) for line in there.host_keys]
        connection = await asyncssh.connect(
            there.host,
            there.port,
            username=there.user,
            known_hosts=(pinned, [], []),
            server_host_key_algs=_host_algorithms(pinned),
            client_keys=[asyncssh.import_private_key(self._key())],
            config=None,
            agent_path=None,
            gss_host=None,
            preferred_auth="publickey",
            kex_algs=KEX,
            encryption_algs=CIPHERS,
            mac_algs=MACS,
            signature_algs=SIGNATURES,
            compression_algs=None,
            connect_timeout=self._seconds,
            login_timeout=self._seconds,
            keepalive_interval=self._seconds,
            client_version="Intertie",
        )
        sftp = await connection.start_sftp_client(sftp_version=3)
        self._open[there] = (connection, sftp)
        return sftp

    async def _drop(self, there: Theirs) -> None:
        known = self._open.pop(there, None)
        if known is not None:
            known[0].abort()

    async def aclose(self) -> None:
        """Let go of connections."""
        for connection, _ in self._open.values():
            connection.close()
            with contextlib.suppress(OSError, asyncssh.Error):
                await connection.wait_closed()
        self._open.clear()


def _host_algorithms(pinned: list[asyncssh.SSHKey]) -> list[str]:
    """Those of the keys that are pinned: a server has several."""
    found: list[str] = []
    for key in pinned:
        name = key.get_algorithm()
        found += ["rsa-sha2-512", "rsa-sha2-256"] if name == "ssh-rsa" else [name]
    return list(dict.fromkeys(found))


async def _rename(sftp: asyncssh.SFTPClient, old: str, new: str) -> None:
    """By the way that replaces, where the server knows it."""
    try:
        await sftp.posix_rename(old, new)
    except asyncssh.SFTPOpUnsupported:
        await sftp.rename(old, new)
