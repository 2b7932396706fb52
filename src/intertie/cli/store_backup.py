"""`intertie store backup`: everything that the store keeps, in one file."""

from __future__ import annotations

from pathlib import Path

from intertie.cli._shared import HERE, Dir, Json, print_json
from intertie.run import opened
from intertie.stores.backup import Contents, back_up


def backup(file: Path, /, *, dir: Dir = HERE, json: Json = False) -> None:
    """Write everything the store keeps into one file, and verify it. The gateway may go on serving.

    Bodies stay encrypted, and what opens them is not in the file: keep a copy of the folder `keys`, apart from it. Attached files
    lie in their own folder.

    Parameters
    ----------
    file
        Where to: a file that is not there yet.
    """
    with opened(dir) as it:
        contents = back_up(it.store, file)
    report(contents, f"{file}: verified", json=json)


def report(contents: Contents, said: str, *, json: bool) -> None:
    """What is in a backup, for a person or a program."""
    if json:
        print_json(
            {
                "rows": contents.rows,
                "journal": {"size": contents.head.size, "root": contents.head.root.hex()},
                "digest": contents.digest.hex(),
                "compared": contents.compared,
            }
        )
        return
    rows = contents.rows
    print(
        f"{said}. {rows['messages']} messages, {rows['parcels']} parcels, {contents.head.size} journal entries."
    )
    print(f"The journal's head: {contents.head.root.hex()}")
    print(f"SHA-256 of all it holds: {contents.digest.hex()}")
    if not contents.compared:
        print("The file names no digest: bodies and receipts were not compared with anything.")
