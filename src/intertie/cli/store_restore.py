"""`intertie store restore`: a backup taken over into an empty store."""

from __future__ import annotations

from pathlib import Path

from intertie.bindings.operations.serve_state import only_one
from intertie.cli._shared import HERE, Dir, Json
from intertie.cli.store_backup import report
from intertie.run import opened
from intertie.stores.backup import restore as take_over


def restore(file: Path, /, *, dir: Dir = HERE, json: Json = False) -> None:
    """Take over everything in a backup, into this gateway's store: it must be empty, and the gateway not serving.

    The backup may be of the other engine: so a gateway moves from a file to PostgreSQL, and back. It is verified first.

    Parameters
    ----------
    file
        A file that `intertie store backup` wrote, by this version or an earlier one.
    """
    with only_one(dir), opened(dir) as it:
        contents = take_over(it.store, file)
    report(contents, f"{file}: verified and restored", json=json)
