"""`intertie readings`: interval readings of meters."""

from __future__ import annotations

from cyclopts import App

from intertie.cli.readings_ask import ask
from intertie.cli.readings_export import export
from intertie.cli.readings_findings import findings
from intertie.cli.readings_import import import_file
from intertie.cli.readings_plot import plot
from intertie.cli.readings_rebuild import rebuild
from intertie.cli.readings_show import show

app = App(name="readings", help="Interval readings of meters: taken in, looked at, estimated.")
app.command(import_file, name="import")
for command in (show, ask, plot, findings, export, rebuild):
    app.command(command)
