"""Acts of dispatch: what a call is held to, the instruction, its answer, what happened, and its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from intertie.gateway.trading.trade_desk import AHEAD, Desk
from intertie.market import confirmation
from intertie.market.book import ground_of
from intertie.market.dispatch_state import ACKNOWLEDGE, OPEN, Dispatch, calls
from intertie.market.feeder import tree_at
from intertie.market.grid import able, dead_in
from intertie.market.hours import windows_of
from intertie.model.contract import Confirmation, Direction, Service
from intertie.model.dispatch import (
    CancelReason,
    DispatchAnswer,
    DispatchCancel,
    DispatchInstruction,
    DispatchReport,
    DispatchResponse,
    DispatchTelemetry,
    RefusalReason,
    ReportKind,
)
from intertie.model.errors import SettingsError
from intertie.model.ids import ConfirmationId, ConnectionPointId, MessageId
from intertie.model.interval import IntervalSeries, Window
from intertie.model.made import changed, made
from intertie.model.message import Mode

# The way of a parcel to its receipt, on a bad day: what a service needs for its answer begins after it.
ON_THE_WAY = timedelta(minutes=1)
# The hours in which a deal may be called are shown for so long ahead.
LOOK_AHEAD = timedelta(days=7)
HOURS_SHOWN = 3


class Limits(NamedTuple):
    """What a call of a deal at a point is held to now."""

    deal: Confirmation
    state: str
    calls_used: int
    earliest: datetime  # by the notice of the deal
    answer_minutes: int
    hours: tuple[Window, ...]  # the next ones in which it may be called
    called_kw: Decimal  # by what is open now
    able_kw: Decimal | None  # what its DERs can give now; None: none is registered
    lacking: tuple[str, ...]
    dead: tuple[str, ...]


def find_deal(desk: Desk, name: ConfirmationId) -> confirmation.Deal:
    """The deal; SettingsError if there is none."""
    found = desk.book.deals.get(name)
    if found is None:
        raise SettingsError(f"no deal {name} with {desk.partner}", do="`intertie trade show` lists them.")
    return found


def point_of(deal: Confirmation, point: ConnectionPointId | None) -> ConnectionPointId:
    """The point that is meant: the only one of the deal if none is named."""
    if point is None and len(deal.points) > 1:
        raise SettingsError(
            f"{deal.confirmation} has {len(deal.points)} points",
            do=f"Name one: {', '.join(deal.points[:5])}.",
        )
    return point or deal.points[0]


def limits(desk: Desk, name: ConfirmationId, point: ConnectionPointId | None = None) -> Limits:
    """What a call of a deal is held to, for who composes one. The rules themselves are asked when it is sent."""
    known = find_deal(desk, name)
    deal, now, ground = known.terms, desk.now, ground_of(desk.drafted, desk.now)
    soon = Window(start=max(now, deal.term.start), end=max(now, deal.term.start) + LOOK_AHEAD)
    end = min(soon.end, deal.term.end)
    hours: tuple[Window, ...] = ()
    if soon.start < end:
        hours = windows_of(Window(start=soon.start, end=end), deal.service_hours, deal.zone)
    points = tree_at(ground.grid.models, now).under([point] if point else deal.points)
    ders = able(ground.grid, ground.registry, points, deal.aggregation, now, now)
    return Limits(
        deal=deal,
        state=confirmation.status(known, now).value,
        calls_used=calls(desk.drafted.dispatches, name),
        earliest=now + ON_THE_WAY + timedelta(minutes=deal.notice_minutes),
        answer_minutes=ACKNOWLEDGE[deal.service] // timedelta(minutes=1),
        hours=hours[:HOURS_SHOWN],
        called_kw=_called(desk, name),
        able_kw=sum((one.kw for one in ders), Decimal(0)) if ders else None,
        lacking=tuple(f"{one.der} {one.why}" for one in ders if one.why),
        dead=tuple(
            f"{dead.point}: {dead.why}"
            for each in sorted(points)
            for dead in dead_in(ground.grid, each, soon, now)
        ),
    )


def _called(desk: Desk, name: ConfirmationId) -> Decimal:
    """The most that open calls of a deal ask for now or later, each at its peak."""
    found = Decimal(0)
    for one in desk.drafted.dispatches.values():
        body = one.instruction
        if body.confirmation == name and one.state in OPEN and body.window.end > desk.now:
            found += Decimal(max(map(abs, body.target_kw.span))).scaleb(body.target_kw.power_of_ten)
    return found


def signed(series: IntervalSeries, direction: Direction) -> IntervalSeries:
    """Kilowatts that were said without a sign, with that of the deal's direction."""
    if direction is Direction.UP:
        return series
    values = tuple(None if value is None else -abs(value) for value in series.values)
    return changed(series, values=values)


