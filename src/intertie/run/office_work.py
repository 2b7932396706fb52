"""What an office process runs, with all that pages need beside the gateway. Arrow is loaded with this file: a gateway that serves
starts such a process, and imports none of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from intertie.gateway.metering.readings import Readings
from intertie.gateway.office.office_beside import Beside
from intertie.gateway.settlement.settling import Settler
from intertie.run import office_process
from intertie.run.auditing import StreetAuditing
from intertie.run.held import Held
from intertie.run.opening import Opened
from intertie.run.readings import ReadingsOpened
from intertie.run.turning import FolderKeys
from intertie.run.verifiers import VERIFIERS
from intertie.seal.store_kek import StoreKeks
from intertie.seal.timestamp import load_tsa_roots
from intertie.stores.proof_files import ProofFolder
from intertie.stores.uploaded_files import UploadedFiles


class OfficeOpened(ReadingsOpened):
    """A gateway directory, opened for its office."""

    @cached_property
    def beside(self) -> Beside:
        """What pages need."""
        return Beside(
            settling=Settler(self.gateway, self._readings, self.settings.settlement.minutes),
            held=Held(self),
            uploads=UploadedFiles(self.places.office / "uploads", StoreKeks(self.own.vault)),
            tsa=lambda: load_tsa_roots(self.places.tsa),
            verifiers=VERIFIERS,
            zone=self.settings.readings.zone,
            auditing=StreetAuditing(self),
            turning=FolderKeys(self),
            proofs=ProofFolder(self.directory / "evidence"),
        )

    def _readings(self) -> Readings:
        return self.readings


def beside_of(it: Opened) -> Beside:
    """What pages need beside a gateway that is open."""
    assert isinstance(it, OfficeOpened)  # as `work` opens it
    return it.beside


def work(arguments: Sequence[str]) -> int:
    """One office process, as `office_process.work` says; its exit code."""
    return office_process.work(arguments, OfficeOpened, beside_of)
