"""`intertie espi`: third parties that fetch the readings of customers who let them."""

from __future__ import annotations

from cyclopts import App

from intertie.cli.espi_applications import applications
from intertie.cli.espi_asking import asking
from intertie.cli.espi_consent import consent
from intertie.cli.espi_consents import consents
from intertie.cli.espi_deny import deny
from intertie.cli.espi_end import end
from intertie.cli.espi_give import give
from intertie.cli.espi_invite import invite
from intertie.cli.espi_register import register
from intertie.cli.espi_revoke import revoke

app = App(
    name="espi",
    help="Third parties that fetch customers' readings (Green Button): applications and consents.",
)
for command in (register, applications, end, invite, asking, consent, deny, give, consents, revoke):
    app.command(command)
