"""`intertie evidence`: proof of one message, for a third person; and its check, offline, with nothing but a trust root."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from intertie.cli._shared import HERE, Dir, Instant, Json, print_json, read_file, write_file
from intertie.cli.evidence_renew import list_lapsing, renew_files
from intertie.gateway.proving.export_evidence import export
from intertie.model.ids import MessageId
from intertie.run import opened
from intertie.run.verifiers import VERIFIERS
from intertie.seal.certificates import TrustStore
from intertie.seal.evidence_file import verify_file
from intertie.seal.timestamp import read_tsa_roots

app = App(name="evidence", help="Proof of a message that stands without this gateway.")
app.command(renew_files, name="renew")
app.command(list_lapsing, name="lapsing")


@app.command(name="export")
def export_file(
    id: MessageId,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="The file to write; must not exist.")],
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Write the evidence of one message: its bytes, who signed them, and the partner's receipt.

    Parameters
    ----------
    id
        The message's id.
    """
    with opened(dir) as it:
        raw = export(it.gateway, id, it.clock())
    write_file(output, raw)
    if json:
        print_json({"message": id, "file": str(output), "bytes": len(raw)})
    else:
        print(f"{output}: evidence of message {id}, {len(raw)} bytes")


@app.command
def verify(
    file: Path,
    /,
    *,
    trust: Annotated[
        tuple[Path, ...], Parameter(help="PEM file with trust roots (may be given again).", negative=())
    ],
    tsa: Annotated[
        tuple[Path, ...],
        Parameter(help="PEM file with roots of time-stamping authorities (may be given again).", negative=()),
    ] = (),
    at: Annotated[Instant | None, Parameter(help="Judge as of this time instead of now.")] = None,
    json: Json = False,
) -> None:
    """Check an evidence file. Needs no gateway, no network, no other file; says which step fails if one does.

    Parameters
    ----------
    file
        The evidence file.
    """
    roots = TrustStore.of_pem(*(read_file(path) for path in trust))
    authorities = read_tsa_roots(*(read_file(path) for path in tsa))
    report = verify_file(read_file(file), roots, at or datetime.now(UTC), authorities, verifiers=VERIFIERS)
    if json:
        print_json({"verified": True, "report": report})
    else:
        print("The evidence verifies.")
        print(report.text())
