"""Every day: the aggregator declares what it can do tomorrow, the utility sends what the meters read yesterday."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

from intertie.demo.feeder import STEPS
from intertie.demo.gateways import OLD_AGREEMENT
from intertie.demo.plan import Fate, offer_watts
from intertie.demo.season import AGGREGATION, Season, meter_of, node_of, series
from intertie.model.availability import AvailabilityDeclaration
from intertie.model.contract import Service
from intertie.model.ids import MeterId
from intertie.model.interval import Window
from intertie.model.message import Mode
from intertie.model.metering import Channel, MeterReadings, MeterReadingSet, Quality
from intertie.model.quantity import Percent, Unit

MORNING = 24  # 06:00


def plan(season: Season) -> None:
    """One morning per day, and one after the last; a first declaration by mistake under last year's agreement."""
    season.plan_action(
        season.at(0, 0, -720), "a declaration under an agreement that is over", partial(_mistake, season)
    )
    season.plan_action(season.at(0, 0, -700), "the first declaration", partial(_declare, season, 0))
    for day in range(len(season.feeder.days) + 1):
        text = str(season.feeder.days[day]) if day < len(season.feeder.days) else "the morning after"
        at = season.at(day, MORNING) if day < len(season.feeder.days) else season.at(day - 1, STEPS + MORNING)
        season.plan_action(at, text, partial(_morning, season, day))


def _morning(season: Season, day: int) -> None:
    if day > 0:
        _send_readings(season, day - 1)
    if day + 1 < len(season.feeder.days):
        _declare(season, day + 1)


def declaration(
    season: Season, day: int, revision: int = 1, *, without: frozenset[str] = frozenset()
) -> AvailabilityDeclaration:
    """What the portfolio can do on a day; `without` names DERs that are out of service."""
    working = [e for e in season.accepted if e.name not in without]
    start = season.at(day)
    return AvailabilityDeclaration(
        aggregation=AGGREGATION,
        service=Service.DIST_CAPACITY,
        point=season.point,
        window=Window(start=start, end=season.at(day, STEPS)),
        revision=revision,
        up_kw=series(start, Unit.KW, offer_watts(season.feeder, working, day)),
        down_kw=series(start, Unit.KW, [0] * STEPS),
        reserve_percent=Percent(Decimal(10)),
        availability_minutes=120,
        notice_minutes=60,
    )


def _declare(season: Season, day: int) -> None:
    season.aggregator.office.send(declaration(season, day), about=f"availability-{season.feeder.days[day]}")


def _mistake(season: Season) -> None:
    """The aggregator's book still has last year's agreement as open; the utility's has ended it, and refuses."""
    season.aggregator.office.send(
        declaration(season, 0), agreement=OLD_AGREEMENT, about="availability-by-mistake"
    )


def _send_readings(season: Season, day: int) -> None:
    """All meters of the portfolio. One of them could not be read after the dispatch that was followed in part, and is
    estimated from the week before; the true reading comes later as revision 2 (chapters/billing.py)."""
    when = season.feeder.days[day]
    nodes = sorted(node_of(meter) for meter in season.utility.books.meters)
    true = season.world.meter_days(nodes, day)
    missing = estimated_node(season, day)
    readings = [
        _reading(season, day, meter_of(node), values, Quality.VALID)
        for node, values in true.items()
        if node != missing
    ]
    if missing is not None:
        guess = season.world.meter_days([missing], day - 7)[missing]
        readings.append(_reading(season, day, meter_of(missing), guess, Quality.ESTIMATED))
    body = MeterReadingSet(meters=tuple(sorted(readings, key=lambda r: r.meter)))
    season.utility.office.send(body, about=f"readings-{when}", mode=Mode.SCHEDULED)
    season.utility.books.note(body)


def true_reading(season: Season, day: int, node: str) -> MeterReadings:
    """What the meter had read, as the revision that replaces the estimate."""
    values = season.world.meter_days([node], day)[node]
    return _reading(season, day, meter_of(node), values, Quality.VALID, revision=2)


def estimated_node(season: Season, day: int) -> str | None:
    """The node whose estimate errs most in favour of the aggregator on the day of the part-followed dispatch."""
    event = season.plan.event_on(day)
    if event is None or event.fate is not Fate.PARTIAL:
        return None
    nodes = sorted(node_of(meter) for meter in season.utility.books.meters)
    true, guess = season.world.meter_days(nodes, day), season.world.meter_days(nodes, day - 7)
    cut = slice(event.first, event.last)
    return max(nodes, key=lambda node: (sum(true[node][cut]) - sum(guess[node][cut]), node))


def _reading(
    season: Season, day: int, meter: MeterId, values: tuple[int, ...], quality: Quality, revision: int = 1
) -> MeterReadings:
    return MeterReadings(
        meter=meter,
        channel=Channel.NET,
        quality=quality,
        series=series(season.at(day), Unit.KWH, values),
        revision=revision,
    )
