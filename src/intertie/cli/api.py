"""`intertie api`: the office API and who may use it."""

from __future__ import annotations

from cyclopts import App

from intertie.cli.api_key_add import add
from intertie.cli.api_key_list import list_keys
from intertie.cli.api_key_revoke import revoke

app = App(name="api", help="The office API: its keys.")
key = App(name="key", help="Who comes in at the office door.")
app.command(key)
key.command(add)
key.command(list_keys, name="list")
key.command(revoke)
