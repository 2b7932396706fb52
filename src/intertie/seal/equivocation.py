"""One party, two signed statements about its journal that cannot both be true: provable to anybody who has the roots.

A statement is a receipt (its journal had this head when it was written) or a checkpoint (over its first `size` entries
the root is this one, and it has `present` entries now). Two contradict each other when they name different roots for
one size, or when a later checkpoint says that the journal is shorter than it was. docs/evidence.md numbers the steps.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final, Literal, NamedTuple

import msgspec

from intertie.model.errors import EvidenceError, Refused
from intertie.model.ids import PartyId
from intertie.model.record import Record
from intertie.seal.certificates import TrustStore
from intertie.seal.checkpoint import CHECKPOINT_BYTES_MAX, CHECKPOINT_TYP, read_checkpoint
from intertie.seal.encoding import read_whole, write_canonical
from intertie.seal.evidence_report import (
    AlgorithmLine,
    Signatory,
    algorithm_lines,
    algorithm_text,
    holds_line,
    signatories,
    signatory_line,
    when,
)
from intertie.seal.jws import Chains, Jws, read_jws
from intertie.seal.profile import Profile, profile_of_algorithms
from intertie.seal.receipt import RECEIPT_BYTES_MAX, RECEIPT_TYP, read_receipt
from intertie.seal.signed_part import (
    FileChains,
    Part,
    check_algorithms,
    check_signed,
    read_chains,
    step,
    write_chains,
)

KIND: Final = "equivocation"
# Two of the largest receipts, with certificates.
EQUIVOCATION_BYTES_MAX = 2 * RECEIPT_BYTES_MAX + 256 * 1024
# A receipt's time is when the parcel began to arrive, its head is of when it was written; in between lie the checks and
# a wait for the store (ten seconds at most, twice). A checkpoint within this of a receipt may name a smaller journal.
SETTLED = timedelta(minutes=15)

STEP_FILE = 20
STEP_STATEMENTS = 21
STEP_ONE_PARTY = 22
STEP_CERTIFICATES = 23
STEP_SIGNATURES = 24
STEP_CONTRADICTION = 25
STEP_ALGORITHMS = 26


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    v: Literal[1]
    kind: Literal["equivocation"]
    first: Part
    second: Part


_FILE = msgspec.json.Decoder(_File)


class Claim(NamedTuple):
    """What a signed object says of its signer's journal."""

    party: PartyId
    to: PartyId
    at: datetime
    size: int
    root: str
    present: int | None  # entries at `at`; None if it does not say
    what: Literal["receipt", "checkpoint"]
    name: str  # for people: which receipt or checkpoint


class ClaimLine(Record, frozen=True, kw_only=True, omit_defaults=False):
    """One of the two statements, for programs."""

    what: str
    name: str
    to: str
    at: datetime
    size: int
    root: str
    present: int | None
    profile: str
    signers: tuple[Signatory, ...]


class EquivocationReport(Record, frozen=True, kw_only=True, omit_defaults=False):
    """Who contradicts itself, about which sizes, in which two statements."""

    kind: Literal["equivocation"] = KIND
    party: str
    contradiction: Literal["two_roots", "shrunk"]
    first: ClaimLine
    second: ClaimLine
    algorithms: tuple[AlgorithmLine, ...]
    holds_until: date | None

    def text(self) -> str:
        """For people."""
        said = {
            "two_roots": f"says of the first {self.first.size} entries of its journal two things that cannot both be true",
            "shrunk": f"had {self.first.size} entries in its journal, and later only {self.second.present}",
        }[self.contradiction]
        lines = [f"equivocation  {self.party} {said}"]
        for claim in (self.first, self.second):
            lines += [
                f"{claim.what:13} {claim.name}, to {claim.to}, at {when(claim.at)}",
                f"              size {claim.size}, root {claim.root}"
                + (f", {claim.present} entries then" if claim.present is not None else ""),
                *(f"    {signatory_line(signer)}" for signer in claim.signers),
            ]
        return "\n".join([*lines, *algorithm_text(self.algorithms), holds_line(self.holds_until)])


def read_claim(raw: bytes) -> tuple[Jws, Claim]:
    """A receipt or a checkpoint, unverified; Refused(BAD_MANIFEST) if it is neither."""
    try:
        jws = read_jws(raw, RECEIPT_TYP, limit=RECEIPT_BYTES_MAX)
    except Refused:
        return _checkpoint_claim(raw)
    said = read_receipt(jws.payload)
    head, name = said.journal, f"for parcel {said.parcel}"
    return jws, Claim(
        said.sender, said.recipient, said.received, head.size, head.root, head.size, "receipt", name
    )


