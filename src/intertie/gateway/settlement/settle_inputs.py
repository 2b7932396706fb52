"""What one side holds for the settlement of a deal: the deal and its calls from the book of the trade, readings from its store.

Nothing comes from elsewhere, so whoever holds the same messages gets the same statement. What was left out is said with its
reason. Arrow is loaded with this file: commands import it, what serves does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from intertie.gateway.metering.readings import Readings
from intertie.gateway.metering.readings_block import load_block
from intertie.gateway.trading.trade_desk import Desk
from intertie.market import confirmation
from intertie.market.baseline_rule import Reason
from intertie.market.blocks import Block
from intertie.market.book import Book as TradeBook
from intertie.market.dispatch_state import Dispatch, State
from intertie.market.feeder import tree_at
from intertie.market.statement import Book, Call
from intertie.market.terms import method_of, terms_of
from intertie.model.contract import Confirmation
from intertie.model.errors import SettingsError
from intertie.model.ids import ConfirmationId, MeterId
from intertie.model.interval import Window, local_day
from intertie.model.metering import Channel

# The longest look-back of a rule counts days of one type only: weekends of 45 days are in as many days, but holidays and event
# days may push a rule further, never beyond this.
LOOK_BACK = timedelta(days=92)


class Period(NamedTuple):
    """Local days of a deal, the last one included; all in one month, because rates are by the month."""

    first: date
    last: date

    @property
    def name(self) -> str:
        """The month."""
        return f"{self.first:%Y-%m}"


class Held(NamedTuple):
    """Everything that a settlement takes, and what it does not take."""

    deal: Confirmation
    period: Period
    book: Book
    calls: Sequence[Call]
    left_out: Sequence[tuple[str, str]]  # what, and why
    blocks: Mapping[Channel, Block]


def find_deal(desk: Desk, name: ConfirmationId) -> Confirmation:
    """The deal as it stands; SettingsError if it does not."""
    known = desk.book.deals.get(name)
    if known is None:
        raise SettingsError(f"no deal {name} with {desk.partner}", do="`intertie trade show` lists them.")
    state = confirmation.status(known, desk.now)
    if state not in confirmation.STANDING:
        raise SettingsError(f"deal {name} is {state}", do="Only what both agreed to is settled.")
    return known.terms


def period_of(deal: Confirmation, month: str) -> Period:
    """The days of a month (YYYY-MM) in which a deal is in force. SettingsError if there are none."""
    try:
        begins = date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise SettingsError(f"{month} is no month", do="Write it as 2026-07.") from error
    after = date(begins.year + begins.month // 12, begins.month % 12 + 1, 1)
    zone = ZoneInfo(deal.zone)
    starts = deal.term.start.astimezone(zone).date()
    ends = (deal.term.end.astimezone(zone) - timedelta(microseconds=1)).date()
    first, last = max(begins, starts), min(after - timedelta(days=1), ends)
    if first > last:
        raise SettingsError(
            f"{deal.confirmation} has no day in {month}", do=f"Its term is from {starts} to {ends}."
        )
    return Period(first, last)


def held(desk: Desk, readings: Readings, deal: Confirmation, period: Period, minutes: int) -> Held:
    """What is here for a period. Raises SettingsError, StoreError, BadBlock."""
    if readings.zone != deal.zone:
        raise SettingsError(
            f"the days of readings are those of {readings.zone}, the deal's of {deal.zone}",
            do=f'Set [readings] zone = "{deal.zone}" and run `intertie readings rebuild`.',
        )
    calls, left_out = calls_of(desk.book, deal, period)
    meters, others = _meters(desk.book, deal, period)
    if not meters:
        raise SettingsError(
            f"no DER of {deal.confirmation} has a meter in this time",
            do="`intertie registration show` lists them.",
        )
    blocks = _blocks(readings, meters, period, minutes)
    method = method_of(deal, holidays_of(desk, deal))
    book = Book(
        rule=method.rule,
        terms=terms_of(deal),
        zone=deal.zone,
        readings=_net(blocks, meters),
        not_usable=not_usable_of(desk.book, deal, desk.now),
        delivered_cap=Fraction(deal.delivered_cap_fraction),
        of_call=_of_call(desk.book, deal, calls),
        method=method,
    )
    return Held(deal, period, book, calls, (*left_out, *others), blocks)


def calls_of(book: TradeBook, deal: Confirmation, period: Period) -> tuple[list[Call], list[tuple[str, str]]]:
    """The calls of a deal in a period, and those that are none."""
    calls, left_out = [], []
    for name, one in sorted(book.dispatches.items(), key=lambda each: each[1].instruction.window.start):
        if one.instruction.confirmation != deal.confirmation or not _within(one, deal, period):
            continue
        if one.ends_early is not None and one.ends_early <= one.instruction.window.start:
            left_out.append((name, "taken back before it began"))
        else:
            calls.append(Call(one.instruction, refused=one.state is State.REFUSED))
    return calls, left_out


def _within(one: Dispatch, deal: Confirmation, period: Period) -> bool:
    day = one.instruction.window.start.astimezone(ZoneInfo(deal.zone)).date()
    return period.first <= day <= period.last


def _meters(
    book: TradeBook, deal: Confirmation, period: Period
) -> tuple[list[MeterId], list[tuple[str, str]]]:
    """The meters of DERs that counted at any time of the period, at the points of the deal."""
    start = local_day(period.first, deal.zone).start
    end = local_day(period.last, deal.zone).end
    points = tree_at(book.grid.models, start).under(deal.points)
    meters: set[MeterId] = set()
    left_out: list[tuple[str, str]] = []
    for name, aggregation in book.registry.items():
        if deal.aggregation not in (None, name) or deal.service not in aggregation.services:
            continue
        for der, versions in aggregation.ders.items():
            counted = [
                v for v in map(aggregation.bounded, versions) if _counted(v.starts, v.ends, start, end)
            ]
            mine = [v for v in counted if v.der.point in points]
            meters.update(v.der.meter for v in mine)
            if not counted:
                left_out.append((der, "not accepted in this time"))
            elif not mine:
                left_out.append((der, f"at {counted[-1].der.point}, which is not under a point of the deal"))
            elif not any(v.counts(start) for v in mine):
                joined = min(v.starts or start for v in mine).astimezone(ZoneInfo(deal.zone)).date()
                left_out.append((f"{der} (counted)", f"joined on {joined}: settled from that day on"))
    return sorted(meters), left_out


def _of_call(book: TradeBook, deal: Confirmation, calls: Sequence[Call]) -> dict[str, frozenset[MeterId]]:
    """A call is settled on the meters under its point whose DERs counted on its day."""
    zone = ZoneInfo(deal.zone)
    found = {}
    for call in calls:
        day = call.instruction.window.start.astimezone(zone).date()
        only = msgspec.structs.replace(deal, points=(call.instruction.point,))
        found[call.instruction.dispatch] = frozenset(_meters(book, only, Period(day, day))[0])
    return found


def _counted(starts: datetime | None, ends: datetime | None, start: datetime, end: datetime) -> bool:
    return starts is not None and starts < end and (ends is None or start < ends)


def holidays_of(desk: Desk, deal: Confirmation) -> frozenset[date]:
    """Those of the contract's calendar."""
    known = desk.book.contracts.get(deal.agreement)
    text = None if known is None else known.text_at(desk.now)
    return frozenset() if text is None else frozenset(text.calendar.holidays)


