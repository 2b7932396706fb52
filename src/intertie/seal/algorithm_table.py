"""algorithms.toml as types: what each algorithm is worth, until when, how long its keys are used, and who says so."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from intertie.model.errors import SettingsError
from intertie.model.record import Record
from intertie.seal.profile import Profile

FILE = "algorithms.toml"

# How sure a fact is: the file's first lines say what each word means.
Certainty = Literal["final", "draft", "memory", "choice"]
# Quantum computers touch them differently: asymmetric ones on curves and factoring break, the others lose some bits.
Family = Literal["asymmetric", "symmetric", "hash"]


class Algorithm(Record, frozen=True, kw_only=True):
    """One algorithm. `strength` in bits (SP 800-57); `category` NIST's for quantum attacks, 0 for one that breaks;
    `until` the last day it is acceptable, empty if none is known."""

    name: str
    kind: Literal["signature", "kem", "group", "cipher", "kdf", "hash"]
    family: Family
    size: Annotated[str, Meta(min_length=1)]
    strength: Annotated[int, Meta(ge=112, le=256)]
    category: Annotated[int, Meta(ge=0, le=5)]
    until: Annotated[str, Meta(pattern=r"^(\d{4}-\d{2}-\d{2})?$")]
    source: str
    certainty: Certainty

    @property
    def quantum_safe(self) -> bool:
        """Whether it withstands quantum attacks as far as is known."""
        return self.category > 0

    @property
    def last_day(self) -> date | None:
        """`until` as a date."""
        return date.fromisoformat(self.until) if self.until else None


class Period(Record, frozen=True, kw_only=True):
    """How long a key of one type is used, in days; 0: for one parcel only. A setting may say up to `most`."""

    key: str
    family: Family
    use: str
    days: Annotated[int, Meta(ge=0)]
    most: Annotated[int, Meta(ge=0)]
    source: str
    certainty: Certainty


class Rule(Record, frozen=True, kw_only=True):
    """One fact of the derivation and where it comes from."""

    name: str
    value: str
    source: str
    certainty: Certainty


class _File(Record, frozen=True, kw_only=True):
    algorithm: tuple[Algorithm, ...]
    period: tuple[Period, ...]
    rule: tuple[Rule, ...]


class Table(NamedTuple):
    """The whole file, by name."""

    algorithms: Mapping[str, Algorithm]
    periods: Mapping[str, Period]
    rules: Mapping[str, Rule]


def read_table(text: str) -> Table:
    """Algorithms, periods and rules by name; SettingsError says what is wrong with the text."""
    try:
        table = msgspec.convert(tomllib.loads(text), _File)
        for algorithm in table.algorithm:
            _ = algorithm.last_day
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError) as error:
        raise SettingsError(f"{FILE}: {error}") from error
    return Table(
        {row.name: row for row in table.algorithm},
        {row.key: row for row in table.period},
        {row.name: row for row in table.rule},
    )


@cache
def _own_table() -> Table:
    return read_table((files("intertie.seal") / FILE).read_text(encoding="utf-8"))


Row = TypeVar("Row")


def _find(rows: Mapping[str, Row], what: str, name: str) -> Row:
    found = rows.get(name)
    if found is None:
        raise SettingsError(f"{FILE} has no {what} {name!r}")
    return found


def algorithms() -> Mapping[str, Algorithm]:
    """The algorithms of algorithms.toml by name."""
    return _own_table().algorithms


def algorithm(name: str) -> Algorithm:
    """One algorithm; SettingsError if there is none of this name."""
    return _find(algorithms(), "algorithm", name)


def periods() -> Mapping[str, Period]:
    """How long keys are used, by type of key."""
    return _own_table().periods


def rules() -> Mapping[str, Rule]:
    """The facts of the derivation by name."""
    return _own_table().rules


def rule(name: str) -> Rule:
    """One fact; SettingsError if there is none of this name."""
    return _find(rules(), "rule", name)


@cache
def hybrid_groups() -> frozenset[str]:
    """The TLS groups whose key agreement withstands a quantum computer."""
    return frozenset(row.name for row in algorithms().values() if row.kind == "group" and row.quantum_safe)


def parts_of(profile: Profile) -> tuple[Algorithm, ...]:
    """Every algorithm of a profile: signatures, key encapsulation, key derivation, cipher, hash."""
    names = (*profile.signatures, profile.kem, profile.suite.split("/")[1], profile.cipher, profile.hash)
    return tuple(algorithm(name) for name in names)


def proof_until(profile: Profile) -> date | None:
    """The last day on which the profile's signatures prove anything; None if no end is known.

    All signatures must verify, so the longest-lived of them carries the proof.
    """
    days = [algorithm(name).last_day for name in profile.signatures]
    return None if None in days else max(day for day in days if day is not None)
