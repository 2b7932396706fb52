"""The formats that files may have, by the sections of the legacy file that choose them.

With several, a message goes in the first that can say all of it, by reading back what was written; what comes is told apart by
its first bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec.structs import replace

from intertie.gateway.translating.agreements import implied_agreement
from intertie.gateway.translating.file_csv import CsvFormat
from intertie.gateway.translating.file_espi import EspiFormat
from intertie.gateway.translating.file_json import JsonFormat
from intertie.gateway.translating.file_x12 import X12Format
from intertie.gateway.translating.files import File, FileError, FileFormat
from intertie.gateway.translating.foreign import Foreign, Known
from intertie.model.errors import IntertieError, SettingsError
from intertie.model.interval import Stamp
from intertie.model.message import Header, Mode
from intertie.model.metering import MeterReadingSet
from intertie.model.record import Record

_ALL: tuple[FileFormat, ...] = (X12Format(), CsvFormat(), JsonFormat(), EspiFormat())
FILE_FORMATS: Mapping[str, FileFormat] = MappingProxyType({one.name: one for one in _ALL})


def formats_of(foreign: Foreign) -> list[FileFormat]:
    """Those of a partner's files, in the order in which they are tried. SettingsError if it sends none, or sealed parcels alone,
    which are no format for others."""
    found = [FILE_FORMATS[name] for name in foreign.formats if name in FILE_FORMATS]
    if not found:
        way = "without TLS it brings" if foreign.in_clear else "it brings"
        raise SettingsError(
            f"{foreign.name}: {way} sealed parcels alone, and this is none, or we have no descriptor of it",
            do="Send a sealed parcel; add a descriptor with `intertie partner add`.",
        )
    return found


def format_in(foreign: Foreign, content: bytes) -> FileFormat:
    """That of a file that came. FileError if it is none of those that were agreed."""
    formats = formats_of(foreign)
    if len(formats) == 1:  # it says itself what is wrong with another one
        return formats[0]
    for one in formats:
        if one.knows(content):
            return one
    raise FileError(f"it is none of {foreign.format}", do="Send a file as was agreed.")


def write_file(foreign: Foreign, header: Header, body: Record, known: Known) -> File:
    """A message of ours as a file: in the first format that can say all of it, else in the first that can say it as far as its
    page has it. IntertieError if none can: that of the last."""
    formats, number = formats_of(foreign), known.number()
    lossy: File | None = None
    for one in formats:
        try:
            file = one.write(foreign, header, body, number)
        except IntertieError:
            if one is formats[-1] and lossy is None:
                raise
            continue
        if len(formats) == 1 or _says_all(one, foreign, header, body, known, file):
            return file
        lossy = lossy or file
    assert lossy is not None  # the last one raised otherwise
    return lossy


def _says_all(
    one: FileFormat, foreign: Foreign, header: Header, body: Record, known: Known, file: File
) -> bool:
    """Whether its reader finds the document in the file, in the mode and under the agreement that it is in."""
    try:
        items = one.read(file.content, foreign, header.sender)
    except IntertieError:
        return False
    said = items[0].said if len(items) == 1 else None
    if said is None or said.body is None or _stamped_alike(said.body) != _stamped_alike(body):
        return False
    under = said.agreement or implied_agreement(foreign, known.book, header.document, header.created)
    return (said.mode or Mode.SCHEDULED) is header.mode and header.agreement == under


def _stamped_alike(body: Record) -> Record:
    """The same readings, whichever end of an interval their source names it by."""
    if not isinstance(body, MeterReadingSet):
        return body
    meters = (replace(one, series=replace(one.series, stamped=Stamp.START)) for one in body.meters)
    return replace(body, meters=tuple(meters))
