"""`intertie market`: what the utility needs, what is offered, ordered, and how it was decided."""

from __future__ import annotations

from cyclopts import App

from intertie.cli.market_clear import clear
from intertie.cli.market_counter import counter
from intertie.cli.market_need import need
from intertie.cli.market_needs import needs
from intertie.cli.market_offer import offer
from intertie.cli.market_order import order
from intertie.cli.market_revoke import revoke
from intertie.cli.market_show import show

app = App(name="market", help="What the utility needs, what is offered, ordered, and how it was decided.")
for command in (needs, need, offer, revoke, counter, order, clear, show):
    app.command(command)
