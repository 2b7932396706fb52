"""The files of a request: a form with files (multipart/form-data), or one file as the whole body."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import NamedTuple

from multipart import MultipartError, MultipartParser, parse_options_header

from intertie.model.errors import Fault, IntertieError

# Names of fields, and what browsers send beside files, are short.
FIELD_BYTES_MAX = 4096
HEADERS_MAX = 8


class BadForm(IntertieError):
    """A request that brings no files."""

    fault = Fault.THEIRS


class Uploaded(NamedTuple):
    """A file as it came. Its name is the sender's: for people only."""

    name: str
    content: bytes


def files_of(kind: str, name: str, body: bytes, most: int) -> list[Uploaded]:
    """The files in a body of this content type; `name` is that of a body that is one file. BadForm says what is wrong."""
    media, options = parse_options_header(kind)
    if media.strip().lower() != "multipart/form-data":
        if not body:
            raise BadForm("an empty file", do="Send a file: curl -F file=@FILE, or --data-binary @FILE.")
        return [Uploaded(name or "file", body)]
    _, found = _parts(body, options, most)
    if not found:
        raise BadForm("a form without a file", do="Send one: curl -F file=@FILE.")
    return found


def form_of(kind: str, body: bytes, most: int) -> tuple[list[tuple[str, str]], list[Uploaded]]:
    """The fields and the files of a form with files, as a browser sends it; either may be none. BadForm for anything else."""
    media, options = parse_options_header(kind)
    if media.strip().lower() != "multipart/form-data":
        raise BadForm("this is no form with files", do="Send it from the page.")
    return _parts(body, options, most)


def _parts(
    body: bytes, options: Mapping[str, str], most: int
) -> tuple[list[tuple[str, str]], list[Uploaded]]:
    boundary = options.get("boundary", "")
    if not boundary:
        raise BadForm("a form without a boundary", do="Let the program make the form: curl -F file=@FILE.")
    fields: list[tuple[str, str]] = []
    found: list[Uploaded] = []
    try:
        parser = MultipartParser(
            io.BytesIO(body),
            boundary,
            content_length=len(body),
            strict=True,
            header_limit=HEADERS_MAX,
            part_limit=most + HEADERS_MAX,
            memory_limit=len(body) + FIELD_BYTES_MAX,
            spool_limit=len(body) + FIELD_BYTES_MAX,
        )
        for part in parser:
            if part.filename and part.size:
                found.append(Uploaded(part.filename, part.raw))
            elif not part.filename:
                fields.append((part.name, part.value))
    except (MultipartError, UnicodeDecodeError, LookupError) as error:
        raise BadForm(
            "a form that cannot be read", do="Let the program make it: curl -F file=@FILE."
        ) from error
    if len(found) > most:
        raise BadForm(f"more than {most} files", do="Send them in several requests.")
    return fields, found