def not_usable_of(book: TradeBook, deal: Confirmation, now: datetime) -> dict[date, Reason]:
    """Days on which somebody called these points, or on which they had no supply: no day like others."""
    zone = ZoneInfo(deal.zone)
    points = tree_at(book.grid.models, deal.term.start).under(deal.points)
    found: dict[date, Reason] = {}
    for outage in book.grid.outages.values():
        for point in points:
            if (span := outage.span(point, now)) is not None:
                until = min(span[1] or now, now)
                found.update(dict.fromkeys(_days(span[0], until, zone), Reason.OUTAGE_DAY))
    for one in book.dispatches.values():
        begun = one.ends_early is None or one.ends_early > one.instruction.window.start
        if begun and one.instruction.point in points:
            window: Window = one.instruction.window
            found.update(dict.fromkeys(_days(window.start, window.end, zone), Reason.EVENT_DAY))
    return found


def _days(start: datetime, end: datetime, zone: ZoneInfo) -> list[date]:
    first = start.astimezone(zone).date()
    last = max(first, (end.astimezone(zone) - timedelta(microseconds=1)).date())
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _blocks(
    readings: Readings, meters: Sequence[MeterId], period: Period, minutes: int
) -> dict[Channel, Block]:
    begin = period.first - LOOK_BACK
    count = (period.last - begin).days + 1
    return {
        channel: load_block(readings, meters, begin, count, channel=channel, step_minutes=minutes)
        for channel in Channel
    }


def _net(
    blocks: Mapping[Channel, Block], meters: Sequence[MeterId]
) -> dict[MeterId, dict[date, tuple[int | None, ...]]]:
    """Watt-hours taken from the grid, by meter and day: the net channel where a meter has one, else import less export (none,
    for a meter that has no export at all)."""
    days = blocks[Channel.NET].days
    found: dict[MeterId, dict[date, tuple[int | None, ...]]] = {}
    for row, meter in enumerate(meters):
        has = {channel: bool(block.present[row].any()) for channel, block in blocks.items()}
        loads: dict[date, tuple[int | None, ...]] = {}
        for place, day in enumerate(days):
            if has[Channel.NET]:
                block = blocks[Channel.NET]
                if block.present[row, place].any():
                    loads[day] = block.intervals(row, day)
                continue
            if not blocks[Channel.IMPORT].present[row, place].any():
                continue
            taken = blocks[Channel.IMPORT].intervals(row, day)
            given = blocks[Channel.EXPORT].intervals(row, day) if has[Channel.EXPORT] else (0,) * len(taken)
            loads[day] = tuple(
                None if a is None or b is None else a - b for a, b in zip(taken, given, strict=True)
            )
        found[meter] = loads
    return found
