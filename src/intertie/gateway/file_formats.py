"""The formats that files may have, by the section of the legacy file that chooses them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from intertie.gateway.file_csv import CsvFormat
from intertie.gateway.file_espi import EspiFormat
from intertie.gateway.file_json import JsonFormat
from intertie.gateway.file_x12 import X12Format
from intertie.gateway.files import FileFormat
from intertie.gateway.foreign import Foreign
from intertie.model.errors import SettingsError

_ALL: tuple[FileFormat, ...] = (X12Format(), CsvFormat(), JsonFormat(), EspiFormat())
FILE_FORMATS: Mapping[str, FileFormat] = MappingProxyType({one.name: one for one in _ALL})


def format_of(foreign: Foreign) -> FileFormat:
    """That of a partner's files. SettingsError if it sends none, or sealed parcels, which are no format for others."""
    if foreign.parcel is not None:
        raise SettingsError(
            f"{foreign.name} brings sealed parcels, and we have no descriptor of it",
            do="Add it with `intertie partner add`.",
        )
    return FILE_FORMATS[foreign.format]
