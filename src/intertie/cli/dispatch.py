"""`intertie dispatch`: calling what was sold, from the instruction to its end."""

from __future__ import annotations

from cyclopts import App

from intertie.cli.dispatch_answer import answer
from intertie.cli.dispatch_cancel import cancel
from intertie.cli.dispatch_change import change
from intertie.cli.dispatch_finish import finish
from intertie.cli.dispatch_measure import measure
from intertie.cli.dispatch_send import send
from intertie.cli.dispatch_show import show
from intertie.cli.dispatch_start import start

app = App(name="dispatch", help="Calling what was sold: instructions, answers, reports, telemetry.")
for command in (send, answer, start, measure, finish, change, cancel, show):
    app.command(command)
