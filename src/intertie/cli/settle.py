"""`intertie settle`: statements worked out from what this gateway holds, explained, and compared."""

from __future__ import annotations

from cyclopts import App

from intertie.cli.settle_compare import compare_statement
from intertie.cli.settle_dispute import dispute_invoice
from intertie.cli.settle_explain import explain
from intertie.cli.settle_many import many
from intertie.cli.settle_plan import plan
from intertie.cli.settle_resolve import resolve_dispute
from intertie.cli.settle_run import run
from intertie.cli.settle_true_up import true_up_statement

app = App(name="settle", help="Settlement: what was delivered, what it is worth, and how both sides see it.")
app.command(run)
app.command(explain)
app.command(compare_statement, name="compare")
app.command(dispute_invoice, name="dispute")
app.command(resolve_dispute, name="resolve")
app.command(plan)
app.command(many)
app.command(true_up_statement, name="true-up")
