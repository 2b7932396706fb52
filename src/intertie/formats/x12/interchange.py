"""Interchanges: taken apart into transaction sets as the bytes come, and put together; envelopes, numbers and counts checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from intertie.formats.x12.elements import is_plain
from intertie.formats.x12.findings import Finding, Place, X12Code, X12Error, refuse
from intertie.formats.x12.separators import COMMON, ISA_CHARACTERS, Isa, Separators, read_isa, write_isa

# Ten thousand meters of a day at 15 minutes are 40 MB; more is several sets, and has to fit in memory once.
SET_BYTES_MAX = 64 * 1024 * 1024
# An envelope segment has eight elements of at most 15 characters.
ENVELOPE_BYTES_MAX = 1024
# SE01 has ten digits, GE01 and IEA01 fewer: a longer number is none.
DIGITS_MAX = 10
GROUP_VERSION = "004010"
# AK905 and the like have six digits; nobody opens so many sets in one file, and ids have to be told apart.
SETS_MAX = 100_000


class Group(NamedTuple):
    """The elements of a GS segment. Date is CCYYMMDD, time HHMM or longer."""

    functional: str
    sender: str
    receiver: str
    date: str
    time: str
    control: str


class TransactionSet(NamedTuple):
    """One set: its text from ST up to and including SE, without line ends, and where in the interchange it stands.

    `first` is the number of its ST segment. `findings` are what is wrong with its trailer.
    """

    set_id: str
    control: str
    text: str
    first: int
    separators: Separators
    group: Group
    isa: Isa
    findings: tuple[Finding, ...] = ()

    def rows(self) -> list[list[str]]:
        """Its segments as lists of elements, the id first; ST first, SE last."""
        element = self.separators.element
        return [segment.split(element) for segment in self.text.split(self.separators.terminator)[:-1]]


class Reader:
    """Reads one or more interchanges from pieces of bytes; holds one transaction set at a time.

    Iterate over it. X12Error names the first thing that makes the rest unreadable; what is wrong with one set alone is in
    that set's `findings`.
    """

    def __init__(self, chunks: Iterable[bytes], *, set_bytes_max: int = SET_BYTES_MAX) -> None:
        self._chunks = iter(chunks)
        self._limit = set_bytes_max
        self._text = ""
        self._at = 0
        self._marks = Separators()
        self._raw = True
        self._segment = 0
        self.interchanges: list[Isa] = []
        self.groups: list[Group] = []

    def __iter__(self) -> Iterator[TransactionSet]:
        while not self.interchanges or self._more():
            isa = self._open()
            yield from self._interchange(isa)
            self._raw = True

    def _open(self) -> Isa:
        """The ISA segment, and from here on its separators and line ends."""
        while len(self._text) - self._at < ISA_CHARACTERS + 2 and self._fill():
            pass
        # Most have no line ends: nothing of megabytes is copied then.
        isa, self._marks = read_isa(self._text[self._at : self._at + ISA_CHARACTERS + 2])
        self._at += ISA_CHARACTERS
        plain = self._plain(self._text)
        if plain is not self._text:
            self._text, self._at = self._plain(self._text[self._at :]), 0
        self._raw = False
        self._segment = 1
        self.interchanges.append(isa)
        return isa

    def _plain(self, text: str) -> str:
        """Without the line ends that stand for nothing."""
        for mark in "\r\n":
            if mark in text and mark not in self._marks[:3]:
                text = text.replace(mark, "")
        return text

    def _fill(self) -> bool:
        """One piece more, or False."""
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        text = chunk.decode(
            "latin-1"
        )  # one character a byte: places stay right, and others than ASCII are found below
        text = text if self._raw else self._plain(text)
        rest = self._text[self._at :]
        self._text = rest + text if rest else text
        self._at = 0
        return True

    def _more(self) -> bool:
        """Whether another interchange follows; line ends and blanks after one do not count."""
        while True:
            rest = self._text[self._at :].lstrip(" \r\n\t\x1a")
            if rest:
                self._text, self._at = rest, 0
                return True
            if not self._fill():
                return False

    def _find(self, what: str, limit: int) -> int:
        """Where `what` begins at or after the present place; X12Error if it does not come within `limit`."""
        start = self._at
        while True:
            found = self._text.find(what, start)
            if found - self._at > limit or (found < 0 and len(self._text) - self._at > limit):
                raise refuse(X12Code.TOO_LARGE, Place(self._segment + 1), f"at most {limit} bytes")
            if found >= 0:
                return found
            rest = max(0, len(self._text) - self._at - len(what))
            if not self._fill():
                raise refuse(X12Code.TRUNCATED, Place(self._segment + 1))
            start = rest

    def _envelope(self) -> list[str]:
        """The next segment, which is of an envelope."""
        end = self._find(self._marks.terminator, ENVELOPE_BYTES_MAX)
        segment = self._text[self._at : end]
        self._at = end + len(self._marks.terminator)
        self._segment += 1
        row = segment.split(self._marks.element)
        if not all(value.isascii() and value.isprintable() for value in row):
            raise refuse(X12Code.CHARACTER, Place(self._segment))
        return row

    def _interchange(self, isa: Isa) -> Iterator[TransactionSet]:
        groups = 0
        while True:
            row = self._envelope()
            if row[0] == "GS":
                groups += 1
                yield from self._group(row, isa)
            elif row[0] == "IEA":
                _elements(row, self._segment, 2)
                _same(row[2], isa.control, Place(self._segment, "IEA", 2))
                _count(row[1], groups, Place(self._segment, "IEA", 1))
                return
            elif row[0] != "TA1":  # an acknowledgement of the interchange level may stand before the groups
                raise refuse(X12Code.ENVELOPE, _place(row, self._segment), "GS or IEA is due here")

    def _group(self, row: list[str], isa: Isa) -> Iterator[TransactionSet]:
        _elements(row, self._segment, 8)
        place = Place(self._segment, "GS")
        if row[8] != GROUP_VERSION or row[7] != "X":
            raise refuse(X12Code.VERSION, place._replace(element=8))
        group = Group(*row[1:7])
        self.groups.append(group)
        seen: set[str] = set()
        count = 0
        while True:
            if self._starts("ST"):
                count += 1
                yield self._set(group, isa, seen)
                continue
            row = self._envelope()
            if row[0] != "GE":
                raise refuse(X12Code.ENVELOPE, _place(row, self._segment), "ST or GE is due here")
            _elements(row, self._segment, 2)
            _same(row[2], group.control, Place(self._segment, "GE", 2))
            _count(row[1], count, Place(self._segment, "GE", 1))
            return

    def _starts(self, id: str) -> bool:
        begin = id + self._marks.element
        while len(self._text) - self._at < len(begin) and self._fill():
            pass
        return self._text.startswith(begin, self._at)

    def _set(self, group: Group, isa: Isa, seen: set[str]) -> TransactionSet:
        marks, first = self._marks, self._segment + 1
        trailer = f"{marks.terminator}SE{marks.element}"
        se, whole = self._trailer(trailer)
        end = self._trailer_end(se + len(trailer))
        text = self._text[self._at : end]
        self._at = end
        head = text[: text.index(marks.terminator)].split(marks.element)
        count = text.count(marks.terminator)
        self._segment += count
        _elements(head, first, 2)
        if not whole:
            _no_envelope_inside(text[: se + 1], marks, first)
        findings = _characters(text, marks, first)
        tail = text[se + 1 : -1].split(marks.element)
        findings += _trailer(head, tail, count, Place(self._segment, "SE", position=count))
        if head[2] in seen:
            findings.append(
                Finding(X12Code.CONTROL_NUMBER, Place(first, "ST", 2, position=1), "used twice in the group")
            )
        seen.add(head[2])
        if len(seen) > SETS_MAX:
            raise refuse(X12Code.TOO_LARGE, Place(first, "ST"), f"at most {SETS_MAX} sets in a group")
        return TransactionSet(head[1], head[2], text, first, marks, group, isa, tuple(findings))

    def _trailer(self, trailer: str) -> tuple[int, bool]:
        """How far off the SE segment is, and whether it is known that no segment of an envelope stands before it: mostly it is
        the next of them and is here already, and the text is gone through once for both."""
        found = _envelope_ids(self._marks).search(self._text, self._at)
        if found is not None and found[1] == "SE" and found.start() - self._at <= self._limit:
            return found.start() - self._at, True
        return self._find(trailer, self._limit) - self._at, False

    def _trailer_end(self, offset: int) -> int:
        """Where the SE segment ends. Counted from the present place: filling moves what is in the buffer."""
        while True:
            found = self._text.find(self._marks.terminator, self._at + offset)
            if found >= 0:
                return found + 1
            if len(self._text) - self._at - offset > ENVELOPE_BYTES_MAX or not self._fill():
                raise refuse(X12Code.TRUNCATED, Place(self._segment + 1), "the SE segment does not end")


def read_sets(data: bytes) -> list[TransactionSet]:
    """All sets of a file. X12Error if its envelopes are not in order."""
    return list(Reader([data]))


def _place(row: Sequence[str], segment: int) -> Place:
    known = row[0] if row[0].isalnum() and len(row[0]) <= 3 else ""
    return Place(segment, known)


def _elements(row: Sequence[str], segment: int, count: int) -> None:
    """So many elements, none of them empty."""
    place = _place(row, segment)
    if len(row) > count + 1:
        raise refuse(X12Code.ELEMENT_TOO_MANY, place._replace(element=count + 1))
    for number in range(1, count + 1):
        if number >= len(row) or not row[number]:
            raise refuse(X12Code.ELEMENT_MISSING, place._replace(element=number))


def _number(text: str) -> int:
    return int(text) if text.isdigit() and text.isascii() and len(text) <= DIGITS_MAX else -1


def _same(trailer: str, header: str, place: Place) -> None:
    # Leading zeros: GS06 is a number, and some systems write its trailer without them.
    if trailer != header and (_number(trailer) < 0 or _number(trailer) != _number(header)):
        raise refuse(X12Code.CONTROL_NUMBER, place)


def _count(said: str, there: int, place: Place) -> None:
    if _number(said) != there:
        raise refuse(X12Code.COUNT, place, f"there are {there}")


def _trailer(head: list[str], tail: list[str], count: int, place: Place) -> list[Finding]:
    """What is wrong with SE: the set alone suffers."""
    if len(tail) != 3:
        return [Finding(X12Code.ENVELOPE, place, "SE has two elements")]
    found = []
    if _number(tail[1]) != count:
        found.append(Finding(X12Code.COUNT, place._replace(element=1), f"there are {count}"))
    if tail[2] != head[2]:
        found.append(Finding(X12Code.CONTROL_NUMBER, place._replace(element=2)))
    return found


def _no_envelope_inside(text: str, marks: Separators, first: int) -> None:
    """A set without its trailer would swallow the next one."""
    found = _envelope_ids(marks).search(text)
    if found is not None:
        segment = first + text.count(marks.terminator, 0, found.start() + 1)
        raise refuse(
            X12Code.ENVELOPE, Place(segment, found[1]), "stands inside a transaction set that has not ended"
        )


@lru_cache(maxsize=16)
def _envelope_ids(marks: Separators) -> re.Pattern[str]:
    return re.compile(f"{re.escape(marks.terminator)}(S[TE]|G[ES]|I(?:EA|SA)){re.escape(marks.element)}")


def _characters(text: str, marks: Separators, first: int) -> list[Finding]:
    """The first character outside the character set, if there is one."""
    if is_plain(text):
        return []
    for number, segment in enumerate(text.split(marks.terminator)):
        for element, value in enumerate(segment.split(marks.element)):
            plain = value.replace(marks.component, "")
            if plain and not (plain.isascii() and plain.isprintable()):
                row = segment.split(marks.element)
                place = _place(row, first + number)._replace(element=element, position=number + 1)
                return [Finding(X12Code.CHARACTER, place)]
    return []  # separators alone: they may be control characters


class OutGroup(NamedTuple):
    """A group to be written: each set's control number and its segments between ST and SE, as text with terminators."""

    group: Group
    sets: Sequence[tuple[str, str, str]]


