"""Segment maps: what a set consists of, as data. One TOML file a set, with the places that a utility profile fills."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from intertie.model.errors import SettingsError

# X12's own bounds: no element is longer than 4,096 here, no loop of ours longer than what a message may hold.
LOOP_MAX = 100_000

_ELEMENT = re.compile(
    r"(?P<name>[a-z_0-9]+):(?P<type>AN|ID|DT|TM|R|N0|N2|CO)(?:(?P<low>\d+)-(?P<high>\d+))?"
    r"(?:\((?P<codes>[^)]*)\))?(?P<need>!)?"
)
_DEFAULT = {
    "DT": (8, 8),
    "TM": (4, 6),
    "R": (1, 18),
    "N0": (1, 9),
    "N2": (1, 15),
    "ID": (1, 6),
    "CO": (1, 20),
}


@dataclass(frozen=True)
class Element:
    """One element: a constant (`=EL`; `=SU/BO`: one of several), or a name for its value, with its type and bounds."""

    name: str = ""
    type: str = "AN"
    low: int = 1
    high: int = 80
    need: bool = False
    codes: frozenset[str] = frozenset()
    constant: str = ""


@dataclass(frozen=True, eq=False)
class Segment:
    """One segment of a map. `qualifiers`: constants that tell it from others of the same id."""

    id: str
    need: bool
    elements: tuple[Element, ...]
    qualifiers: tuple[tuple[int, frozenset[str]], ...]
    names: tuple[str, ...]

    def fits(self, row: Sequence[str]) -> bool:
        """Whether a segment of this id is the one meant: its constants stand where they must."""
        length = len(row)
        return all(at < length and row[at] in values for at, values in self.qualifiers)


@dataclass(frozen=True, eq=False)
class Loop:
    """A loop: its parts in order; parts next to each other with one segment id may stand in any order (REF, DTM).

    `ids`: the segments of a loop without loops in it; such a loop is read and written by column. `passed`: whatever comes in
    it is passed over, up to a segment that has its place elsewhere.
    """

    name: str
    low: int
    high: int
    parts: tuple[Segment | Loop, ...]
    places: tuple[int, ...]
    by_id: Mapping[str, tuple[int, ...]]
    ids: frozenset[str] = frozenset()
    passed: bool = False

    @property
    def trigger(self) -> Segment:
        """The segment that begins it."""
        first = self.parts[0]
        return first.trigger if isinstance(first, Loop) else first


class Layout(NamedTuple):
    """The map of one set in one profile. `skips`: segments of the utility's guide that say nothing to our documents."""

    set_id: str
    group: str
    title: str
    root: Loop
    skips: frozenset[str]


class Profile(NamedTuple):
    """A utility profile: the codes of its guides. `uncertain` names those that no source at hand confirms."""

    name: str
    title: str
    values: Mapping[str, Mapping[str, Any]]
    uncertain: frozenset[str]

    def value(self, set_id: str, name: str) -> Any:
        """A parameter of a set; SettingsError if the profile lacks it."""
        for table in (self.values.get(set_id, {}), self.values.get("all", {})):
            if name in table:
                return table[name]
        raise SettingsError(
            f"profile {self.name} has no {name} for {set_id}", do="Add it to the profile's file."
        )


PROFILES = ("ny", "pa", "tx")
SET_IDS = ("650", "810", "814", "820", "824", "867", "997")


@cache
def profile(name: str) -> Profile:
    """One of PROFILES. SettingsError if there is none of that name."""
    if name not in PROFILES:
        raise SettingsError(f"no X12 profile {name!r}", do=f"There are {', '.join(PROFILES)}.")
    data = tomllib.loads(_file("profiles", f"{name}.toml"))
    tables = {key: value for key, value in data.items() if isinstance(value, dict)}
    return Profile(name, data["title"], tables, frozenset(data["uncertain"]))


@cache
def layout(set_id: str, profile_name: str) -> Layout:
    """The map of a set in a profile. SettingsError names what is wrong with the file."""
    data = tomllib.loads(_file("maps", f"{set_id}.toml"))
    return build(data, profile(profile_name))


def build(data: Mapping[str, Any], by: Profile) -> Layout:
    """A map from its data, with the places `{name}` filled from the profile."""
    set_id = data["set"]

    def fill(found: re.Match[str]) -> str:
        return str(by.value(set_id, found[1]))

    text = re.sub(r"\{([a-z_]+)\}", fill, data["layout"])
    lines = [line for raw in text.splitlines() if (line := _only(raw, by.name))]
    root, rest = _loop("", 1, 1, lines)
    if rest:
        raise SettingsError(f"map {set_id}: `end` without a loop")
    skips = frozenset(by.values.get(set_id, {}).get("skips", ()))
    return Layout(set_id, data["group"], data["title"], root, skips)


def _file(folder: str, name: str) -> str:
    return (resources.files("intertie.formats.x12") / folder / name).read_text(encoding="utf-8")


def _only(raw: str, name: str) -> str:
    """A line of the map without its comment, or nothing if `@ny,pa` gives it to other profiles."""
    line = raw.partition("#")[0].strip()
    found = re.search(r"@([a-z,]+)", line)
    if found is None:
        return line
    return line.replace(found[0], "") if name in found[1].split(",") else ""


def _loop(name: str, low: int, high: int, lines: list[str]) -> tuple[Loop, list[str]]:
    parts: list[Segment | Loop] = []
    while lines:
        line, *lines = lines
        if line == "end":
            break
        words = line.split()
        if words[0] == "loop":
            least, _, most = words[2].partition("..")
            inner, lines = _loop(words[1], int(least), int(most), lines)
            parts.append(replace(inner, passed=True, ids=frozenset()) if words[3:] == ["passed"] else inner)
        else:
            parts.append(_segment(line))
    return _made(name, low, high, parts), lines


def _made(name: str, low: int, high: int, parts: list[Segment | Loop]) -> Loop:
    triggers = [part.trigger.id if isinstance(part, Loop) else part.id for part in parts]
    places: list[int] = []
    for index, id in enumerate(triggers):
        places.append(places[-1] if index and triggers[index - 1] == id else index)
    by_id: dict[str, tuple[int, ...]] = {}
    for index, id in enumerate(triggers):
        by_id[id] = (*by_id.get(id, ()), index)
    plain = all(isinstance(part, Segment) for part in parts) and bool(name)
    return Loop(name, low, high, tuple(parts), tuple(places), by_id, frozenset(triggers if plain else ()))


def _segment(line: str) -> Segment:
    head, _, rest = line.partition("|")
    need, id = head.split()
    elements = tuple(_element(cell.strip()) for cell in rest.split("|")) if rest else ()
    qualifiers = tuple(
        (at, e.codes or frozenset({e.constant})) for at, e in enumerate(elements, 1) if e.constant
    )
    return Segment(id, need == "must", elements, qualifiers, tuple(e.name for e in elements if e.name))


def _element(cell: str) -> Element:
    if not cell:
        return Element(high=4096)
    if cell.startswith("="):
        first, *more = cell[1:].split("/")
        return Element(type="ID", constant=first, need=True, codes=frozenset({first, *more} if more else ()))
    found = _ELEMENT.fullmatch(cell)
    if found is None:
        raise SettingsError(f"a map has the element {cell!r}", do="Write name:TYPElow-high(codes)!")
    low, high = _DEFAULT.get(found["type"], (1, 80))
    return Element(
        found["name"],
        found["type"],
        int(found["low"] or low),
        int(found["high"] or high),
        bool(found["need"]),
        frozenset(found["codes"].split(",")) if found["codes"] else frozenset(),
    )
