"""`intertie person`: who may come in at the portal."""

from __future__ import annotations

from cyclopts import App

from intertie.cli.person_add import add
from intertie.cli.person_code import code
from intertie.cli.person_disable import disable_person
from intertie.cli.person_list import list_people
from intertie.cli.person_roles import roles

app = App(name="person", help="Who may come in at the portal, and as what.")
app.command(add)
app.command(code)
app.command(roles)
app.command(list_people, name="list")
app.command(disable_person, name="disable")
