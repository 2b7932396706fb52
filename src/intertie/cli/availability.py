"""`intertie availability`: what aggregations can do, and what remains of it."""

from __future__ import annotations

from cyclopts import App

from intertie.cli.availability_declare import declare
from intertie.cli.availability_show import show
from intertie.cli.availability_withdraw import withdraw

app = App(name="availability", help="What aggregations can do: declared, and what remains of it.")
for command in (declare, show, withdraw):
    app.command(command)
