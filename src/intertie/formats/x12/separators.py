"""The ISA segment: fixed width, and where an interchange says what separates its elements, components and segments."""

from __future__ import annotations

from typing import NamedTuple

from intertie.formats.x12.findings import Place, X12Code, refuse

# Fixed by the standard: 16 elements of fixed width, 16 separators, "ISA" and the terminator.
ISA_CHARACTERS = 106
WIDTHS = (2, 10, 2, 10, 2, 15, 2, 15, 6, 4, 1, 5, 9, 1, 1, 1)
VERSION = "00401"


class Separators(NamedTuple):
    """`line` follows each terminator: nothing, or the line end that many senders add so that people can read it."""

    element: str = "*"
    component: str = ">"
    terminator: str = "~"
    line: str = ""

    @property
    def end(self) -> str:
        """What ends a segment when it is written."""
        return self.terminator + self.line


COMMON = Separators()


class Isa(NamedTuple):
    """The elements of an ISA segment, without their padding. Date and time are as written: YYMMDD and HHMM."""

    sender_qualifier: str
    sender: str
    receiver_qualifier: str
    receiver: str
    date: str
    time: str
    control: str
    acknowledge: str = "0"
    usage: str = "P"
    authorization: tuple[str, str] = ("00", "")
    security: tuple[str, str] = ("00", "")


def read_isa(text: str) -> tuple[Isa, Separators]:
    """The first 106 characters. X12Error(NOT_AN_INTERCHANGE, SEPARATORS, VERSION) if they are no ISA segment of 004010."""
    place = Place(1, "ISA", position=0)
    if len(text) < ISA_CHARACTERS or not text.startswith("ISA"):
        raise refuse(X12Code.NOT_AN_INTERCHANGE, place)
    element, component, terminator = text[3], text[104], text[105]
    values, at = [], 4
    for number, width in enumerate(WIDTHS, 1):
        value = text[at : at + width]
        at += width
        if (number < len(WIDTHS) and element in value) or text[at] not in (element, terminator):
            raise refuse(X12Code.NOT_AN_INTERCHANGE, place._replace(element=number))
        if value != component and not (value.isascii() and value.isprintable()):
            raise refuse(X12Code.CHARACTER, place._replace(element=number))
        values.append(value.rstrip(" "))
        at += 1
    if len({element, component, terminator}) < 3 or any(
        mark.isalnum() or mark == " " or not mark.isascii() for mark in (element, component, terminator)
    ):
        raise refuse(X12Code.SEPARATORS, place)
    if values[11] != VERSION:
        raise refuse(X12Code.VERSION, place._replace(element=12))
    if not (values[12].isdigit() and len(values[12]) == 9):
        raise refuse(X12Code.CONTROL_NUMBER, place._replace(element=13))
    after = text[ISA_CHARACTERS : ISA_CHARACTERS + 2]
    line = "" if terminator in "\r\n" else next((e for e in ("\r\n", "\n", "\r") if after.startswith(e)), "")
    head = Isa(
        sender_qualifier=values[4],
        sender=values[5],
        receiver_qualifier=values[6],
        receiver=values[7],
        date=values[8],
        time=values[9],
        control=values[12],
        acknowledge=values[13],
        usage=values[14],
        authorization=(values[0], values[1]),
        security=(values[2], values[3]),
    )
    return head, Separators(element, component, terminator, line)


def write_isa(isa: Isa, marks: Separators) -> str:
    """The segment with its terminator. X12Error if an element is too long for its place or holds a separator."""
    values = (
        *isa.authorization,
        *isa.security,
        *isa[:6],
        "U",
        VERSION,
        isa.control,
        isa.acknowledge,
        isa.usage,
    )
    for number, (value, width) in enumerate(zip(values, WIDTHS, strict=False), 1):
        if len(value) > width:
            detail = f"at most {width} characters"
            raise refuse(X12Code.ELEMENT_TOO_LONG, Place(1, "ISA", number), detail)
        if not (value.isascii() and value.isprintable()) or any(mark in value for mark in marks[:3]):
            raise refuse(X12Code.CHARACTER, Place(1, "ISA", number))
    padded = [value.ljust(width) for value, width in zip(values, WIDTHS, strict=False)]
    return marks.element.join(["ISA", *padded, marks.component]) + marks.end
