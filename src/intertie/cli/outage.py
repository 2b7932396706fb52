"""`intertie outage`: what is out, of the grid and of the DERs, from the notice to the end."""

from __future__ import annotations

from cyclopts import App

from intertie.cli.outage_notice import notice
from intertie.cli.outage_restore import restore
from intertie.cli.outage_show import show
from intertie.cli.outage_update import update

app = App(name="outage", help="What is out: of the grid, and of the DERs.")
for command in (notice, update, restore, show):
    app.command(command)
