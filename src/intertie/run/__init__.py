"""The only folder that knows everything: settings become a gateway, and a gateway runs: its street door on one event
loop, its deliveries on another in a thread of their own, so that neither waits for the other."""

from __future__ import annotations

from intertie.run.certificate_status import refresh_status
from intertie.run.opening import Opened, open_clock, open_gateway, opened, street_link
from intertie.run.serving import serve, work

__all__ = [
    "Opened",
    "open_clock",
    "open_gateway",
    "opened",
    "refresh_status",
    "serve",
    "street_link",
    "work",
]
