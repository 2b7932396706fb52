"""`intertie billing`: invoices, payments and the account between a partner and us."""

from __future__ import annotations

from cyclopts import App

from intertie.cli.billing_account import account
from intertie.cli.billing_ageing import ageing
from intertie.cli.billing_credit import credit
from intertie.cli.billing_disputes import disputes
from intertie.cli.billing_export import export
from intertie.cli.billing_invoice import invoice
from intertie.cli.billing_pay import pay
from intertie.cli.billing_show import show

app = App(name="billing", help="Invoices, payments, and the account with a partner.")
for command in (invoice, credit, pay, show, disputes, ageing, account, export):
    app.command(command)
