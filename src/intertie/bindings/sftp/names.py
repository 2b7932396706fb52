"""Names that partners give files, and paths that they ask for. A mailbox has four folders and files in them, nothing else."""

from __future__ import annotations

import posixpath
import re
from enum import StrEnum
from typing import NamedTuple

# What people call files, blanks and all, on any system: visible, and no path.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .,()+=@#-]{0,119}")
# Uploads under way: programs begin with a dot, or end so, and rename when they are done.
_PARTS = (".part", ".tmp", ".temp", ".filepart", ".partial", ".uploading", ".writing")
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "clock$", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(10))}
)


class Folder(StrEnum):
    """The folders of a mailbox."""

    IN = "in"  # the partner writes here
    OUT = "out"  # our files and answers
    RECEIPTS = "receipts"
    REFUSED = "refused"  # its files that were refused as a whole, each with a reason


class Place(NamedTuple):
    """What a path leads to: the top, a folder, or a file in one."""

    folder: Folder | None = None
    name: str = ""


def is_file_name(name: str) -> bool:
    """Whether a file may be called so, here or where it is copied to."""
    if not _NAME.fullmatch(name.removeprefix(".")) or ".." in name or name[-1:] in (" ", "."):
        return False
    return name.removeprefix(".").partition(".")[0].strip().lower() not in _DEVICES


def is_unfinished(name: str) -> bool:
    """Whether the name says that its writer is not done."""
    return name.startswith(".") or name.lower().endswith(_PARTS)


def place_of(path: bytes) -> Place | None:
    """Where a path leads; None if that is nowhere in a mailbox. What goes up ends at the top, as in any chroot."""
    try:
        text = path.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if "\0" in text or "\\" in text:
        return None
    parts = [part for part in posixpath.normpath(posixpath.join("/", text)).split("/") if part]
    if not parts:
        return Place()
    if parts[0] not in set(Folder) or len(parts) > 2:
        return None
    folder = Folder(parts[0])
    if len(parts) == 1:
        return Place(folder)
    return Place(folder, parts[1]) if is_file_name(parts[1]) else None
