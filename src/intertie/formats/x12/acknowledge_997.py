"""997: whether the syntax of a group's sets is right, and where it is not. Made from findings; read as a record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from intertie.formats.x12.findings import CODES, Finding, Place
from intertie.formats.x12.interchange import Group, TransactionSet
from intertie.formats.x12.trading import Call
from intertie.formats.x12.tree import Node, nodes, table, table_of, text
from intertie.model.record import Record

Code = Annotated[str, Meta(pattern=r"^[A-Z0-9]{1,3}(?!\n)$")]
# AK501 and AK901.
ACCEPTED, REJECTED, PARTLY = "A", "R", "P"
# A set has at most as many errors as are looked for (read_set.FINDINGS_MAX).
ERRORS_MAX = 1000
SETS_MAX = 100_000


class SyntaxNote(Record, frozen=True, kw_only=True):
    """AK3, and AK4 if an element is meant: `at` counts from ST, which is 1. Codes as in AK304 and AK403."""

    segment: Annotated[str, Meta(max_length=3)]
    at: Annotated[int, Meta(ge=1, le=999_999)]
    code: Code
    loop: Annotated[str, Meta(max_length=6)] = ""
    element: Annotated[int, Meta(ge=0, le=99)] = 0
    component: Annotated[int, Meta(ge=0, le=99)] = 0
    element_code: Annotated[str, Meta(pattern=r"^[0-9]{0,3}(?!\n)$")] = ""


class SetVerdict(Record, frozen=True, kw_only=True):
    """AK2 to AK5: one set. `codes` as in AK502."""

    set_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{3}(?!\n)$")]
    control: Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{4,9}(?!\n)$")]
    accepted: bool
    codes: Annotated[tuple[Code, ...], Meta(max_length=5)] = ()
    notes: Annotated[tuple[SyntaxNote, ...], Meta(max_length=ERRORS_MAX)] = ()


class FunctionalAcknowledgement(Record, frozen=True, kw_only=True):
    """A 997: the group, how many of its sets there were and were accepted, and each set's verdict."""

    functional: Annotated[str, Meta(pattern=r"^[A-Z]{2}(?!\n)$")]
    group_control: Annotated[str, Meta(pattern=r"^[0-9]{1,9}(?!\n)$")]
    verdict: Literal["accepted", "partly", "rejected"]
    included: Annotated[int, Meta(ge=0, le=999_999)]
    received: Annotated[int, Meta(ge=0, le=999_999)]
    accepted: Annotated[int, Meta(ge=0, le=999_999)]
    sets: Annotated[tuple[SetVerdict, ...], Meta(max_length=SETS_MAX)] = ()


class Judged(NamedTuple):
    """A set and what is wrong with its syntax."""

    one: TransactionSet
    findings: Sequence[Finding]


_VERDICTS = {"accepted": ACCEPTED, "partly": PARTLY, "rejected": REJECTED}
# E (accepted, with errors) and M, W, X (security) count as what they do to the group.
_READ = {
    "A": "accepted",
    "E": "accepted",
    "P": "partly",
    "R": "rejected",
    "M": "rejected",
    "W": "rejected",
    "X": "rejected",
}


def acknowledge(judged: Iterable[Judged]) -> list[FunctionalAcknowledgement]:
    """An acknowledgement for each group, from what was found in its sets."""
    return [_group(group, list(sets)) for group, sets in groupby(judged, key=lambda each: each.one.group)]


def _group(group: Group, sets: list[Judged]) -> FunctionalAcknowledgement:
    accepted = sum(not each.findings for each in sets)
    verdict: Literal["accepted", "partly", "rejected"] = "partly"
    if accepted == len(sets):
        verdict = "accepted"
    elif not accepted:
        verdict = "rejected"
    return FunctionalAcknowledgement(
        functional=group.functional,
        group_control=group.control,
        verdict=verdict,
        included=len(sets),
        received=len(sets),
        accepted=accepted,
        sets=tuple(_verdict(each) for each in sets),
    )