def _checkpoint_claim(raw: bytes) -> tuple[Jws, Claim]:
    jws = read_jws(raw, CHECKPOINT_TYP, limit=CHECKPOINT_BYTES_MAX)
    said = read_checkpoint(jws.payload)
    name = f"over the first {said.size} entries"
    return jws, Claim(
        said.sender, said.recipient, said.at, said.size, said.root, said.present, "checkpoint", name
    )


def contradiction(first: Claim, second: Claim) -> Literal["two_roots", "shrunk"] | None:
    """Why two claims cannot both be true, if they cannot. For "shrunk" the first is the older one."""
    if first.party != second.party:
        return None
    if first.size == second.size and first.root != second.root:
        return "two_roots"
    later = second.what == "checkpoint" and second.at >= first.at + SETTLED
    if later and second.present is not None and second.present < first.size:
        return "shrunk"
    return None


def build_equivocation(one: tuple[bytes, Chains], other: tuple[bytes, Chains]) -> bytes:
    """The file over two signed objects, older one first, with the certificates that they name. Raises EvidenceError if
    one cannot be read, a certificate is missing, or the two do not contradict each other."""
    with step(STEP_STATEMENTS):
        pairs = sorted(
            [(*read_claim(raw), raw, chains) for raw, chains in (one, other)], key=lambda p: (p[1].at, p[2])
        )
    if contradiction(pairs[0][1], pairs[1][1]) is None:
        raise EvidenceError(STEP_CONTRADICTION, "the two statements do not contradict each other")
    parts = [
        Part(jws=msgspec.Raw(raw), chains=write_chains(jws, chains, STEP_CERTIFICATES))
        for jws, _, raw, chains in pairs
    ]
    return write_canonical(_File(v=1, kind=KIND, first=parts[0], second=parts[1]))


def verify_equivocation(raw: bytes, roots: TrustStore, now: datetime) -> EquivocationReport:
    """Who contradicted itself, and how. Needs nothing but the roots; certificates are judged at the time of each
    statement, algorithms at `now`. Raises EvidenceError with the step that failed."""
    parts = _read_file(raw)  # 20
    with step(STEP_STATEMENTS):
        read = [read_claim(statement) for statement, _ in parts]
        profiles = [profile_of_algorithms(jws.algorithms, claim.party) for jws, claim in read]
    (_, first), (_, second) = read
    if first.party != second.party:
        raise EvidenceError(STEP_ONE_PARTY, f"one is {first.party}'s, the other {second.party}'s")
    for (jws, claim), (_, chains) in zip(read, parts, strict=True):
        check_signed(jws, chains, claim.party, roots, claim.at, (STEP_CERTIFICATES, STEP_SIGNATURES))
    why = contradiction(first, second)
    if why is None:
        raise EvidenceError(STEP_CONTRADICTION, "the two statements do not contradict each other")
    holds_until = check_algorithms(profiles, now, STEP_ALGORITHMS)
    lines = [
        _line(claim, profile, chains)
        for (_, claim), profile, (_, chains) in zip(read, profiles, parts, strict=True)
    ]
    return EquivocationReport(
        party=first.party,
        contradiction=why,
        first=lines[0],
        second=lines[1],
        algorithms=algorithm_lines(profiles),
        holds_until=holds_until,
    )


def _read_file(raw: bytes) -> list[tuple[bytes, FileChains]]:
    if len(raw) > EQUIVOCATION_BYTES_MAX:
        raise EvidenceError(STEP_FILE, f"larger than {EQUIVOCATION_BYTES_MAX} bytes")
    try:
        file = read_whole(raw, _FILE)
        return [(bytes(part.jws), read_chains(part.chains)) for part in (file.first, file.second)]
    except ValueError as error:
        raise EvidenceError(STEP_FILE, f"not evidence of an equivocation: {error}") from error


def _line(claim: Claim, profile: Profile, chains: FileChains) -> ClaimLine:
    return ClaimLine(
        what=claim.what,
        name=claim.name,
        to=claim.to,
        at=claim.at,
        size=claim.size,
        root=claim.root,
        present=claim.present,
        profile=profile.name,
        signers=signatories(chains, claim.party),
    )
