"""The answers to sets that arrived: 997 for their syntax, 824 for what our business says of them (docs/x12.md)."""

from __future__ import annotations

from collections.abc import Iterable

from intertie.formats.x12.acknowledge_997 import FunctionalAcknowledgement, Judged, acknowledge
from intertie.formats.x12.advice_824 import Advice, AdviceError
from intertie.formats.x12.findings import Finding, Place, X12Code, X12Error
from intertie.formats.x12.interchange import TransactionSet
from intertie.formats.x12.layout import Profile, layout
from intertie.formats.x12.read_set import read_set
from intertie.formats.x12.sets import READERS
from intertie.formats.x12.tree import text
from intertie.model.errors import IntertieError, Refused

# Where sets have the reference that an 824 names (OTI03).
REFERENCES = ("reference", "invoice", "trace")
# An 824 is read by people; the 997 has the rest.
ERRORS_SHOWN = 20
# OTI03 must be there: what is said of a set that names itself nowhere.
NO_REFERENCE = "NONE"
# TED02 and REF03, in which the reason is told; REF02 has its code.
SHORT, WORDS, REASON = 60, 200, 20


def judge(one: TransactionSet, by: Profile) -> Judged:
    """What is wrong with a set's syntax: all of it, as far as it is looked for. Never raises."""
    if one.set_id not in READERS:
        return Judged(
            one, (*one.findings, Finding(X12Code.UNKNOWN_SET, Place(one.first, "ST", 1, position=1)))
        )
    return Judged(one, read_set(one, layout(one.set_id, by.name)).findings)


def answer_syntax(sets: Iterable[TransactionSet], by: Profile) -> list[FunctionalAcknowledgement]:
    """The 997 of each group. Acknowledgements themselves are not acknowledged: two systems would never end."""
    return acknowledge([judge(one, by) for one in sets if one.set_id != "997"])


def answer_business(one: TransactionSet, by: Profile, refused: IntertieError | None = None) -> Advice:
    """The 824 of a set whose syntax is right: in our books, or refused by this error (of admission, of the trade, or
    because the set makes no document)."""
    findings = refused.findings if isinstance(refused, X12Error) else ()
    code, words = "", ""
    if isinstance(refused, Refused):
        code, words = refused.code.value, refused.detail
    elif isinstance(refused, X12Error):
        code, words = refused.finding.code.value, str(refused.finding)
    elif refused is not None:
        code, words = "OTHER", str(refused)
    return Advice(
        original=reference_of(one, by),
        set_id=one.set_id,
        answer="accepted" if refused is None else "refused",
        reason=code.upper()[:REASON],
        text=_plain(words)[:WORDS],
        group_control=one.group.control if one.group.control.isdigit() else "",
        set_control=one.control if one.control.isalnum() and 4 <= len(one.control) <= 9 else "",
        errors=tuple(_error(finding) for finding in findings[:ERRORS_SHOWN]),
    )


def reference_of(one: TransactionSet, by: Profile) -> str:
    """What a set is called by whoever wrote it."""
    if one.set_id not in READERS:
        return NO_REFERENCE
    node = read_set(one, layout(one.set_id, by.name)).node
    return next((found for name in REFERENCES if (found := text(node, name))), NO_REFERENCE)[:30]


def _plain(words: str) -> str:
    """Without what may not stand in an element: separators in use, and what is not of the character set."""
    return "".join(
        mark if mark.isascii() and mark.isprintable() and mark not in "*~>" else " " for mark in words
    )


def _error(finding: Finding) -> AdviceError:
    place = finding.place
    return AdviceError(
        text=_plain(finding.detail or finding.code)[:SHORT].rstrip(),
        segment=place.id if len(place.id) >= 2 else "",
        segment_at=place.position,
        element_at=place.element,
    )
