"""`intertie registration`: aggregations, their DERs, and what the utility says of each."""

from __future__ import annotations

from cyclopts import App

from intertie.cli.registration_add import add
from intertie.cli.registration_change import change
from intertie.cli.registration_decide import decide
from intertie.cli.registration_move import move
from intertie.cli.registration_remove import remove
from intertie.cli.registration_resume import resume
from intertie.cli.registration_show import show
from intertie.cli.registration_suspend import suspend

app = App(name="registration", help="Aggregations, their DERs, and what the utility says of each.")
for command in (show, add, change, move, remove, decide, suspend, resume):
    app.command(command)
