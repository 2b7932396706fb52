"""Any file that proves something: one message, an equivocation, or one of them renewed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from types import MappingProxyType

import msgspec

from intertie.model.errors import EvidenceError
from intertie.seal.certificates import TrustStore
from intertie.seal.equivocation import KIND as EQUIVOCATION
from intertie.seal.equivocation import verify_equivocation
from intertie.seal.evidence import STEP_FILE, verify_evidence
from intertie.seal.renewal import KIND as RENEWED
from intertie.seal.renewal import RENEWED_BYTES_MAX, Report, verify_renewed
from intertie.seal.timestamp import TsaTrust
from intertie.seal.translated_evidence import KIND as TRANSLATED
from intertie.seal.translated_evidence import ForeignVerifier, verify_translated

NONE: Mapping[str, ForeignVerifier] = MappingProxyType({})


class _Kind(msgspec.Struct, frozen=True):
    kind: str | None = None


_KIND = msgspec.json.Decoder(_Kind)


def verify_file(
    raw: bytes,
    roots: TrustStore,
    now: datetime,
    tsa: TsaTrust | None = None,
    *,
    verifiers: Mapping[str, ForeignVerifier] = NONE,
    depth: int = 0,
) -> Report:
    """What a file proves, whichever kind it is; `verifiers` are those of other protocols, by the name of their binding. Raises
    EvidenceError with the step that failed (docs/evidence.md)."""
    kind = _kind(raw)
    if kind == RENEWED:
        inside = partial(_inside, roots=roots, tsa=tsa, verifiers=verifiers)
        return verify_renewed(raw, roots, now, tsa, inside, depth)
    if kind == EQUIVOCATION:
        return verify_equivocation(raw, roots, now)
    if kind == TRANSLATED:
        return verify_translated(raw, roots, now, verifiers)
    return verify_evidence(raw, roots, now, tsa)


def _inside(
    raw: bytes,
    now: datetime,
    depth: int,
    *,
    roots: TrustStore,
    tsa: TsaTrust | None,
    verifiers: Mapping[str, ForeignVerifier],
) -> Report:
    return verify_file(raw, roots, now, tsa, verifiers=verifiers, depth=depth)


def _kind(raw: bytes) -> str | None:
    """The member `kind`; a file without one is evidence of a message, and its own reader says what is wrong with it."""
    if len(raw) > RENEWED_BYTES_MAX:
        raise EvidenceError(STEP_FILE, f"larger than {RENEWED_BYTES_MAX} bytes")
    try:
        return _KIND.decode(raw).kind
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
