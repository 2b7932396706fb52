"""`intertie parcel export`: what waits for a partner, sealed, into a file that somebody carries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, write_file
from intertie.gateway.sending.carry_parcel import export_parcel
from intertie.model.errors import SettingsError
from intertie.run import opened


def export(
    party: PartyOption,
    /,
    *,
    to: Annotated[Path, Parameter(help="The folder to write to, on a medium perhaps.")] = Path(),
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Seal what waits for a partner into a parcel, and write it to a file. The same parcel is exported again after ten minutes
    without a receipt; to a partner from which nothing comes back each goes once.

    Example: intertie parcel export iso.example --to /media/stick

    Parameters
    ----------
    party
        The partner.
    """
    if not to.is_dir():
        raise SettingsError(f"{to} is no folder", do="Name one that is there.")
    with opened(dir) as it:
        one = export_parcel(it.gateway, party, it.clock())
    if one is None:
        print_json({"parcel": None}) if json else print(f"Nothing is due for {party}.")
        return
    file = to / one.name
    if not file.exists() or file.read_bytes() != one.blob:
        write_file(file, one.blob)
    if json:
        said = {"parcel": one.parcel, "file": str(file), "messages": one.messages, "bytes": len(one.blob)}
        print_json({**said, "waits_for_a_receipt": not one.done})
        return
    ending = (
        "Nothing comes back from this partner, and nothing is waited for."
        if one.done
        else "Bring its receipt back."
    )
    print(f"{file}: {one.messages} messages for {party}, {len(one.blob)} bytes, sealed. {ending}")
