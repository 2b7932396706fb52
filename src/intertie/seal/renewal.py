"""Evidence sealed once more before its algorithms lapse: the old file whole, and a new statement around it.

The statement says: at this time I held a file with this hash, and it verified. Who checks judges the new signatures as
of now, and the old file as of the time of renewal, when its algorithms still proved something. A renewed file can be
renewed again. docs/evidence.md numbers the steps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Annotated, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from intertie.model.errors import Code, EvidenceError, Refused
from intertie.model.ids import PartyId, PartyName
from intertie.model.record import Record
from intertie.seal.certificates import TrustStore
from intertie.seal.checkpoint import signers_of
from intertie.seal.encoding import (
    from_base64url,
    read_canonical,
    read_whole,
    require_utc,
    to_base64url,
    write_canonical,
)
from intertie.seal.equivocation import EquivocationReport
from intertie.seal.evidence_report import (
    AlgorithmLine,
    EvidenceReport,
    Signatory,
    algorithm_lines,
    algorithm_text,
    holds_line,
    signatories,
    signatory_line,
    when,
)
from intertie.seal.evidence_stamp import STAMP_EARLY
from intertie.seal.jws import read_jws, sign_json
from intertie.seal.keys import PrivateKeys
from intertie.seal.profile import PROFILES, Profile, profile_of_algorithms
from intertie.seal.signed_part import (
    FileChains,
    TextChains,
    check_algorithms,
    check_signed,
    read_chains,
    step,
    write_chains,
)
from intertie.seal.timestamp import Stamped, StampError, TsaTrust, verify_stamp
from intertie.seal.translated_report import TranslatedReport

KIND: Final = "renewed"
RENEWAL_TYP = "intertie-renewal+jws"
# With the signatures of hybrid-high a statement is 7 KB.
STATEMENT_BYTES_MAX = 32 * 1024
# Base64 adds a third with each layer: the largest evidence (24 MiB) can be renewed three times, all other ones oftener.
RENEWED_BYTES_MAX = 64 * 1024 * 1024
# Renewing every few years, this is a century.
DEPTH_MAX = 16
# A stamp comes after the statement that it is over: within a week where requests are carried to the authority by hand.
STAMP_LATE = timedelta(days=7)

STEP_FILE = 30
STEP_STATEMENT = 31
STEP_HASH = 32
STEP_CERTIFICATES = 33
STEP_SIGNATURES = 34
STEP_ALGORITHMS = 35
STEP_STAMP = 36
STEP_INNER = 37

Inner = EvidenceReport | EquivocationReport | TranslatedReport
Stamper = Callable[[bytes], bytes]


class Statement(Record, frozen=True, kw_only=True):
    """What the renewing party signs."""

    v: Literal[1]
    by: PartyName
    at: datetime
    hash: Literal["SHA-512"]
    digest: Annotated[str, Meta(pattern=r"^[0-9a-f]{128}(?!\n)$")]

    def check(self) -> None:
        """One instant, one spelling."""
        require_utc("at", self.at)


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    v: Literal[2]
    kind: Literal["renewed"]
    inner: str
    statement: msgspec.Raw
    chains: TextChains
    stamp: str | None = None


_FILE = msgspec.json.Decoder(_File)
_STATEMENT = msgspec.json.Decoder(Statement)


class Renewal(Record, frozen=True, kw_only=True, omit_defaults=False):
    """One layer: who renewed, when, and who else says so."""

    by: str
    at: datetime
    profile: str
    signers: tuple[Signatory, ...]
    stamped: datetime | None
    stamped_by: str | None
    notes: tuple[str, ...]


class RenewedReport(Record, frozen=True, kw_only=True, omit_defaults=False):
    """What was renewed, and each renewal, the latest first. `inner` was judged as of the first of them."""

    kind: Literal["renewed"] = KIND
    renewals: tuple[Renewal, ...]
    inner: Inner
    algorithms: tuple[AlgorithmLine, ...]
    holds_until: date | None

    def text(self) -> str:
        """For people."""
        lines = []
        for renewal in self.renewals:
            lines += [f"renewed    by {renewal.by} at {when(renewal.at)}, {renewal.profile}"]
            lines += [signatory_line(signer) for signer in renewal.signers]
            if renewal.stamped is not None:
                lines.append(f"stamped    {when(renewal.stamped)}, says {renewal.stamped_by}")
            lines += [f"note       {note}" for note in renewal.notes]
        lines += [*algorithm_text(self.algorithms), holds_line(self.holds_until)]
        lines += [f"inside     as of {when(self.renewals[-1].at)}:", self.inner.text()]
        return "\n".join(lines)


Report = EvidenceReport | EquivocationReport | TranslatedReport | RenewedReport
Verify = Callable[[bytes, datetime, int], Report]


class Layer(NamedTuple):
    """A renewed file, decoded."""

    inner: bytes
    statement: bytes
    chains: FileChains
    stamp: bytes | None


def build_renewed(
    inner: bytes, keys: PrivateKeys, now: datetime, profile: Profile, stamper: Stamper | None = None
) -> bytes:
    """The file around one that the caller has verified. `stamper` gives the reply of a time-stamping authority for the
    statement. Raises Refused(PROTECTION_TOO_WEAK) for a profile that is not hybrid or without its keys, EvidenceError
    for a file that would be too large."""
    if profile.rank < PROFILES["hybrid"].rank:
        raise Refused(
            Code.PROTECTION_TOO_WEAK, f"evidence is renewed under hybrid or more, not {profile.name}"
        )
    statement = Statement(
        v=1, by=keys.party, at=now, hash="SHA-512", digest=hashlib.sha512(inner).hexdigest()
    )
    signed = sign_json(write_canonical(statement), RENEWAL_TYP, signers_of(keys, profile))
    jws = read_jws(signed, RENEWAL_TYP, limit=STATEMENT_BYTES_MAX)
    stamp = stamper(signed) if stamper is not None else None
    raw = write_canonical(
        _File(
            v=2,
            kind=KIND,
            inner=to_base64url(inner),
            statement=msgspec.Raw(signed),
            chains=write_chains(jws, keys.public().signing, STEP_CERTIFICATES),
            stamp=None if stamp is None else to_base64url(stamp),
        )
    )
    if len(raw) > RENEWED_BYTES_MAX:
        raise EvidenceError(STEP_FILE, f"it would be larger than {RENEWED_BYTES_MAX} bytes")
    return raw


def verify_renewed(
    raw: bytes, roots: TrustStore, now: datetime, tsa: TsaTrust | None, inside: Verify, depth: int
) -> RenewedReport:
    """What a renewed file proves; `inside` verifies what is in it, as of the time of renewal. Raises EvidenceError with
    the step that failed; of a step inside, with that step."""
    if depth >= DEPTH_MAX:
        raise EvidenceError(STEP_FILE, f"renewed more than {DEPTH_MAX} times")
    layer = _read_file(raw)  # 30
    with step(STEP_STATEMENT):
        jws = read_jws(layer.statement, RENEWAL_TYP, limit=STATEMENT_BYTES_MAX)
        statement = _read_statement(jws.payload)
        profile = profile_of_algorithms(jws.algorithms, statement.by)
    if profile.rank < PROFILES["hybrid"].rank:
        raise EvidenceError(STEP_STATEMENT, f"renewed under {profile.name}, hybrid is the least")
    if hashlib.sha512(layer.inner).hexdigest() != statement.digest:
        raise EvidenceError(STEP_HASH, "the file inside is not the one that was renewed")
    check_signed(jws, layer.chains, statement.by, roots, statement.at, (STEP_CERTIFICATES, STEP_SIGNATURES))
    holds_until = check_algorithms([profile], now, STEP_ALGORITHMS)
    stamped = _check_stamp(layer, statement, tsa)
    if statement.at > now:
        raise EvidenceError(
            STEP_INNER, "renewed later than the time of this check: one of the clocks is wrong"
        )
    as_of = statement.at if stamped is None else max(statement.at, stamped.at)
    found = inside(layer.inner, as_of, depth + 1)  # 37: its own steps
    renewal = _renewal(layer, statement, profile, stamped)
    earlier = found.renewals if isinstance(found, RenewedReport) else ()
    return RenewedReport(
        renewals=(renewal, *earlier),
        inner=found.inner if isinstance(found, RenewedReport) else found,
        algorithms=algorithm_lines([profile]),
        holds_until=holds_until,
    )


def _read_file(raw: bytes) -> Layer:
    if len(raw) > RENEWED_BYTES_MAX:
        raise EvidenceError(STEP_FILE, f"larger than {RENEWED_BYTES_MAX} bytes")
    try:
        file = read_whole(raw, _FILE)
        stamp = None if file.stamp is None else from_base64url(file.stamp)
        return Layer(from_base64url(file.inner), bytes(file.statement), read_chains(file.chains), stamp)
    except ValueError as error:
        raise EvidenceError(STEP_FILE, f"not renewed evidence: {error}") from error


def _read_statement(payload: bytes) -> Statement:
    try:
        return read_canonical(payload, _STATEMENT)
    except ValueError as error:
        raise Refused(Code.BAD_MANIFEST, f"not a renewal: {error}"[:300]) from error


def _check_stamp(layer: Layer, statement: Statement, tsa: TsaTrust | None) -> Stamped | None:
    """What the authority says, None if there is no stamp or nobody is trusted for time here."""
    if layer.stamp is None or tsa is None or not tsa.roots:
        return None
    try:
        stamped = verify_stamp(layer.stamp, layer.statement, tsa)
    except StampError as error:
        raise EvidenceError(STEP_STAMP, error.why, do=error.do) from error
    if not statement.at - STAMP_EARLY <= stamped.at <= statement.at + STAMP_LATE:
        why = f"renewed at {when(statement.at)}, stamped at {when(stamped.at)}: too far apart"
        raise EvidenceError(STEP_STAMP, why)
    return stamped


def _renewal(layer: Layer, statement: Statement, profile: Profile, stamped: Stamped | None) -> Renewal:
    notes = []
    if layer.stamp is not None and stamped is None:
        notes.append("carries a time stamp that was not checked: no time-stamping authority was named")
    if stamped is None:
        notes.append(f"that it was renewed before the old algorithms lapsed is {statement.by}'s word alone")
    return Renewal(
        by=statement.by,
        at=statement.at,
        profile=profile.name,
        signers=signatories(layer.chains, PartyId(statement.by)),
        stamped=stamped.at if stamped else None,
        stamped_by=stamped.authority if stamped else None,
        notes=tuple(notes),
    )
