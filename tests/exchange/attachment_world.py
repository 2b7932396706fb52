"""Two houses that keep files, and a line between them that can break."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.exchange.https_world import (
    AGGREGATOR,
    AGREEMENT,
    UTILITY,
    Door,
    House,
    link_of,
    make_ca,
    make_house,
    now,
)

from intertie.gateway.attaching.attachment_ports import AttachmentLimits, Attachments
from intertie.gateway.attaching.attachments import FileToSend, seal_attachments
from intertie.gateway.attaching.upload import NotNow, upload_message
from intertie.gateway.configuration.settings import Quota, Street
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.ports import MessageRow, Query
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.model.documents import example
from intertie.model.errors import PartnerError
from intertie.model.ids import ConversationId, InterfaceCode, MessageId, new_message_id
from intertie.model.message import Mode
from intertie.seal.tls_groups import TlsOptions
from intertie.stores.attachment_files import AttachmentFiles


class Line:
    """A TCP line to a door: counts what goes there, and breaks after so many bytes each time, `cuts` times in all."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.to = 0
        self.count = 0
        self.connections = 0
        self.cut_after = 0
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            door = socket.create_connection(("127.0.0.1", self.to))
            threading.Thread(target=self._pump, args=(client, door, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(door, client, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        carried = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                carried += len(data)
                self.count += len(data) if counted else 0
                if counted and self.cuts and carried > self.cut_after:
                    self.cuts -= 1
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()


@dataclass
class World:
    """A utility that sends to an aggregator over a line."""

    utility: House
    aggregator: House
    partner: Partner
    line: Line
    door: Door

    def seal(self, *plains: bytes, **more: Any) -> MessageId:
        """A message with files, queued."""
        return queue_files(self.utility.gateway, *plains, **more)

    def row(self, message: MessageId) -> MessageRow:
        row = self.utility.gateway.store.message(message, outgoing=True)
        assert row is not None
        return row

    def upload(self, message: MessageId, tries: int = 1) -> int:
        """Bring its files, as often as it takes; how many tries it took."""

        async def bring() -> int:
            for number in range(tries):
                link = link_of(self.utility)
                try:
                    await upload_message(self.utility.gateway, link, self.partner, self.row(message), now)
                except (PartnerError, NotNow):
                    if number + 1 == tries:
                        raise
                else:
                    return number + 1
                finally:
                    await link.aclose()
            raise AssertionError

        return asyncio.run(bring())

    def deliver(self) -> Any:
        async def once() -> Any:
            link = link_of(self.utility)
            try:
                return await deliver_once(self.utility.gateway, link, AGGREGATOR, now, lambda: 0.5)
            finally:
                await link.aclose()

        return asyncio.run(once())

    def inbox(self) -> list[MessageRow]:
        return self.aggregator.gateway.store.messages(Query(outgoing=False))

    def folder(self) -> Path:
        return self.aggregator.directory / "attachments"

    def files_there(self) -> list[Path]:
        return [path for path in sorted(self.folder().rglob("*")) if path.is_file()]


def keeping(house: House, **limits: int) -> House:
    """The house, with a folder for files."""
    settings = AttachmentLimits(**{"free_bytes": 0} | limits)
    files = AttachmentFiles(house.directory / "attachments")
    return replace(house, gateway=replace(house.gateway, attachments=Attachments(files, settings)))


def queue_files(
    gateway: Gateway, *plains: bytes, conversation: str | None = None, document: str = "outage_notice"
) -> MessageId:
    id = new_message_id(now())
    files = [FileToSend(io.BytesIO(plain), f"file-{n}.bin", "text/csv") for n, plain in enumerate(plains)]
    _, body = example(document)
    out = Outgoing(
        body=body,
        recipient=AGGREGATOR,
        interface=InterfaceCode("DA"),
        mode=Mode.SCHEDULED,
        agreement=AGREEMENT,
        conversation=ConversationId(conversation) if conversation else None,
        expires=now() + timedelta(hours=1),
        id=id,
        attachments=seal_attachments(gateway, id, files, now()),
    )
    assert send(gateway, [out], now()) == [id]
    return id


@contextlib.contextmanager
def a_world(
    base: Path, *, quota: Quota | None = None, limits: dict[str, int] | None = None
) -> Iterator[World]:
    ca = make_ca()
    utility = keeping(make_house(base / "utility", ca, UTILITY))
    aggregator = keeping(make_house(base / "aggregator", ca, AGGREGATOR), **(limits or {}))
    line = Line()
    port = socket.create_server(("127.0.0.1", 0))
    line.to = port.getsockname()[1]
    street = Street(url=f"https://127.0.0.1:{line.port}")
    door = Door(aggregator, street, quota or Quota(), port, TlsOptions())
    partner = utility.knows(aggregator, street.url)
    aggregator.knows(utility)
    door.start()
    try:
        yield World(utility, aggregator, partner, line, door)
    finally:
        line.close()
        door.stop()
        port.close()


def some(size: int) -> bytes:
    return os.urandom(size)
