"""Visits to a partner's server: when a file there is whole, by what was agreed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.exchange.as2_world import NOTICE
from tests.exchange.file_world import Two
from tests.exchange.house import AGGREGATOR, UTILITY

from intertie.bindings.sftp.visits import Visits
from intertie.formats.sftp_terms import SftpTerms, Theirs

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINTpc6LJHdP6gqLd6lIejPXheD3w8GNxLGJtrNLyrUTq"


class Server:
    """A partner's, with files that a test puts there."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    async def look(self, there: Theirs) -> dict[str, tuple[int, int]]:
        return {name: (len(content), 0) for name, content in self.files.items()}

    async def get(self, there: Theirs, name: str, limit: int) -> bytes:
        return self.files[name]

    async def took(self, there: Theirs, name: str) -> None:
        del self.files[name]

    async def names(self, there: Theirs, folder: str) -> set[str]:
        return set()


@pytest.mark.parametrize(("complete", "looks"), [("still", 2), ("renamed", 1)])
def test_a_file_counts_once_it_is_whole(complete: Any, looks: int, tmp_path: Path) -> None:
    """By itself, only what was the same at two looks; of a server whose files have another name until then, at once."""
    there = Theirs(host="h", user="us", host_keys=(KEY,), to="in", fetch="out", complete=complete)
    two = Two("csv", sftp_terms=SftpTerms(server=there))
    two.say(UTILITY, NOTICE)
    (file,) = (one for one in two.carry(UTILITY) if one.about is not None)
    fresh, server = Two("csv", sftp_terms=SftpTerms(server=there)), Server()
    server.files[file.name] = file.content
    visits = Visits(
        fresh.gateways[AGGREGATOR],
        tmp_path,
        server,  # type: ignore[arg-type]
        lambda _: there,
        10**6,
        lambda: fresh.now,
        lambda: 0.0,
    )
    for look in range(1, 3):
        asyncio.run(visits.visit(UTILITY, there))
        assert len(fresh.inbox(AGGREGATOR)) == (look >= looks)
    assert not server.files
    assert [row.id for row in fresh.inbox(AGGREGATOR)] == [file.about]  # by the name of the file, too
