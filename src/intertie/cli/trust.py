"""`intertie trust`: whose certificates this gateway believes, and what it knows of revoked ones."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_table, read_file, when
from intertie.gateway.partners.refresh_trust import Fetched
from intertie.run import opened
from intertie.run.certificate_status import refresh_status
from intertie.stores.trust_folder import add_file, describe_folder, remove_file

app = App(name="trust", help="Trusted roots, revocation lists and OCSP answers.")


@app.command(name="list")
def list_trust(*, dir: Dir = HERE, json: Json = False) -> None:
    """List roots with whom they may vouch for, revocation lists with their age and next update, and OCSP answers."""
    with opened(dir) as it:
        lines = describe_folder(it.places.trust, it.gateway.trust, it.clock())
        require = it.settings.revocation.require
    if json:
        print_json({"require": require, "trust": [line._asdict() for line in lines]})
        return
    print_table(
        f"Trust of {dir.resolve().name} (require: {require})",
        ["file", "what", "name", "for", "until", "state", "detail"],
        [
            (
                line.file,
                line.kind,
                line.name,
                line.only or "everybody",
                when(line.until),
                line.state,
                line.detail,
            )
            for line in lines
        ],
        empty="Nobody is trusted.",
    )


@app.command
def add(
    file: Path,
    /,
    *,
    party: Annotated[
        PartyOption | None, Parameter(help="Believe it for this party only (default: for everybody).")
    ] = None,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Trust the roots, or believe the revocation lists, of a PEM file. A running gateway sees it within a second.

    Parameters
    ----------
    file
        PEM, or a revocation list in DER. It keeps its name; a list takes the place of one with the same name.
    """
    with opened(dir) as it:
        path = add_file(it.places.trust, file.name, read_file(file), party)
    if json:
        print_json({"file": path, "party": party})
    else:
        print(f"{path} counts now, for {party or 'everybody'}.")


@app.command
def remove(file: str, /, *, dir: Dir = HERE, json: Json = False) -> None:
    """Take a file out of the trust folder: what its roots vouched for is refused from now on.

    Parameters
    ----------
    file
        As `intertie trust list` shows it.
    """
    with opened(dir) as it:
        remove_file(it.places.trust, file)
    if json:
        print_json({"removed": file})
    else:
        print(f"{file} is removed; a running gateway sees it within a second.")


@app.command
def refresh(*, dir: Dir = HERE, json: Json = False) -> int:
    """Fetch revocation lists and OCSP answers now; `intertie serve` does so by itself. Ends with 1 if one cannot be had."""
    with opened(dir) as it:
        lines = asyncio.run(refresh_status(it))
    if json:
        print_json({"fetched": [line._asdict() for line in lines]})
    else:
        print_table(
            "Fetched",
            ["url", "what", "next update", "result"],
            [(line.url, line.kind, when(line.until), line.why or "taken") for line in lines],
            empty="No certificate in use says where its status can be had, and no [revocation] crls are set.",
        )
    return int(_failed(lines))


def _failed(lines: list[Fetched]) -> bool:
    return any(line.why for line in lines)
