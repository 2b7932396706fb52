"""What can be wrong with an interchange: a named code, the place, and what the acknowledgements say of it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from intertie.model.errors import Fault, IntertieError


class X12Code(StrEnum):
    """Names of what is wrong; CODES says each in words and in the codes of a 997."""

    NOT_AN_INTERCHANGE = "not_an_interchange"
    SEPARATORS = "separators"
    TOO_LARGE = "too_large"
    TRUNCATED = "truncated"
    CHARACTER = "character"
    ENVELOPE = "envelope"
    CONTROL_NUMBER = "control_number"
    COUNT = "count"
    VERSION = "version"
    UNKNOWN_SET = "unknown_set"
    SEGMENT_ID = "segment_id"
    SEGMENT_UNKNOWN = "segment_unknown"
    SEGMENT_MISSING = "segment_missing"
    SEGMENT_TOO_OFTEN = "segment_too_often"
    SEGMENT_ORDER = "segment_order"
    LOOP_TOO_OFTEN = "loop_too_often"
    ELEMENT_MISSING = "element_missing"
    ELEMENT_TOO_MANY = "element_too_many"
    ELEMENT_TOO_SHORT = "element_too_short"
    ELEMENT_TOO_LONG = "element_too_long"
    ELEMENT_CODE = "element_code"
    ELEMENT_NUMBER = "element_number"
    ELEMENT_DATE = "element_date"
    ELEMENT_TIME = "element_time"
    COMPONENT = "component"
    DOCUMENT = "document"
    NO_PLACE = "no_place"


class Meaning(NamedTuple):
    """`segment` is AK304, `element` AK403, `transaction` AK502 (element 720, 723 and 718 of 004010)."""

    segment: str
    element: str
    transaction: str
    sentence: str


CODES: dict[X12Code, Meaning] = {
    X12Code.NOT_AN_INTERCHANGE: Meaning("", "", "", "The bytes do not begin with an ISA segment of 106 characters"),
    X12Code.SEPARATORS: Meaning("", "", "", "Two separators are the same, or one is a letter, digit or blank"),
    X12Code.TOO_LARGE: Meaning("", "", "5", "Larger than this reader takes"),
    X12Code.TRUNCATED: Meaning("", "", "2", "The interchange ends before its trailer"),
    X12Code.CHARACTER: Meaning("8", "6", "5", "A character outside the X12 character set, or a separator inside data"),
    X12Code.ENVELOPE: Meaning("2", "", "2", "An envelope segment stands where it may not"),
    X12Code.CONTROL_NUMBER: Meaning("", "", "3", "Header and trailer have different control numbers, or one is used twice"),
    X12Code.COUNT: Meaning("", "", "4", "The trailer counts something else than is there"),
    X12Code.VERSION: Meaning("", "", "1", "Not version 004010"),
    X12Code.UNKNOWN_SET: Meaning("", "", "1", "This transaction set is not read here, or not in this group"),
    X12Code.SEGMENT_ID: Meaning("1", "", "5", "Not the identifier of a segment"),
    X12Code.SEGMENT_UNKNOWN: Meaning("2", "", "5", "The map of this set and profile does not have this segment"),
    X12Code.SEGMENT_MISSING: Meaning("3", "", "5", "A segment that must stand before this place is missing"),
    X12Code.SEGMENT_TOO_OFTEN: Meaning("5", "", "5", "More of this segment than may be"),
    X12Code.SEGMENT_ORDER: Meaning("7", "", "5", "The segment stands too late"),
    X12Code.LOOP_TOO_OFTEN: Meaning("4", "", "5", "More of this loop than may be"),
    X12Code.ELEMENT_MISSING: Meaning("8", "1", "5", "An element that must be there is empty"),
    X12Code.ELEMENT_TOO_MANY: Meaning("8", "3", "5", "More elements than the segment has"),
    X12Code.ELEMENT_TOO_SHORT: Meaning("8", "4", "5", "The element is too short"),
    X12Code.ELEMENT_TOO_LONG: Meaning("8", "5", "5", "The element is too long"),
    X12Code.ELEMENT_CODE: Meaning("8", "7", "5", "Not one of the codes that may stand here"),
    X12Code.ELEMENT_NUMBER: Meaning("8", "6", "5", "Not a number as this element has it"),
    X12Code.ELEMENT_DATE: Meaning("8", "8", "5", "Not a date (CCYYMMDD)"),
    X12Code.ELEMENT_TIME: Meaning("8", "9", "5", "Not a time of day (HHMM or HHMMSS), or not one of that day"),
    X12Code.COMPONENT: Meaning("8", "6", "5", "The element is not a composite and has components"),
    X12Code.DOCUMENT: Meaning("", "", "", "The set is in order and does not make a document of ours"),
    X12Code.NO_PLACE: Meaning("", "", "", "The document says something that this set has no place for"),
}  # fmt: skip


class Place(NamedTuple):
    """Where: segment number in the interchange (ISA is 1), its id, element and component (from 1; 0: all of it).

    `position` counts from the ST segment, which is 1 (AK302), and `loop` is the loop's name in the map.
    """

    segment: int = 0
    id: str = ""
    element: int = 0
    component: int = 0
    position: int = 0
    loop: str = ""

    def __str__(self) -> str:
        parts = [f"segment {self.segment}"] * bool(self.segment) + [self.id] * bool(self.id)
        if self.element:
            parts.append(f"element {self.id}{self.element:02}")
        if self.component:
            parts.append(f"component {self.component}")
        if self.loop:
            parts.append(f"loop {self.loop}")
        return ", ".join(parts)


NOWHERE = Place()


class Finding(NamedTuple):
    """One thing that is wrong. `detail` names fields and limits, never what stood there."""

    code: X12Code
    place: Place = NOWHERE
    detail: str = ""

    def __str__(self) -> str:
        where = str(self.place)
        what = self.detail or CODES[self.code].sentence
        return f"{self.code}{f' ({where})' if where else ''}: {what}"


class X12Error(IntertieError):
    """An interchange that cannot be read, or a document that cannot be written as one. `finding` is the first thing wrong."""

    fault = Fault.THEIRS

    def __init__(self, finding: Finding, more: tuple[Finding, ...] = (), *, do: str = "") -> None:
        super().__init__(str(finding), do=do)
        self.finding = finding
        self.findings = (finding, *more)


class X12WriteError(X12Error):
    """A document that this set and profile cannot carry: ours to mend, or to send natively."""

    fault = Fault.OURS


def refuse(code: X12Code, place: Place = NOWHERE, detail: str = "") -> X12Error:
    """The error for one finding."""
    return X12Error(Finding(code, place, detail))
