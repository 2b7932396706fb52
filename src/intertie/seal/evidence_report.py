"""What a verified evidence file proves, for programs and for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from intertie.model.ids import PartyId
from intertie.model.record import Record
from intertie.seal.algorithm_table import algorithms
from intertie.seal.certificates import Chain, read_certificate, thumbprint
from intertie.seal.profile import Profile


class Signatory(Record, frozen=True, kw_only=True):
    """One certificate that signed."""

    party: PartyId
    alg: str
    certificate: str  # SHA-256, hex
    serial: str
    issuer: str
    valid_from: datetime
    valid_to: datetime


class HopLine(Record, frozen=True, kw_only=True, omit_defaults=False):
    """What one relay signed: that it took the parcel for its next hop, or would not carry it further."""

    by: PartyId
    hop: int
    status: str
    at: datetime
    next: PartyId | None
    code: str | None
    signers: tuple[Signatory, ...]

    def lines(self) -> list[str]:
        """For a person."""
        code = f" ({self.code})" if self.code else ""
        said = f"relay {self.hop}    {self.status}{code} by {self.by} at {when(self.at)}, for {self.next}"
        return [said, *(signatory_line(s) for s in self.signers)]


class AlgorithmLine(Record, frozen=True, kw_only=True, omit_defaults=False):
    """One algorithm that the proof rests on: what it is worth, until when, and who says so."""

    name: str
    kind: str
    strength: int
    quantum_safe: bool
    until: date | None
    source: str


class EvidenceReport(Record, frozen=True, kw_only=True, omit_defaults=False):
    """Who said what to whom, when, under which agreement, protected how, and what the recipient answered.

    `outcome` None: the file has no receipt. `stamped` None: no time stamp of a third party, or none that was checked.
    `holds_until` None: no end of its algorithms is known.
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
    algorithms: tuple[AlgorithmLine, ...]
    stamped: datetime | None
    stamped_by: str | None
    stamped_with: str | None
    holds_until: date | None
    notes: tuple[str, ...]
    hops: tuple[HopLine, ...] = ()  # the relays that it went over

    def text(self) -> str:
        """The report for a person, a line for each thing that is proved."""
        lines = [
            f"what       {self.document} v{self.version} ({self.verb}), interface {self.interface}, {self.mode}",
            f"message    {self.message}",
            f"from       {self.sender}",
            f"to         {self.recipient}",
            f"agreement  {self.agreement or '(none named)'}",
            f"written    {when(self.written)}, sealed {when(self.sealed)}",
            f"parcel     {self.parcel}, message {self.index + 1} of {self.count}, root {self.root}",
            f"signed     {self.profile}: {', '.join(s.alg for s in self.signers)}",
            *(signatory_line(s) for s in self.signers),
            self._receipt_line(),
            *(signatory_line(s) for s in self.witnesses),
            *(line for hop in self.hops for line in hop.lines()),
            *self._stamp_lines(),
            *algorithm_text(self.algorithms),
            holds_line(self.holds_until),
            *(f"note       {note}" for note in self.notes),
        ]
        return "\n".join(lines)

    def _receipt_line(self) -> str:
        if self.received is None:
            return "receipt    none"
        code = f" ({self.outcome_code})" if self.outcome_code else ""
        return (
            f"receipt    {self.outcome}{code} by {self.recipient} at {when(self.received)}, "
            f"journal of {self.journal_size} entries, root {self.journal_root}"
        )

    def _stamp_lines(self) -> list[str]:
        if self.stamped is None:
            return []
        return [
            f"stamped    the receipt was there at {when(self.stamped)}, says {self.stamped_by} ({self.stamped_with})"
        ]


def signatories(chains: Mapping[str, Chain], party: PartyId) -> tuple[Signatory, ...]:
    """The leaves of chains that were checked, by algorithm."""
    return tuple(signatory(alg, chain, party) for alg, chain in sorted(chains.items()))


def algorithm_lines(profiles: Sequence[Profile]) -> tuple[AlgorithmLine, ...]:
    """What the proof of these profiles rests on: each signature algorithm and the hash, once."""
    table = algorithms()
    names = dict.fromkeys(name for profile in profiles for name in (*profile.signatures, profile.hash))
    return tuple(
        AlgorithmLine(
            name=name,
            kind=table[name].kind,
            strength=table[name].strength,
            quantum_safe=table[name].quantum_safe,
            until=table[name].last_day,
            source=table[name].source,
        )
        for name in names
    )


def algorithm_text(lines: Sequence[AlgorithmLine]) -> list[str]:
    """For people: the algorithms, one a line."""
    return [
        f"{'algorithms' if not place else '':10} {line.name} ({line.kind}, {line.strength} bits"
        f"{', quantum-safe' if line.quantum_safe else ''}), "
        f"{f'until {line.until}' if line.until else 'no end known'}"
        for place, line in enumerate(lines)
    ]


def holds_line(until: date | None) -> str:
    """For people: how long the proof holds."""
    return f"holds      {f'until {until}: renew it before' if until else 'no end of its algorithms is known'}"


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


def signatory_line(signer: Signatory) -> str:
    """For people: a certificate that signed."""
    return (
        f"           {signer.alg} certificate {signer.serial}, {_day(signer.valid_from)} to {_day(signer.valid_to)}, "
        f"by {signer.issuer}"
    )


def when(at: datetime) -> str:
    """For people: a time, to the second."""
    return at.isoformat(sep=" ", timespec="seconds")


def _day(at: datetime) -> str:
    return at.date().isoformat()
