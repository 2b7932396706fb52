"""The only folder that knows everything: settings become a gateway, and a gateway runs: its street door on one event
loop, its deliveries on another in a thread of their own, so that neither waits for the other.

Commands import what opens a gateway from here; what serves one (serving.py) only `serve` needs, and it is a quarter of the time
that every other command would take to begin.
"""

from __future__ import annotations

from intertie.run.opening import Opened, open_clock, open_gateway, opened, street_link

__all__ = ["Opened", "open_clock", "open_gateway", "opened", "street_link"]
