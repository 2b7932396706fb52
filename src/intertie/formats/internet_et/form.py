"""The request: a form whose elements are read by name, in whatever order, and written in the order of the standard."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import NamedTuple

from multipart import MultipartError, MultipartParser, parse_options_header

from intertie.formats.as2 import mime
from intertie.formats.internet_et.fields import ORDER
from intertie.model.errors import Fault, IntertieError

DATA = "input-data"
# Elements are short, and there are eleven; partners send a few of their own besides (`file-size`).
ELEMENT_BYTES_MAX, PARTS_MAX, HEADERS_MAX = 1024, 24, 8


class FormError(IntertieError):
    """A request that is no whole form: it was cut off, or is none."""

    fault = Fault.THEIRS


class Form(NamedTuple):
    """The elements by name, and the file with its content type, if there is one."""

    fields: dict[str, str]
    kind: str = ""
    data: bytes | None = None


def read_form(kind: str, body: bytes) -> Form:
    """Its elements. FormError if it is no form, is cut off, or says an element twice."""
    media, options = parse_options_header(kind)
    boundary = options.get("boundary", "")
    if media.strip().lower() != "multipart/form-data" or not boundary:
        raise FormError("not a form (multipart/form-data with a boundary)")
    room = len(body) + ELEMENT_BYTES_MAX
    try:
        parser = MultipartParser(
            io.BytesIO(body),
            boundary,
            content_length=len(body),
            strict=False,
            header_limit=HEADERS_MAX,
            part_limit=PARTS_MAX,
            memory_limit=room,
            spool_limit=room,
        )
        parts = list(parser)
    except (MultipartError, UnicodeDecodeError, LookupError) as error:
        raise FormError("the form cannot be read, or is cut off") from error
    names = [part.name for part in parts]
    if len(set(names)) != len(names):
        raise FormError("an element stands twice")
    fields, data = {}, Form({})
    for part in parts:
        if part.name == DATA:
            said = {name.lower(): value for name, value in part.headerlist}
            data = Form({}, said.get("content-type", ""), part.raw)
        elif part.size <= ELEMENT_BYTES_MAX:
            fields[part.name] = part.raw.decode("utf-8", "replace").strip()
    return Form(fields, data.kind, data.data or None)


def write_form(
    fields: Mapping[str, str], name: str, kind: str, data: bytes, boundary: str, *, last: bool = False
) -> bytes:
    """The body; the file in its place, or after all others."""
    order = [one for one in ORDER if one in fields or one == DATA]
    if last:
        order = [*(one for one in order if one != DATA), DATA]
    return mime.multipart(boundary, [_part(one, fields, name, kind, data) for one in order])


def _part(element: str, fields: Mapping[str, str], name: str, kind: str, data: bytes) -> bytes:
    said = f'form-data; name="{element}"'
    if element != DATA:
        return mime.write([("Content-Disposition", said)], fields[element].encode())
    disposition = ("Content-Disposition", f'{said}; filename="{name}"')
    return mime.write([disposition, ("Content-Type", kind)], data)
