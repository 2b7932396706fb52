"""The doors for files (SFTP, FTPS, uploads), loaded when the settings ask: SSH alone takes a fifth of the time in which a gateway
starts, and most gateways have none of them."""

from __future__ import annotations

import importlib
from typing import Any

from intertie.gateway.translating.deliver_file import FilePosts
from intertie.model.ready import ready_types
from intertie.run.opening import Opened

MAILBOXES = {"sftp": "intertie.run.sftp", "ftps": "intertie.run.ftps", "upload": "intertie.run.upload"}


async def serve_mailbox(name: str, it: Opened) -> None:
    """Serve it until cancelled, if the settings want it. SettingsError if it cannot be opened."""
    if wanted(name, it):
        await _loaded(name).serve(it)


def mailbox_posts(name: str, it: Opened) -> FilePosts | None:
    """What delivers files to partners by it; None if the settings do not want it."""
    if not wanted(name, it):
        return None
    posts: FilePosts = _loaded(name).posts(it)
    return posts


def wanted(name: str, it: Opened) -> bool:
    """Whether intertie.toml has that door."""
    of = it.settings
    return {"sftp": of.sftp.enabled, "ftps": of.ftps.enabled, "upload": of.upload.enabled}[name]


def _loaded(name: str) -> Any:
    found = importlib.import_module(MAILBOXES[name])
    ready_types()
    return found
