"""The store that the settings name: a SQLite file, or a schema of a PostgreSQL database."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from intertie.gateway.configuration.settings import Places, StorePlace
from intertie.model.errors import SettingsError
from intertie.seal.key_port import KeyPort
from intertie.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from intertie.stores.postgres import PostgresStore


def open_store(place: StorePlace, places: Places, port: KeyPort | None) -> SqliteStore | PostgresStore:
    """Open it, or make it. SettingsError if it is not ours, StoreError if it cannot be used."""
    if not place.url:
        return SqliteStore(places.of(place.file), port)
    # By name: to load the driver takes longer than most commands, and a gateway with a file never needs it.
    engine = importlib.import_module("intertie.stores.postgres")
    server = engine.Server(place.url, place.schema_name, _password(place, places))
    store: PostgresStore = engine.PostgresStore(server, port)
    return store


def _password(place: StorePlace, places: Places) -> str | None:
    """The line of the password file, if one is named."""
    if not place.password_file:
        return None
    path = places.of(place.password_file)
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} cannot be read: {error}", do="[store] password_file names a file with the password"
        ) from error
