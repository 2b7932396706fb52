"""`intertie trade`: contracts and deals with a partner, as both gateways hold them."""

from __future__ import annotations

from cyclopts import App

app = App(name="trade", help="Contracts and deals with a partner, as both gateways hold them.")
for name in ("show", "sign", "notice", "answer"):
    app.command(f"intertie.cli.trade_{name}:{name}", name=name)
