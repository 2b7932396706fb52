"""`intertie parcel import`: a parcel, or a receipt, that somebody carried here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, read_file, write_file
from intertie.gateway.sending.carry_parcel import import_carried
from intertie.model.errors import SettingsError
from intertie.run import opened


def import_file(
    file: Path,
    /,
    *,
    to: Annotated[
        Path | None, Parameter(help="The folder for the receipt (default: where the file is).")
    ] = None,
    by: Annotated[
        PartyOption | None, Parameter(help="The partner whose medium it is, if its sender is another.")
    ] = None,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Take in what somebody carried: verified, journaled and receipted as what comes over a connection. The receipt is a file, to
    be carried back. The same again changes nothing.

    Example: intertie parcel import /media/stick/PARCEL.itp

    Parameters
    ----------
    file
        A parcel (.itp), one by a relay (.itc), what became of one (.itr), or a receipt (.json).
    """
    folder = to or file.parent
    if not folder.is_dir():
        raise SettingsError(f"{folder} is no folder", do="Name one that is there.")
    content = read_file(file)
    with opened(dir) as it:
        one = import_carried(it.gateway, content, it.clock(), by=by)
    answer = folder / one.answer_name if one.answer is not None else None
    if answer is not None and one.answer is not None and not answer.exists():
        write_file(answer, one.answer)
    if json:
        print_json({"parcel": one.parcel, "what": one.what, "receipt": str(answer) if answer else None})
        return
    print(f"Parcel {one.parcel} {one.what} is taken." if answer else f"Parcel {one.parcel}: {one.what}.")
    if answer is not None:
        print(f"{answer}: carry it back.")
