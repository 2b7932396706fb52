"""What a verified evidence file proves, for programs and for people."""

from __future__ import annotations

from datetime import date, datetime

from intertie.model.ids import PartyId
from intertie.model.record import Record
from intertie.seal.certificates import Chain, read_certificate, thumbprint


class Signatory(Record, frozen=True, kw_only=True):
    """One certificate that signed."""

    party: PartyId
    alg: str
    certificate: str  # SHA-256, hex
    serial: str
    issuer: str
    valid_from: datetime
    valid_to: datetime


class EvidenceReport(Record, frozen=True, kw_only=True, omit_defaults=False):
    """Who said what to whom, when, under which agreement, protected how, and what the recipient answered.

    `outcome` None: the file has no receipt. `holds_until` None: no end of its algorithms is known.
    """

    message: str
    document: str
    version: int
    verb: str
    interface: str
    mode: str
    sender: str
    recipient: str
    agreement: str | None
    conversation: str | None
    written: datetime
    sealed: datetime
    parcel: str
    index: int
    count: int
    leaf: str
    root: str
    profile: str
    signers: tuple[Signatory, ...]
    received: datetime | None
    outcome: str | None
    outcome_code: str | None
    journal_size: int | None
    journal_root: str | None
    witnesses: tuple[Signatory, ...]
    holds_until: date | None
    notes: tuple[str, ...]

    def text(self) -> str:
        """The report for a person, a line for each thing that is proved."""
        lines = [
            f"what       {self.document} v{self.version} ({self.verb}), interface {self.interface}, {self.mode}",
            f"message    {self.message}",
            f"from       {self.sender}",
            f"to         {self.recipient}",
            f"agreement  {self.agreement or '(none named)'}",
            f"written    {_when(self.written)}, sealed {_when(self.sealed)}",
            f"parcel     {self.parcel}, message {self.index + 1} of {self.count}, root {self.root}",
            f"signed     {self.profile}: {', '.join(s.alg for s in self.signers)}",
            *(_signatory_line(s) for s in self.signers),
            self._receipt_line(),
            *(_signatory_line(s) for s in self.witnesses),
            f"holds      {f'until {self.holds_until}' if self.holds_until else 'no end of its algorithms is known'}",
            *(f"note       {note}" for note in self.notes),
        ]
        return "\n".join(lines)

    def _receipt_line(self) -> str:
        if self.received is None:
            return "receipt    none"
        code = f" ({self.outcome_code})" if self.outcome_code else ""
        return (
            f"receipt    {self.outcome}{code} by {self.recipient} at {_when(self.received)}, "
            f"journal of {self.journal_size} entries, root {self.journal_root}"
        )


def signatory(alg: str, chain: Chain, party: PartyId) -> Signatory:
    """The leaf of a chain that was checked."""
    certificate = read_certificate(chain[0])
    return Signatory(
        party=party,
        alg=alg,
        certificate=thumbprint(chain[0]).hex(),
        serial=f"{certificate.serial_number:x}",
        issuer=certificate.issuer.rfc4514_string(),
        valid_from=certificate.not_valid_before_utc,
        valid_to=certificate.not_valid_after_utc,
    )


def _signatory_line(signer: Signatory) -> str:
    return (
        f"           {signer.alg} certificate {signer.serial}, {_day(signer.valid_from)} to {_day(signer.valid_to)}, "
        f"by {signer.issuer}"
    )


def _when(at: datetime) -> str:
    return at.isoformat(sep=" ", timespec="seconds")


def _day(at: datetime) -> str:
    return at.date().isoformat()
