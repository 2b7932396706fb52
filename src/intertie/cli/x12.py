"""`intertie x12`: X12 004010 interchanges: shown, checked, and made of messages."""

from __future__ import annotations

from cyclopts import App

from intertie.cli.x12_check import check
from intertie.cli.x12_read import read
from intertie.cli.x12_write import write

app = App(name="x12", help="X12 004010 interchanges: show, check, and write them.")
for command in (read, check, write):
    app.command(command)
