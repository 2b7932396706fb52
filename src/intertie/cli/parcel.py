"""`intertie parcel`: sealed parcels that somebody carries."""

from __future__ import annotations

from cyclopts import App

from intertie.cli.parcel_export import export
from intertie.cli.parcel_import import import_file

app = App(
    name="parcel", help="Sealed parcels that somebody carries: out to a file or a medium, and in from one."
)
app.command(export)
app.command(import_file, name="import")