def _verdict(each: Judged) -> SetVerdict:
    codes = dict.fromkeys(CODES[finding.code].transaction for finding in each.findings)
    notes = tuple(_note(f.place, f) for f in each.findings if f.place.position and CODES[f.code].segment)
    return SetVerdict(
        set_id=each.one.set_id,
        control=each.one.control,
        accepted=not each.findings,
        codes=tuple(code for code in codes if code)[:5],
        notes=notes,
    )


def _note(place: Place, finding: Finding) -> SyntaxNote:
    meaning = CODES[finding.code]
    return SyntaxNote(
        segment=place.id or "UNK",
        at=place.position,
        code=meaning.segment,
        element=place.element if meaning.element else 0,
        component=place.component if meaning.element else 0,
        element_code=meaning.element if place.element else "",
    )


def write_acknowledgement(body: FunctionalAcknowledgement, call: Call) -> Node:
    """The tree of a 997."""
    return {
        "group": body.functional,
        "control": body.group_control,
        "sets": [_write_verdict(each) for each in body.sets],
        "code": _VERDICTS[body.verdict],
        "included": str(body.included),
        "received": str(body.received),
        "accepted": str(body.accepted),
    }


def _write_verdict(each: SetVerdict) -> Node:
    codes: Node = {f"code_{n}": code for n, code in enumerate(each.codes, 1)}
    return {
        "set": each.set_id,
        "control": each.control,
        "segments": _write_notes(each.notes),
        "code": ACCEPTED if each.accepted else REJECTED,
        **codes,
    }


def _write_notes(notes: Sequence[SyntaxNote]) -> list[Node]:
    """An AK3 a segment, and under it an AK4 for each of its elements that are wrong."""
    found: list[Node] = []
    for key, same in groupby(
        notes, key=lambda note: (note.segment, note.at, note.loop, note.code, note.element > 0)
    ):
        segment, at, loop, code, elements = key
        base: Node = {"id": segment, "position": str(at), "loop": loop, "code": code}
        if elements:
            found.append(base | {"elements": table_of([_write_element(note) for note in same])})
        else:
            found += [base] * len(list(same))
    return found


def _write_element(note: SyntaxNote) -> dict[str, str]:
    component = f">{note.component}" if note.component else ""
    return {"position": f"{note.element}{component}", "code": note.element_code}


def read_acknowledgement(node: Node, call: Call) -> FunctionalAcknowledgement:
    """The record of a 997's tree; ValueError if it makes none."""
    return FunctionalAcknowledgement(
        functional=text(node, "group"),
        group_control=text(node, "control"),
        verdict=_READ[text(node, "code")],  # type: ignore[arg-type]  # the three of the type
        included=int(text(node, "included")),
        received=int(text(node, "received")),
        accepted=int(text(node, "accepted")),
        sets=tuple(_read_verdict(turn) for turn in nodes(node, "sets")),
    )


def _read_verdict(turn: Node) -> SetVerdict:
    return SetVerdict(
        set_id=text(turn, "set"),
        control=text(turn, "control"),
        accepted=_READ[text(turn, "code")] == "accepted",
        codes=tuple(code for n in range(1, 6) if (code := text(turn, f"code_{n}"))),
        notes=tuple(note for segment in nodes(turn, "segments") for note in _read_notes(segment)),
    )


def _read_notes(segment: Node) -> list[SyntaxNote]:
    base = SyntaxNote(
        segment=text(segment, "id"),
        at=int(text(segment, "position")),
        code=text(segment, "code") or "8",
        loop=text(segment, "loop"),
    )
    found = []
    for row in table(segment, "elements").rows():
        element, _, component = row["position"].replace(":", ">").partition(">")
        found.append(
            SyntaxNote(
                segment=base.segment,
                at=base.at,
                code=base.code,
                loop=base.loop,
                element=int(element),
                component=int(component or 0),
                element_code=row["code"],
            )
        )
    return found or [base]
