"""What a folder of readings holds, in one small file: a change of it is what makes rows be there."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import msgspec

from intertie.gateway.metering.readings_ports import Cursor
from intertie.market.reading_days import Fault
from intertie.model.errors import StoreError
from intertie.model.record import Record
from intertie.seal.private_files import sync_folder

NAME = "state.json"


class Part(Record, frozen=True, kw_only=True):
    """One Parquet file: rows of one month."""

    name: str  # relative to the folder
    month: str
    rows: int
    readings: int
    first: date
    last: date
    size: int


class State(Record, frozen=True, kw_only=True):
    """All files that count, how far was read, and what was found. `number`: of the newest file ever written."""

    version: int = 1
    zone: str
    number: int = 0
    cursor: Cursor = Cursor()
    parts: tuple[Part, ...] = ()
    findings: tuple[str, ...] = ()
    faults: dict[Fault, int] = msgspec.field(default_factory=dict)


def make_folder(folder: Path) -> None:
    """The folder and those above it, for the owner only, on disk."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)


def load(folder: Path, zone: str) -> State:
    """The state, empty in a new folder. Raises StoreError for one of another zone."""
    try:
        state = msgspec.json.decode((folder / NAME).read_bytes(), type=State)
    except FileNotFoundError:
        return State(zone=zone)
    except (OSError, msgspec.MsgspecError) as error:
        raise StoreError(
            f"{folder / NAME} cannot be read: {error}", do="Run `intertie readings rebuild`."
        ) from error
    if state.zone != zone:
        raise StoreError(
            f"the readings were cut into days of {state.zone}, [readings] zone is {zone}",
            do="Run `intertie readings rebuild`.",
        )
    return state


def save(folder: Path, state: State) -> None:
    """In one step: a crash leaves the old one or the new one."""
    draft = folder / f".{NAME}.new"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(state))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / NAME)
    sync_folder(folder)
