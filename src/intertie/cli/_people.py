"""What the commands of people have in common: the book, and who acts here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from intertie.run import Opened, opened
from intertie.stores.people_file import PeopleFile


@contextlib.contextmanager
def people_of(directory: Path) -> Iterator[tuple[Opened, PeopleFile]]:
    """A gateway directory and its people."""
    with opened(directory) as it, contextlib.closing(PeopleFile(it.places.office)) as book:
        yield it, book