def write_pieces(isa: Isa, groups: Iterable[OutGroup], marks: Separators = COMMON) -> Iterator[bytes]:
    """The interchange in pieces: envelope segments, and one piece a set."""
    element, end = marks.element, marks.end
    yield write_isa(isa, marks).encode("ascii")
    count = 0
    for out in groups:
        count += 1
        head = ("GS", *out.group, "X", GROUP_VERSION)
        yield (element.join(head) + end).encode("ascii")
        for set_id, control, body in out.sets:
            segments = body.count(marks.terminator) + 2
            start = element.join(("ST", set_id, control)) + end
            yield (start + body + element.join(("SE", str(segments), control)) + end).encode("ascii")
        yield (element.join(("GE", str(len(out.sets)), out.group.control)) + end).encode("ascii")
    yield (element.join(("IEA", str(count), isa.control)) + end).encode("ascii")


def write_interchange(isa: Isa, groups: Iterable[OutGroup], marks: Separators = COMMON) -> bytes:
    """The bytes of an interchange. The sets' texts must end their segments as `marks` says."""
    return b"".join(write_pieces(isa, groups, marks))


def rewrite(sets: Sequence[TransactionSet]) -> bytes:
    """The same interchanges again from what was read: the same bytes, if they were canonical (docs/x12.md)."""
    out: list[bytes] = []
    for isa in dict.fromkeys(one.isa for one in sets):
        inside = [one for one in sets if one.isa == isa]
        groups = [
            OutGroup(group, [_inner(one) for one in inside if one.group == group])
            for group in dict.fromkeys(one.group for one in inside)
        ]
        out.append(write_interchange(isa, groups, inside[0].separators))
    return b"".join(out)


def _inner(one: TransactionSet) -> tuple[str, str, str]:
    marks = one.separators
    begin = one.text.index(marks.terminator) + 1
    end = one.text.rindex(marks.terminator + "SE") + 1
    return one.set_id, one.control, one.text[begin:end].replace(marks.terminator, marks.end)


__all__ = [
    "Group",
    "OutGroup",
    "Reader",
    "TransactionSet",
    "X12Error",
    "read_sets",
    "rewrite",
    "write_interchange",
]
