"""`intertie billing export`: a document of billing as a file."""

from __future__ import annotations

from pathlib import Path

from intertie.cli._shared import HERE, Dir, PartyOption, write_file
from intertie.cli._trade import Under, desk_with
from intertie.gateway.billing.billing_files import find_document, written
from intertie.model.errors import SettingsError

# What there is a form for.
KINDS = (".pdf", ".csv", ".json")


def export(
    partner: PartyOption,
    name: str,
    file: Path,
    /,
    *,
    agreement: Under = None,
    dir: Dir = HERE,
) -> None:
    """Write an invoice, credit memo, remittance or statement of account as PDF, CSV or JSON: what the file's name ends in.

    The same document gives the same bytes, on either side.

    Example:

        intertie billing export aggregator.example I-2026-02 I-2026-02.pdf

    Parameters
    ----------
    partner
        The other side.
    name
        The document.
    file
        The file; it must not be there yet.
    """
    if file.suffix.lower() not in KINDS:
        raise SettingsError(
            f"{file} is none of {', '.join(KINDS)}", do="Name the file so that it ends in one."
        )
    with desk_with(dir, partner, agreement) as (_, desk):
        data = written(desk, find_document(desk, name), file.suffix.lower())
    write_file(file, data)
    print(f"{file}: {len(data)} bytes")
