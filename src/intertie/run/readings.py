"""A gateway opened with its readings: Arrow, which only those need who read or write them, is loaded with this file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from intertie.formats.meter_list import parse_meters
from intertie.gateway.metering.readings import Readings
from intertie.model.errors import SettingsError
from intertie.run.opening import Opened
from intertie.seal.parquet_keys import ParquetKeys
from intertie.seal.store_kek import StoreKeks
from intertie.stores.readings_files import ReadingsFiles


class ReadingsOpened(Opened):
    """A gateway directory, opened, with what it keeps as Parquet."""

    @cached_property
    def meters(self) -> Mapping[str, Fraction | None]:
        """The list of meters, with their nameplates; empty if there is none. Raises SettingsError."""
        name = self.settings.readings.meters
        if not name:
            return {}
        try:
            return parse_meters(self.places.of(name).read_text(encoding="utf-8"), name)
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"[readings] meters: {name} cannot be read: {error}", do="Check its name and encoding."
            ) from error

    @cached_property
    def parquet_keys(self) -> ParquetKeys:
        """The keys of what is kept as Parquet."""
        folder = self.places.of(self.settings.readings.folder)
        return ParquetKeys(folder / "parquet.key", StoreKeks(self.own.vault))

    @cached_property
    def readings(self) -> Readings:
        """Where interval readings are kept, and how they are read. Raises SettingsError."""
        said, meters = self.settings.readings, self.meters
        store = ReadingsFiles(self.places.of(said.folder), said.zone, self.parquet_keys)
        return Readings(store, said.zone, meters.__contains__ if said.meters else lambda _: True)


@contextlib.contextmanager
def opened_readings(directory: Path) -> Iterator[ReadingsOpened]:
    """A gateway directory with its readings, for the time of a command."""
    it = ReadingsOpened(directory)
    try:
        yield it
    finally:
        it.close()
