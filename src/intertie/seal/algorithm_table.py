"""algorithms.toml as types: what each algorithm is worth, until when, and who says so."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from intertie.model.errors import SettingsError
from intertie.model.record import Record
from intertie.seal.profile import Profile

FILE = "algorithms.toml"


class Algorithm(Record, frozen=True, kw_only=True):
    """One algorithm. `strength` in bits (SP 800-57), `until` the last day it is acceptable, empty if none is known."""

    name: str
    kind: Literal["signature", "kem", "cipher", "hash"]
    strength: Annotated[int, Meta(ge=112, le=256)]
    quantum_safe: bool
    until: Annotated[str, Meta(pattern=r"^(\d{4}-\d{2}-\d{2})?$")]
    source: str
    certainty: Literal["final", "draft", "memory"]

    @property
    def last_day(self) -> date | None:
        """`until` as a date."""
        return date.fromisoformat(self.until) if self.until else None


class Rule(Record, frozen=True, kw_only=True):
    """One number of the derivation and where it comes from."""

    name: str
    value: str
    source: str
    certainty: Literal["final", "draft", "memory", "choice"]


class _Table(Record, frozen=True, kw_only=True):
    algorithm: tuple[Algorithm, ...]
    rule: tuple[Rule, ...]


def read_table(text: str) -> tuple[Mapping[str, Algorithm], Mapping[str, Rule]]:
    """Algorithms and rules by name; SettingsError says what is wrong with the text."""
    try:
        table = msgspec.convert(tomllib.loads(text), _Table)
        for algorithm in table.algorithm:
            _ = algorithm.last_day
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError) as error:
        raise SettingsError(f"{FILE}: {error}") from error
    return {row.name: row for row in table.algorithm}, {row.name: row for row in table.rule}


@cache
def _own_table() -> tuple[Mapping[str, Algorithm], Mapping[str, Rule]]:
    return read_table((files("intertie.seal") / FILE).read_text(encoding="utf-8"))


def algorithms() -> Mapping[str, Algorithm]:
    """The rows of algorithms.toml by name."""
    return _own_table()[0]


def rule(name: str) -> Rule:
    """One rule of algorithms.toml; SettingsError if there is none of this name."""
    found = _own_table()[1].get(name)
    if found is None:
        raise SettingsError(f"{FILE} has no rule {name!r}")
    return found


def parts_of(profile: Profile) -> tuple[Algorithm, ...]:
    """Every algorithm of a profile."""
    return tuple(
        algorithms()[name] for name in (*profile.signatures, profile.kem, profile.cipher, profile.hash)
    )


def proof_until(profile: Profile) -> date | None:
    """The last day on which the profile's signatures prove anything; None if no end is known.

    All signatures must verify, so the longest-lived of them carries the proof.
    """
    days = [algorithms()[name].last_day for name in profile.signatures]
    return None if None in days else max(day for day in days if day is not None)
