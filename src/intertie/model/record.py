"""The base of every type on the wire: frozen, keyword-only, strict, and sane in its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from operator import attrgetter
from types import UnionType
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

R = TypeVar("R", bound="Record")

# A decimal in a message is a price, an amount, or a rating: 10^12 is beyond any of them, and 9 places
# are finer than any meter. Beyond that lies only a way to make arithmetic slow (1E+999999).
DECIMAL_MAX = Decimal(10) ** 12
DECIMAL_PLACES = 9


class RuleError(ValueError):
    """A value breaks a rule of its type. The text names fields, limits and units, and never what stands in a field: it goes
    into logs, receipts and answers (model/explain.py)."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Frozen and strict. Decimals must be finite and bounded, times aware: checked on building and on decoding."""

    def __post_init__(self) -> None:
        bounded, values, check = _plan(type(self))
        for value in values(self):
            kind = type(value)
            if kind is Decimal:
                # Most are short and plain, and this is asked of every number: their text says it in a third of the time.
                if len(text := str(value)) <= DECIMAL_PLACES and "E" not in text and value.is_finite():
                    continue
            elif kind is not datetime or value.tzinfo is not None:
                continue
            _check_bounded(self, bounded)
            break
        if check is not None:
            check(self)

    def check(self) -> None:
        """Rules between fields; a type that has any overrides this and raises ValueError."""


@cache
def unchecked(kind: type[R]) -> type[R]:
    """A twin of a type that asks nothing when it is built. Only for whoever has asked whole columns all that the type would ask
    of each of a thousand; what it builds becomes the type's own by `as_built`."""
    return msgspec.defstruct(  # type: ignore[return-value]  # it is given the bases and options of the type
        kind.__name__,
        [],
        bases=(kind,),
        namespace={"__post_init__": lambda record: None},
        module=kind.__module__,
        frozen=True,
        kw_only=True,
    )


def as_built(kind: type[R], records: Iterable[R]) -> tuple[R, ...]:
    """What the unchecked twin of a type has built, as records of the type itself."""
    found = tuple(records)
    for record in found:
        msgspec.structs.force_setattr(record, "__class__", kind)
    return found


def are_plain(values: Iterable[Decimal]) -> bool:
    """Whether all are short, and so within all bounds. False may also be said of others that are: `check_decimal` knows."""
    texts = [str(value) for value in values]
    said = ",".join(texts)
    # Of all that is no plain number: 1E+3, NaN, sNaN, Infinity.
    return max(map(len, texts), default=0) <= DECIMAL_PLACES and not any(mark in said for mark in "EIN")


def with_own_defaults(body: Record) -> Record:
    """The same, and a text that says what is meant anyway is left out when it is written: so it is the same bytes whether its
    author said it or not."""
    said = {
        field.name: field.default
        for field in msgspec.structs.fields(type(body))
        if isinstance(field.default, str) and getattr(body, field.name) == field.default
    }
    return msgspec.structs.replace(body, **said) if said else body


# Kinds of annotation that cannot hold a decimal or a time, whatever value stands there.
_NEITHER = (int, float, bool, str, bytes, type(None))


class _Plan(NamedTuple):
    """What to check in a type: the fields whose own value can be a decimal or a time, how to get their values, and the type's
    rules, if it has any."""

    bounded: tuple[str, ...]
    values: Callable[[Record], Sequence[Any]]
    check: Callable[[Record], None] | None


@cache
def _plan(kind: type[Record]) -> _Plan:
    """Found once for each type: there are many more records than types."""
    hints = get_type_hints(kind)
    bounded = tuple(name for name in kind.__struct_fields__ if _may_be_bounded(hints[name]))
    return _Plan(bounded, _getter(bounded), None if kind.check is Record.check else kind.check)


def _getter(names: Sequence[str]) -> Callable[[Record], Sequence[Any]]:
    """All values at one go."""
    if len(names) > 1:
        return attrgetter(*names)
    return (lambda record: (getattr(record, names[0]),)) if names else (lambda record: ())


def _may_be_bounded(hint: Any) -> bool:
    """False only where the annotation rules out a decimal and a time."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return any(_may_be_bounded(part) for part in get_args(hint))
    if origin is Literal:
        return False
    plain = origin or getattr(hint, "__supertype__", hint)
    if not isinstance(plain, type) or plain in (object, Decimal, datetime):
        return True
    return not issubclass(plain, (*_NEITHER, tuple, list, dict, Mapping, Sequence, msgspec.Struct))


def _check_bounded(record: Record, names: Sequence[str]) -> None:
    """Each of them, by its name: one at least may not be what it must."""
    for name in names:
        value = getattr(record, name)
        if type(value) is Decimal:
            check_decimal(name, value)
        elif type(value) is datetime and value.tzinfo is None:
            raise RuleError(f"{name}: a time needs its offset from UTC")


def check_decimal(name: str, value: Decimal) -> None:
    """Refuse NaN, infinities, and numbers outside what a message may carry."""
    exponent = value.as_tuple()[2]
    if not isinstance(exponent, int):
        raise RuleError(f"{name}: not a finite number")
    if not (-DECIMAL_PLACES <= exponent <= 12 and -DECIMAL_MAX <= value <= DECIMAL_MAX):
        raise RuleError(f"{name}: outside ±{DECIMAL_MAX} with {DECIMAL_PLACES} decimal places")
