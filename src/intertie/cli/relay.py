"""`intertie relay`: parcels of others that this gateway hands on."""

from __future__ import annotations

from cyclopts import App

from intertie.cli.relay_status import status

app = App(
    name="relay",
    help="Parcels of others that this gateway hands on, sealed: routes, and what waits for whom.",
)
app.command(status)
