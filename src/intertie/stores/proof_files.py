"""Files that prove something, in a folder of the gateway: the last audit, evidence against a party, renewed evidence.

audit.json                    the report of the last audit
equivocation-PARTY-N.json     evidence that a journal was rewritten
renewed/ID-WAY-PARTY.json     evidence of a message, renewed
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

from intertie.gateway.proving.audit_report import AuditReport
from intertie.model.errors import StoreError
from intertie.model.ids import PartyId
from intertie.seal.private_files import sync_folder

# How often a name is tried for a new evidence file.
NAMES_MAX = 1000
# An id, a way and a party; a name on a disk has no more than 255 bytes.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.json")
_RENEWED = "renewed"


class ProofFolder:
    """`gateway.proving.audit_report.ProofFiles` in a folder, which is made when the first file is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep_report(self, report: AuditReport) -> None:
        """In place of the one before."""
        self._write(self._folder / "audit.json", msgspec.json.encode(report))

    def last_report(self) -> AuditReport | None:
        """The newest; none if it cannot be read, as after a change of version."""
        try:
            return msgspec.json.decode((self._folder / "audit.json").read_bytes(), type=AuditReport)
        except (OSError, msgspec.DecodeError):
            return None

    def keep_evidence(self, party: PartyId, raw: bytes) -> str:
        """Under a name that is free, or that holds these bytes."""
        for number in range(1, NAMES_MAX):
            path = self._folder / f"equivocation-{party}-{number}.json"
            if not path.exists():
                self._write(path, raw)
                return path.name
            if path.read_bytes() == raw:
                return path.name
        raise StoreError(f"{self._folder} has {NAMES_MAX} files against {party}")

    def keep_renewed(self, name: str, raw: bytes) -> None:
        """Under this name; StoreError for one that is none."""
        if _NAME.fullmatch(name) is None:
            raise StoreError("this is no name for a file of evidence")
        self._write(self._folder / _RENEWED / name, raw)

    def renewed(self) -> frozenset[str]:
        """Their names."""
        try:
            return frozenset(
                one.name for one in os.scandir(self._folder / _RENEWED) if _NAME.fullmatch(one.name)
            )
        except FileNotFoundError:
            return frozenset()

    def read(self, name: str) -> bytes | None:
        """Of either kind; None for a name that nothing has, or that is none."""
        if _NAME.fullmatch(name) is None:
            return None
        for folder in (self._folder, self._folder / _RENEWED):
            try:
                return (folder / name).read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StoreError(f"{name} cannot be read: {error}") from error
        return None

    @staticmethod
    def _write(path: Path, raw: bytes) -> None:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
            with fresh.open("wb") as out:
                out.write(raw)
                out.flush()
                os.fsync(out.fileno())
            fresh.replace(path)
            sync_folder(path.parent)
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error}") from error
