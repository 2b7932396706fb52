"""The act of writing down what `intertie settle many` needs: a job, from what is held here, in which every meter of a deal is a
resource of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from intertie.formats.many_job import Job, JobDay, JobMeter
from intertie.formats.reading_table import BUCKETS, bucket_of
from intertie.gateway.metering.readings import Readings
from intertie.gateway.metering.readings_ports import Table, Wanted
from intertie.gateway.settlement.settle_inputs import Period, calls_of, holidays_of, not_usable_of
from intertie.gateway.trading.trade_desk import Desk
from intertie.market.book import Book
from intertie.market.feeder import tree_at
from intertie.market.registry import Version
from intertie.model.contract import Confirmation
from intertie.model.errors import SettingsError
from intertie.model.ids import MeterId
from intertie.model.interval import local_day
from intertie.model.quantity import Kilowatts

WATT = Decimal("0.001")
# As long as any rule looks back.
LOOK_BACK = timedelta(days=92)
READ = (
    "meter",
    "channel",
    "day",
    "revision",
    "step_seconds",
    "power_of_ten",
    "values",
    "quality",
    "arrived",
    "source",
)


class Member(NamedTuple):
    """A meter of the deal, its nameplate, and its days in the period."""

    meter: MeterId
    kw: Decimal
    since: date
    until: date


def job_of(desk: Desk, deal: Confirmation, period: Period, minutes: int) -> Job:
    """A month of a deal. What is contracted is split over the meters by their nameplates, to the watt. SettingsError if
    there are no meters, or calls that are not on all of them."""
    calls, _ = calls_of(desk.book, deal, period)
    members = members_of(desk.book, deal, period)
    if not members:
        raise SettingsError(
            f"no DER of {deal.confirmation} has a meter in this time",
            do="`intertie registration show` lists them.",
        )
    tree = tree_at(desk.book.grid.models, deal.term.start)
    whole = frozenset(tree.under(deal.points))
    partial = [
        one.instruction.dispatch
        for one in calls
        if not whole <= frozenset(tree.under((one.instruction.point,)))
    ]
    if partial:
        raise SettingsError(
            f"{partial[0]} calls one point of several, not every meter of the deal",
            do="Settle it as a portfolio: `intertie settle run`.",
        )
    barred = not_usable_of(desk.book, deal, desk.now)
    return Job(
        deal=deal,
        first=period.first,
        last=period.last,
        calls=tuple(one.instruction for one in calls),
        refused=tuple(one.instruction.dispatch for one in calls if one.refused),
        not_usable=tuple(JobDay(day=day, reason=barred[day]) for day in sorted(barred)),
        holidays=tuple(sorted(holidays_of(desk, deal))),
        minutes=minutes,
        meters=_split(members, deal.contracted_kw, period),
    )


def members_of(book: Book, deal: Confirmation, period: Period) -> list[Member]:
    """The meters of DERs that counted at the points of the deal, from the first such day to the last."""
    start, end = local_day(period.first, deal.zone).start, local_day(period.last, deal.zone).end
    points, zone = tree_at(book.grid.models, start).under(deal.points), ZoneInfo(deal.zone)
    found: dict[MeterId, list[Version]] = {}
    for name, aggregation in book.registry.items():
        if deal.aggregation not in (None, name) or deal.service not in aggregation.services:
            continue
        for versions in aggregation.ders.values():
            for one in map(aggregation.bounded, versions):
                if one.der.point in points and _overlaps(one, start, end):
                    found.setdefault(one.der.meter, []).append(one)
    members = []
    for meter, mine in sorted(found.items()):
        latest = {one.der.id: one.kw for one in mine}
        since = min(_day(one.starts or start, zone) for one in mine)
        until = max(_last_day(one.ends or end, zone) for one in mine)
        days = max(since, period.first), min(until, period.last)
        members.append(Member(meter, sum(latest.values(), Decimal(0)), *days))
    return members


def tables_of(readings: Readings, job: Job) -> Iterator[tuple[int, Table]]:
    """The readings that a job may need, by bucket, sorted by meter: one bucket is in memory."""
    by_bucket: dict[int, list[str]] = {}
    for one in job.meters:
        by_bucket.setdefault(bucket_of(one.meter), []).append(one.meter)
    for bucket in range(BUCKETS):
        if meters := by_bucket.get(bucket):
            wanted = Wanted(first=job.first - LOOK_BACK, last=job.last, meters=meters)
            for number, table in enumerate(readings.store.tables(wanted, READ)):
                if len(table):
                    order = [
                        (name, "ascending") for name in ("meter", "channel", "day", "revision", "arrived")
                    ]
                    yield bucket * 1000 + number, table.sort_by(order)


def _split(members: Sequence[Member], contracted_kw: Decimal, period: Period) -> tuple[JobMeter, ...]:
    """In proportion, rounded down to the watt; what is left goes to the first ones, a watt each."""
    whole = sum((one.kw for one in members), Decimal(0))
    parts = [int(contracted_kw * one.kw / whole / WATT) for one in members]
    left = int(contracted_kw / WATT) - sum(parts)
    made = []
    for place, (one, watts) in enumerate(zip(members, parts, strict=True)):
        kw = (watts + (place < left)) * WATT
        if kw > 0:
            made.append(
                JobMeter(
                    meter=one.meter,
                    contracted_kw=Kilowatts(kw),
                    since=one.since if one.since > period.first else None,
                    until=one.until if one.until < period.last else None,
                )
            )
    return tuple(made)


def _overlaps(one: Version, start: datetime, end: datetime) -> bool:
    return one.starts is not None and one.starts < end and (one.ends is None or start < one.ends)


def _day(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()


def _last_day(at: datetime, zone: ZoneInfo) -> date:
    """The day of the last moment before an end."""
    return (at.astimezone(zone) - timedelta(microseconds=1)).date()
