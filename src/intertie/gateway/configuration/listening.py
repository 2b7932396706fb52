"""Where doors listen, as settings say it."""

from __future__ import annotations

# What leads to this machine only.
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def address_of(listen: str) -> tuple[str, int]:
    """Host and port; ValueError if the text is not host:port."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"listen: {listen!r} is not host:port")
    return host.strip("[]"), int(port)