def due_by(desk: Desk, service: Service, said: datetime | None) -> datetime:
    """When an answer is due: as said, or as soon as the service allows."""
    if said is not None:
        return said
    least = desk.now + ON_THE_WAY + ACKNOWLEDGE[service]
    return least.replace(second=0, microsecond=0) + timedelta(minutes=1)


def fresh_name(desk: Desk, start: datetime) -> str:
    """A name that no dispatch has, from the time at which it begins."""
    base = f"D-{start:%Y%m%dT%H%MZ}"
    taken = desk.drafted.dispatches
    return next(name for n in range(len(taken) + 1) if (name := f"{base}-{n + 1}") not in taken)


def instruct(desk: Desk, body: DispatchInstruction) -> MessageId:
    """Call a deal, or, in an emergency, a point. Refused with the rule that the call would break; then nothing leaves."""
    return desk.say(body, mode=_mode(desk, body.respond_by))[0]


def change(desk: Desk, name: str, **changes: object) -> MessageId:
    """Another revision of an instruction."""
    before = find_dispatch(desk, name).instruction
    body = changed(before, revision=before.revision + 1, **changes)
    return desk.say(body, mode=_mode(desk, body.respond_by))[0]


def cancel(
    desk: Desk,
    name: str,
    reason: CancelReason,
    effective: datetime,
    *,
    replaced_by: str | None = None,
    text: str = "",
) -> MessageId:
    """Take an instruction back from a time on."""
    before = find_dispatch(desk, name).instruction
    body = made(
        DispatchCancel, dispatch=name, effective=effective, reason=reason, replaced_by=replaced_by, text=text
    )
    return desk.say(body, mode=_mode(desk, before.window.start))[0]


def find_dispatch(desk: Desk, name: str) -> Dispatch:
    """The dispatch, with what is on its way; SettingsError if there is none."""
    found = desk.drafted.dispatches.get(name)
    if found is None:
        raise SettingsError(
            f"no dispatch {name} with {desk.partner}",
            do="`intertie dispatch show` lists them without a name.",
        )
    return found


def answer(
    desk: Desk,
    name: str,
    said: DispatchAnswer,
    *,
    reason: RefusalReason | None = None,
    committed: IntervalSeries | None = None,
    text: str = "",
) -> MessageId:
    """Answer the newest revision of an instruction."""
    asked = find_dispatch(desk, name).instruction
    body = made(
        DispatchResponse,
        dispatch=name,
        answer=said,
        revision=asked.revision,
        reason=reason,
        committed_kw=committed,
        text=text,
    )
    return desk.say(body, mode=_mode(desk, asked.respond_by))[0]


def part_of(asked: IntervalSeries, kw: Sequence[Decimal]) -> IntervalSeries:
    """So many kilowatts of what was asked, in each interval or in all: with its sign, and never more than it."""
    if len(kw) not in (1, len(asked.values)):
        raise SettingsError(
            f"{len(kw)} values for {len(asked.values)} intervals", do="Give one, or one for each interval."
        )
    each = list(kw) * len(asked.values) if len(kw) == 1 else list(kw)
    power = min(asked.power_of_ten, -3)
    values = []
    for place, some in enumerate(each):
        wanted = asked.quantity(place) or Decimal(0)
        amount = min(abs(some), abs(wanted)).scaleb(-power)
        values.append(int(amount) if wanted >= 0 else -int(amount))
    return changed(asked, values=tuple(values), power_of_ten=power)


def report(
    desk: Desk,
    name: str,
    kind: ReportKind,
    at: datetime,
    *,
    reason: RefusalReason | None = None,
    achieved: IntervalSeries | None = None,
    ders: int | None = None,
    text: str = "",
) -> MessageId:
    """A dispatch has begun, is done, or had to be given up."""
    find_dispatch(desk, name)
    body = made(
        DispatchReport,
        dispatch=name,
        report=kind,
        at=at,
        reason=reason,
        achieved_kw=achieved,
        ders=ders,
        text=text,
    )
    return desk.say(body, mode=Mode.REAL_TIME)[0]


def measure(desk: Desk, name: str, power: IntervalSeries, *, ders: int | None = None) -> MessageId:
    """What is measured during a dispatch; its revision is above that of all measurements before."""
    known = [one.revision for one in find_dispatch(desk, name).telemetry]
    body = made(
        DispatchTelemetry,
        dispatch=name,
        power_kw=power,
        revision=max(known, default=0) + 1,
        ders_reporting=ders,
    )
    return desk.say(body, mode=Mode.REAL_TIME)[0]


def _mode(desk: Desk, due: datetime) -> Mode:
    """What is answered within the latency of a scheduled message goes with the needs of a real-time one."""
    return Mode.SCHEDULED if due - desk.now >= AHEAD else Mode.REAL_TIME
