"""`intertie journal`: the record of what was sent and received, and how it is checked."""

from __future__ import annotations

from cyclopts import App

from intertie.cli._shared import HERE, Dir, Json, print_json
from intertie.cli.journal_audit import audit
from intertie.cli.journal_prove import prove
from intertie.cli.journal_stamp import stamp, stamps
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.run import opened

app = App(name="journal", help="The tamper-evident record of what was sent and received.")
for command in (audit, prove, stamp, stamps):
    app.command(command)


@app.command
def verify(*, dir: Dir = HERE, json: Json = False) -> None:
    """Read every entry back, hash it, and compare with the journal's head."""
    with opened(dir) as it:
        head = verify_journal(it.gateway.store)
    if json:
        print_json({"verified": True, "size": head.size, "root": head.root.hex()})
    else:
        print(f"The journal verifies: {head.size} entries, root {head.root.hex()}")
