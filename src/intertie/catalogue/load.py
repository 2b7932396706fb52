"""From TOML files to the catalogue. An inconsistent file is refused as a whole, with the file, the table and the key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from itertools import combinations
from typing import NoReturn, TypeVar

import msgspec

from intertie.catalogue.admit import Catalogue, catalogue_of
from intertie.catalogue.flow import Flow, Interface
from intertie.model.errors import SettingsError
from intertie.model.ids import InterfaceCode

__all__ = ["Catalogue", "load_catalogue", "read_catalogue", "read_interface"]

Part = TypeVar("Part", Flow, Interface)

# The largest file here has 50 KB; a megabyte of TOML is a mistake, or an attempt to keep the parser busy.
FILE_CHARACTERS_MAX = 1_000_000

_SECONDS = {"s": 1, "min": 60, "h": 3600, "day": 86400, "days": 86400}
# A year is counted as 366 days, so that a protection in years never ends a day early.
_DAYS = {"day": 1, "days": 1, "year": 366, "years": 366}
_AMOUNT = re.compile(r"([1-9][0-9]{0,5}) ([a-z]+)")
_FILE_NAME = re.compile(r"([a-z]{2,4})([0-9]{2})?\.toml")

# How a file spells what a Flow holds in units.
_SPELLED = {"latency_seconds": "latency", "protect_for_days": "protect_for"}
_FIELDS = set(Flow.__struct_encode_fields__) - {"interface"}
_FLOW_KEYS = (_FIELDS - set(_SPELLED)) | set(_SPELLED.values())
# What several flows may share. Who sends what to whom, and where that is said, is each flow's own.
_NEEDS_KEYS = _FLOW_KEYS - {"document", "from", "to", "mode", "source"}
# What a flow may leave out, with what it is then.
_DEFAULTS = {"channel": "any"}
_ADVICE = "correct the file; docs/interfaces.md lists what a flow says"


@cache
def load_catalogue() -> Catalogue:
    """The catalogue that comes with this program, read once. Raises SettingsError."""
    folder = files("intertie.catalogue")
    found = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda e: e.name
    )
    return read_catalogue({entry.name: entry.read_text(encoding="utf-8") for entry in found})


def read_catalogue(texts: Mapping[str, str]) -> Catalogue:
    """A catalogue from files, by name. Raises SettingsError that names file and place."""
    interfaces: dict[InterfaceCode, Interface] = {}
    for name, text in texts.items():
        interface = read_interface(name, text)
        if interface.code in interfaces:
            _refuse(name, "code", f"{interface.code} is in another file too")
        interfaces[interface.code] = interface
    for name, interface in zip(texts, interfaces.values(), strict=True):
        if interface.same_as is not None:
            _check_same(name, interface, interfaces.get(interface.same_as))
    return catalogue_of(interfaces.values())


def read_interface(name: str, text: str) -> Interface:
    """One interface from the text of one file. Raises SettingsError that names file and place."""
    if len(text) > FILE_CHARACTERS_MAX:
        _refuse(name, "file", f"longer than {FILE_CHARACTERS_MAX} characters")
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        _refuse(name, "file", f"not TOML: {error}")
    code = raw.get("code")
    if code != _code_of(name):
        _refuse(name, "code", f"{code!r} does not belong into this file")
    needs = _read_needs(name, raw.pop("needs", {}))
    tables = raw.pop("flows", [])
    if not isinstance(tables, list):
        _refuse(name, "flows", "must be an array of tables, [[flows]]")
    flows = [_read_flow(name, f"flows[{place}]", code, table, needs) for place, table in enumerate(tables)]
    unused = set(needs) - {table["needs"] for table in tables if "needs" in table}
    if unused:
        _refuse(name, f"needs.{min(unused)}", "no flow refers to it")
    interface = _convert(name, "", {**raw, "flows": flows}, Interface)
    _check(name, interface)
    return interface


def _read_needs(name: str, raw: object) -> dict[str, dict[str, object]]:
    """The [needs.*] tables: what flows share, each under a name."""
    if not isinstance(raw, dict):
        _refuse(name, "needs", "must be tables, [needs.some_name]")
    for title, table in raw.items():
        if not isinstance(table, dict):
            _refuse(name, f"needs.{title}", "must be a table")
        _refuse_unknown(name, f"needs.{title}", table, _NEEDS_KEYS)
    return raw


def _read_flow(
    name: str, place: str, code: object, table: object, needs: Mapping[str, dict[str, object]]
) -> Flow:
    """One [[flows]] table, completed from the needs it names; what it says itself goes first."""
    if not isinstance(table, dict):
        _refuse(name, place, "must be a table")
    _refuse_unknown(name, place, table, _FLOW_KEYS | {"needs"})
    shared: Mapping[str, object] = {}
    if "needs" in table:
        title = table["needs"]
        if not isinstance(title, str) or title not in needs:
            _refuse(name, f"{place}.needs", f"there is no table [needs.{title}]")
        shared = needs[title]
    said = {**_DEFAULTS, **shared, **{key: value for key, value in table.items() if key != "needs"}}
    missing = _FLOW_KEYS - set(said)
    if missing:
        _refuse(name, f"{place}.{min(missing)}", "is missing")
    said["interface"] = code
    said["latency_seconds"] = _amount(name, f"{place}.latency", said.pop("latency"), _SECONDS)
    said["protect_for_days"] = _amount(name, f"{place}.protect_for", said.pop("protect_for"), _DAYS)
    return _convert(name, place, said, Flow)


def _amount(name: str, place: str, value: object, units: Mapping[str, int]) -> int:
    """ "15 min" as a number of the smallest unit."""
    found = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[2] not in units:
        _refuse(
            name, place, f"{value!r} is no duration: a whole number, a blank, and one of {', '.join(units)}"
        )
    return int(found[1]) * units[found[2]]


def _convert(name: str, place: str, raw: dict[str, object], kind: type[Part]) -> Part:
    """Strictly typed, or refused with the place that msgspec names."""
    try:
        return msgspec.convert(raw, kind, strict=True)
    except msgspec.ValidationError as error:
        why, _, path = str(error).partition(" - at `$")
        for field, spelled in _SPELLED.items():
            path = path.replace(field, spelled)
        _refuse(name, f"{place}{path.rstrip('`')}".lstrip(".") or "file", why)


def _check(name: str, interface: Interface) -> None:
    """The rules between parts of one file."""
    if set(interface.actors[0]) & set(interface.actors[1]):
        _refuse(name, "actors", "a role stands on both sides")
    seen: set[str] = set()
    for place, flow in enumerate(interface.flows):
        if not interface.joins(flow.sender, flow.recipient):
            _refuse(
                name,
                f"flows[{place}]",
                f"{flow.sender} to {flow.recipient} does not go between the two actors",
            )
        if flow.key in seen:
            _refuse(name, f"flows[{place}]", f"{flow.key} is there already")
        seen.add(flow.key)
    idle = interface.roles - {role for flow in interface.flows for role in (flow.sender, flow.recipient)}
    if idle:
        _refuse(name, "actors", f"{min(idle)} has no flow")
    for one, other in _rivals(interface):
        if not (one.demands_at_least(other) or other.demands_at_least(one)):
            _refuse(name, "flows", f"{one.key} and {other.key} differ both ways, so neither demands more")


def _rivals(interface: Interface) -> Iterator[tuple[Flow, Flow]]:
    """Flows that parties with several roles could both mean."""
    for one, other in combinations(interface.flows, 2):
        if (one.document, one.mode) == (other.document, other.mode):
            yield one, other


def _check_same(name: str, interface: Interface, other: Interface | None) -> None:
    """A duplicate may leave flows out (it has fewer roles), but may not say anything else of the ones it has."""
    if other is None or other.code == interface.code:
        _refuse(name, "same_as", f"{interface.same_as} is no other interface")
    theirs = {msgspec.structs.replace(flow, interface=interface.code, source="...") for flow in other.flows}
    for place, flow in enumerate(interface.flows):
        if msgspec.structs.replace(flow, source="...") not in theirs:
            _refuse(name, f"flows[{place}]", f"{flow.key} is not as {other.code} has it")


def _code_of(name: str) -> str:
    """The code that a file's name stands for: letters as capitals, number without its leading zero."""
    found = _FILE_NAME.fullmatch(name)
    if found is None:
        _refuse(name, "file", "a catalogue file is named by its code: two to four letters, two digits, .toml")
    return found[1].upper() + (str(int(found[2])) if found[2] else "")


def _refuse_unknown(name: str, place: str, table: Mapping[str, object], known: set[str]) -> None:
    unknown = set(table) - known
    if unknown:
        _refuse(name, f"{place}.{min(unknown)}", "is not a key of a flow")


def _refuse(name: str, place: str, why: str) -> NoReturn:
    raise SettingsError(f"catalogue file {name}, {place}: {why}", do=_ADVICE)
