"""Files of a command line: sealed for a message, or opened from one, with a bar for people to watch."""

from __future__ import annotations

import contextlib
import mimetypes
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from intertie.gateway.attaching.attachments import FileToSend, seal_attachments
from intertie.gateway.gateway import Gateway
from intertie.model.attachment import AttachmentRef, attachment_name
from intertie.model.errors import SettingsError
from intertie.model.ids import MessageId
from intertie.seal.attachment import Progress as Count
from intertie.seal.private_files import sync_folder

# RFC 6838's name for bytes of which nothing is known.
BYTES = "application/octet-stream"


def seal_paths(
    gateway: Gateway, message: MessageId, paths: Sequence[Path], now: datetime
) -> tuple[AttachmentRef, ...]:
    """Seal files of these names. SettingsError if one cannot be read, or two have the same name."""
    names = [attachment_name(path.name) for path in paths]
    if len(set(names)) != len(names):
        raise SettingsError("two of the files have the same name", do="Rename one; folders are not sent.")
    with contextlib.ExitStack() as stack:
        files, total = [], 0
        for path, name in zip(paths, names, strict=True):
            try:
                source = stack.enter_context(path.open("rb"))
                total += os.fstat(source.fileno()).st_size
            except OSError as error:
                raise SettingsError(
                    f"{path} cannot be read: {error.strerror or error}", do="Check the name."
                ) from error
            media_type = mimetypes.guess_type(name)[0] or BYTES
            files.append(FileToSend(source, name, media_type))
        count = stack.enter_context(watched("sealing", total))
        return seal_attachments(gateway, message, files, now, count)


@contextlib.contextmanager
def watched(what: str, total: int) -> Iterator[Count]:
    """A bar on stderr, if a person looks at it, that the given function moves on."""
    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


def write_whole(path: Path, chunks: Iterable[bytes], count: Count) -> None:
    """Write a new file: it is there only if `chunks` came to its end. SettingsError if it cannot be, or is there already."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with draft.open("xb") as out:
            for chunk in chunks:
                out.write(chunk)
                count(len(chunk))
            out.flush()
            os.fsync(out.fileno())
        os.link(draft, path)  # unlike a rename, this never replaces a file
        sync_folder(path.parent)
    except FileExistsError as error:
        raise SettingsError(
            f"{error.filename2 or error.filename} is there already", do="Name another file, or remove it."
        ) from error
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written: {error.strerror or error}", do="Name another place."
        ) from error
    finally:
        draft.unlink(missing_ok=True)
