"""`intertie trade`: contracts and deals with a partner, as both gateways hold them."""

from __future__ import annotations

from cyclopts import App

from intertie.cli.trade_answer import answer
from intertie.cli.trade_confirm import confirm
from intertie.cli.trade_effects import show_effects
from intertie.cli.trade_mend import mend
from intertie.cli.trade_notice import notice
from intertie.cli.trade_propose import propose
from intertie.cli.trade_show import show
from intertie.cli.trade_sign import sign

app = App(name="trade", help="Contracts and deals with a partner, as both gateways hold them.")
for command in (show, propose, sign, notice, confirm, answer, mend):
    app.command(command)
app.command(show_effects, name="effects")
