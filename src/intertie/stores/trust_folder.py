"""The trust folder as a person changes it: every change is tried first, and undone if the folder could not be used then."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId, party_id
from intertie.seal.certificates import OCSP_FOLDER, TrustStore, load_trust, read_roots_of
from intertie.seal.revocation import read_list, read_lists
from intertie.seal.trust_view import TrustLine, describe_answer, describe_pem
from intertie.stores.partner_files import write_whole


def describe_folder(folder: Path, trust: TrustStore, now: datetime) -> list[TrustLine]:
    """Everything in it; SettingsError if a file cannot be read."""
    lines: list[TrustLine] = []
    try:
        for path in sorted(folder.rglob("*.pem")):
            only = None if path.parent == folder else party_id(path.parent.name)
            name = str(path.relative_to(folder))
            lines += describe_pem(path.read_bytes(), name, only, trust, now)
        for path in sorted((folder / OCSP_FOLDER).glob("*.der")):
            name = str(path.relative_to(folder))
            lines.append(describe_answer(path.read_bytes(), name, trust, now))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{folder}: {error}") from error
    return lines


def add_file(folder: Path, name: str, data: bytes, party: PartyId | None) -> str:
    """Put roots or lists into the folder; what the file is called there. SettingsError if it holds none, or a file with
    roots of this name is there, or the folder could not be used with it."""
    if b"-----BEGIN" not in data:
        data = read_list(data).pem()
    roots, lists = read_roots_of(data), list(read_lists(data))
    if not roots and not lists:
        raise SettingsError(f"{name} holds neither a certificate nor a revocation list")
    place = folder / party if party else folder
    path = place / f"{Path(name).stem}.pem"
    before = path.read_bytes() if path.exists() else None
    if before is not None and (roots or read_roots_of(before)):
        raise SettingsError(f"{path} is there already", do="Remove it first, or give the file another name.")
    fresh_folder = not place.exists()
    place.mkdir(mode=0o700, exist_ok=True)
    write_whole(path, data)
    try:
        load_trust(folder)
    except SettingsError:
        path.unlink()
        if before is not None:
            write_whole(path, before)
        if fresh_folder:
            place.rmdir()
        raise
    return str(path.relative_to(folder))


def remove_file(folder: Path, name: str) -> None:
    """Take a file out; SettingsError if it is not there, or the folder could not be used without it."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()) or path.suffix not in {".pem", ".der"}:
        raise SettingsError(f"{name} is no file of the trust folder", do="`intertie trust list` shows them.")
    try:
        data = path.read_bytes()
        path.unlink()
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be removed: {error.strerror or error}",
            do="`intertie trust list` shows the files.",
        ) from error
    try:
        load_trust(folder)
    except SettingsError:
        write_whole(path, data)
        raise
