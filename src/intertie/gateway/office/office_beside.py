"""What pages need beside the gateway: somebody who settles, what the folder knows of keys, a place for files that come, and roots
of time-stamping authorities. Where one is not there, its pages say so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from intertie.gateway.office.uploaded_ports import UploadStore
from intertie.gateway.operating.turning_ports import TurningKeys
from intertie.gateway.proving.audit_report import Auditing, ProofFiles
from intertie.gateway.settlement.settling_ports import Settling
from intertie.gateway.views.view_policy import HeldKeys
from intertie.model.errors import SettingsError
from intertie.seal.evidence_file import NONE
from intertie.seal.timestamp import TsaTrust
from intertie.seal.translated_evidence import ForeignVerifier


class Beside(NamedTuple):
    """Each may be missing, as in a program that serves only the API."""

    settling: Settling | None = None
    held: HeldKeys | None = None
    uploads: UploadStore | None = None
    tsa: Callable[[], TsaTrust] = lambda: TsaTrust(())
    verifiers: Mapping[str, ForeignVerifier] = NONE
    zone: str = "UTC"  # of the days of readings, by which settlement counts
    auditing: Auditing | None = None
    proofs: ProofFiles | None = None
    turning: TurningKeys | None = None

    def settler(self) -> Settling:
        """SettingsError if nobody here settles."""
        if self.settling is None:
            raise SettingsError("nothing is settled here", do="Open the office of a gateway with readings.")
        return self.settling

    def keys(self) -> HeldKeys:
        """SettingsError if the folder is not open here."""
        if self.held is None:
            raise SettingsError(
                "the keys of this gateway are not open here", do="`intertie policy check` has them."
            )
        return self.held

    def auditor(self) -> Auditing:
        """SettingsError if partners cannot be asked here."""
        if self.auditing is None:
            raise SettingsError("no journal is audited here", do="`intertie journal audit` does it.")
        return self.auditing

    def proof_files(self) -> ProofFiles:
        """SettingsError if no such files are kept here."""
        if self.proofs is None:
            raise SettingsError(
                "no files of evidence are kept here", do="`intertie evidence renew` writes them."
            )
        return self.proofs

    def own_keys(self) -> TurningKeys:
        """SettingsError if our keys cannot be turned here."""
        if self.turning is None:
            raise SettingsError("our keys are not turned here", do="`intertie keys rotate` does it.")
        return self.turning

    def files(self) -> UploadStore:
        """SettingsError if no files are taken here."""
        if self.uploads is None:
            raise SettingsError("no files are taken here", do="Open the office of a gateway.")
        return self.uploads


NOTHING = Beside()
