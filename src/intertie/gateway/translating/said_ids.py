"""The ids of ours that files say: which messages a file may be, and which an answer is about. For whoever checks evidence."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator

from intertie.formats.espi.stream import feed_title
from intertie.formats.tables.layout import MESSAGE
from intertie.formats.x12.carried import id_of_reference
from intertie.model.ids import UUID7

_UUID = UUID7.removeprefix("^").replace("(?!\\n)$", "")
_WHOLE = re.compile(UUID7)
_ANYWHERE = re.compile(_UUID.encode())
_IN_JSON = re.compile(rb'"id"\s*:\s*"(' + _UUID.encode() + rb')"')
_IN_X12 = re.compile(rb"(?:BGN.{4}|BPT.{4}|REF.ZZ.MESSAGE.)([0-9A-Z]{25})\b")
_REFERENCES = re.compile(rb"(?<![0-9A-Z])[0-9A-Z]{25}(?![0-9A-Z])")
# What is said of a file that answers ours, where its carrier has no word for it.
ANSWERED = "an answer of its format"
# As many as a file may have documents.
IDS_MAX = 10_000


def ids_of_file(content: bytes) -> tuple[str, ...]:
    """What a file calls the messages in it, where it has ids of our kind: in each format, where its writer puts them."""
    start = content.lstrip()[:3]
    found: Iterable[str]
    if start[:1] in (b"{", b"["):
        found = (one.decode() for one in _IN_JSON.findall(content))
    elif start == b"ISA":
        found = (id_of_reference(one.decode()) for one in _IN_X12.findall(content))
    elif start[:1] == b"<":
        found = (feed_title(content),)
    else:
        found = _in_table(content)
    return _once(found)


def ids_in(answer: bytes) -> tuple[str, ...]:
    """Every id of our kind that stands anywhere in an answer."""
    references = (id_of_reference(one.decode()) for one in _REFERENCES.findall(answer))
    return _once([*(one.decode() for one in _ANYWHERE.findall(answer)), *references])


def _in_table(content: bytes) -> Iterator[str]:
    text = content.decode("utf-8-sig", "replace")
    head = text.splitlines()[:1]
    separator = max(",;\t", key=head[0].count) if head else ","
    try:
        for row in csv.DictReader(io.StringIO(text, newline=""), delimiter=separator):
            yield row.get(MESSAGE) or ""
    except csv.Error:
        return


def _once(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in found if _WHOLE.fullmatch(one)))[:IDS_MAX]
