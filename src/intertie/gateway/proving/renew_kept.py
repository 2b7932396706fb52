"""Evidence renewed and kept as files: those of a page that lapse, each once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from intertie.gateway.gateway import Gateway
from intertie.gateway.proving.audit_report import ProofFiles
from intertie.gateway.proving.renew_evidence import LapsingPage, renew_message, renewed_name
from intertie.model.errors import IntertieError
from intertie.model.ids import MessageId
from intertie.seal.evidence_file import NONE
from intertie.seal.profile import Profile
from intertie.seal.timestamp import TsaTrust
from intertie.seal.translated_evidence import ForeignVerifier


class Renewed(NamedTuple):
    """How many files were made, and which messages have none, with why."""

    made: int
    failed: tuple[tuple[MessageId, str], ...]


def renew_and_keep(
    gateway: Gateway,
    files: ProofFiles,
    page: LapsingPage,
    profile: Profile,
    now: datetime,
    tsa: TsaTrust,
    verifiers: Mapping[str, ForeignVerifier] = NONE,
) -> Renewed:
    """Those that have no file yet. One that cannot be renewed, as it has lapsed, keeps back no other."""
    kept, made, failed = files.renewed(), 0, list[tuple[MessageId, str]]()
    for found in page.lines:
        name = renewed_name(found)
        if name in kept:
            continue
        try:
            raw = renew_message(gateway, found.row, profile, now, tsa, verifiers=verifiers)
            files.keep_renewed(name, raw)
        except IntertieError as error:
            failed.append((found.row.id, error.why))
        else:
            made += 1
    return Renewed(made, tuple(failed))
