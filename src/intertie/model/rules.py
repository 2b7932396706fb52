"""Checks that several documents share. Each raises ValueError naming the field; none looks beyond one document."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from intertie.model.interval import IntervalSeries, Window
from intertie.model.quantity import Unit
from intertie.model.record import Record, RuleError

# What `needs` and `forbids` may say of another field: a member of an enumeration of ours, or one of these.
Verdict = Literal["accepted", "refused", "v2g true", "v2g false"]


def no_repeats(field: str, values: Iterable[Hashable]) -> None:
    """Every value once."""
    values = list(values)
    if len(set(values)) == len(values):
        return
    seen: set[Hashable] = set()
    for place, value in enumerate(values, 1):
        if value in seen:
            raise RuleError(f"{field}: item {place} occurs more than once")
        seen.add(value)


def between(record: Record, low: Decimal | int, high: Decimal | int, *fields: str) -> None:
    """Each named field, where present, from `low` to `high`, both included."""
    for field in fields:
        value = getattr(record, field)
        if value is not None and not low <= value <= high:
            raise RuleError(f"{field}: not between {low} and {high}")


def percents(record: Record, *fields: str) -> None:
    """Each named field, where present, from 0 to 100."""
    between(record, 0, 100, *fields)


def not_negative(record: Record, *fields: str) -> None:
    """Each named field, where present, zero or more."""
    for field in fields:
        value = getattr(record, field)
        if value is not None and value < 0:
            raise RuleError(f"{field}: below zero")


def series_of(field: str, series: IntervalSeries | None, unit: Unit, *, signed: bool = False) -> None:
    """The series, where present, is in `unit`, and below zero only where a sign has a meaning (`signed`)."""
    if series is None:
        return
    if series.unit is not unit:
        raise RuleError(f"{field}: in {series.unit}, must be in {unit}")
    if not signed and series.low < 0:
        raise RuleError(f"{field}: a value is below zero")


def series_covers(field: str, series: IntervalSeries | None, window: Window) -> None:
    """The series, where present, starts and ends with the window; what is not known inside is a gap (null)."""
    if series is not None and (series.start != window.start or series.end != window.end):
        raise RuleError(f"{field}: not over the window it is for")


def inside(field: str, inner: Window, outer: Window) -> None:
    """A window that lies wholly in another."""
    if inner.start < outer.start or inner.end > outer.end:
        raise RuleError(f"{field}: not inside the window around it")


def one_of(record: Record, *fields: str) -> None:
    """At least one of the named fields says something."""
    if all(getattr(record, field) in (None, ()) for field in fields):
        raise RuleError(f"{', '.join(fields)}: at least one of them is needed")


def needs(record: Record, why: StrEnum | Verdict, *fields: str) -> None:
    """Each named field says something, because of what another field says (`why`)."""
    for field in fields:
        if getattr(record, field) in (None, ()):
            raise RuleError(f"{field}: needed where it says {why}")


def forbids(record: Record, why: StrEnum | Verdict, *fields: str) -> None:
    """No named field says anything, because of what another field says (`why`)."""
    for field in fields:
        if getattr(record, field) not in (None, ()):
            raise RuleError(f"{field}: has no place where it says {why}")
