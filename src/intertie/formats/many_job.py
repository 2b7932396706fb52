"""The file that says what `intertie settle many` settles: the deal, its calls, the meters; JSON, as the documents in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Annotated

import msgspec
from msgspec import Meta

from intertie.market.baseline_rule import Reason
from intertie.market.many import Call, Customer, Programme, shares_of
from intertie.market.method import Family
from intertie.market.terms import method_of, terms_of
from intertie.model.contract import Confirmation
from intertie.model.dispatch import DispatchInstruction
from intertie.model.errors import SettingsError
from intertie.model.ids import MeterRef, Name
from intertie.model.quantity import Kilowatts
from intertie.model.record import Record, RuleError
from intertie.model.rules import no_repeats

# A service territory has a few million meters; more in one file is several runs.
METERS_MAX = 10_000_000
MINUTES_OF_A_DAY = 1440
# A level or a sample is of all meters together.
OF_A_METER = (Family.TYPE_ONE, Family.METER_BEFORE_AFTER)


class JobMeter(Record, frozen=True, kw_only=True):
    """A meter and what it is contracted for; `since` and `until` are the first and the last local day on which it takes part."""

    meter: MeterRef
    contracted_kw: Kilowatts
    since: date | None = None
    until: date | None = None

    def check(self) -> None:
        """Nothing contracted is no customer."""
        if self.contracted_kw <= 0:
            raise RuleError("contracted_kw: must be above zero")
        if self.since is not None and self.until is not None and self.until < self.since:
            raise RuleError("until: before since")


class JobDay(Record, frozen=True, kw_only=True):
    """A day that is no example for others."""

    day: date
    reason: Reason


class Job(Record, frozen=True, kw_only=True):
    """One deal's days from `first` to `last`, all in one month."""

    deal: Confirmation
    first: date
    last: date
    calls: Annotated[tuple[DispatchInstruction, ...], Meta(max_length=1000)] = ()
    refused: tuple[Name, ...] = ()
    not_usable: tuple[JobDay, ...] = ()
    holidays: tuple[date, ...] = ()
    minutes: Annotated[int, Meta(ge=1, le=MINUTES_OF_A_DAY)] = 15
    meters: Annotated[tuple[JobMeter, ...], Meta(min_length=1, max_length=METERS_MAX)]

    def check(self) -> None:
        """One month, each meter once, and only known calls refused."""
        if self.last < self.first or (self.first.year, self.first.month) != (self.last.year, self.last.month):
            raise RuleError("first, last: not in this order in one month")
        no_repeats("meters", [one.meter for one in self.meters])
        no_repeats("calls", [one.dispatch for one in self.calls])
        if set(self.refused) - {one.dispatch for one in self.calls}:
            raise RuleError("refused: names no call of the job")


def read_job(raw: bytes) -> Job:
    """A job file. Raises SettingsError."""
    try:
        return msgspec.json.decode(raw, type=Job)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"no job of a settlement: {error}", do="`intertie settle plan` writes one."
        ) from error


def write_job(job: Job) -> bytes:
    """A job as a file."""
    return msgspec.json.format(msgspec.json.encode(job), indent=1) + b"\n"


def programme_of(job: Job) -> Programme:
    """What the kernel takes. Raises SettingsError for a baseline method that is not known, or that is of a portfolio."""
    deal = job.deal
    method = method_of(deal, frozenset(job.holidays))
    if method.family not in OF_A_METER:
        raise SettingsError(
            f"{deal.baseline_method} is of the whole portfolio, not of each meter",
            do="Settle it with `intertie settle run`.",
        )
    calls = (
        Call(
            one.dispatch,
            one.window,
            shares_of(one.target_kw, deal.contracted_kw, job.minutes),
            one.dispatch in job.refused,
        )
        for one in sorted(job.calls, key=lambda each: (each.window.start, each.dispatch))
    )
    return Programme(
        rule=method.rule,
        terms=terms_of(deal),
        zone=deal.zone,
        step_minutes=job.minutes,
        first=job.first,
        last=job.last,
        calls=tuple(calls),
        not_usable={one.day: one.reason for one in job.not_usable},
        delivered_cap=Fraction(deal.delivered_cap_fraction),
        before_after=method.family is Family.METER_BEFORE_AFTER,
    )


def customers_of(job: Job) -> list[Customer]:
    """All meters, sorted."""
    found = [Customer(one.meter, one.contracted_kw, one.since, one.until) for one in job.meters]
    return sorted(found, key=lambda each: each.meter)


def without_meters(job: Job) -> bytes:
    """What the lines of every meter depend on, in one writing."""
    some = msgspec.structs.replace(job, meters=job.meters[:1])
    plain = msgspec.to_builtins(some, builtin_types=(date,))
    del plain["meters"]
    return msgspec.json.encode(plain, order="deterministic")


def text_of(customers: Sequence[Customer]) -> list[bytes]:
    """What the lines of each meter depend on besides."""
    return [
        msgspec.json.encode([f"{one.contracted_kw.normalize():f}", one.since, one.until]) for one in customers
    ]
