"""Acts about what is out: the utility tells of its grid, the aggregator of its DERs, each with news and the end of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from intertie.gateway.trading.trade_desk import Desk
from intertie.market.asset_outage import AssetsOut
from intertie.market.feeder import tree_at
from intertie.market.outage import Outage
from intertie.model.errors import SettingsError
from intertie.model.ids import AggregationId, ConnectionPointId, DerId, MessageId
from intertie.model.made import changed, made
from intertie.model.message import Mode
from intertie.model.quantity import Kilowatts
from intertie.model.system import (
    AssetOutage,
    AssetOutageCause,
    AssetReturn,
    OutageKind,
    OutageNotice,
    OutageUpdate,
    RestorationNotice,
)


def tell(desk: Desk, notice: OutageNotice) -> MessageId:
    """The utility tells of an outage."""
    return desk.say(notice, mode=desk.mode_for(notice.starts))[0]


def points_of(
    desk: Desk, points: Sequence[ConnectionPointId], sections: Sequence[str]
) -> tuple[ConnectionPointId, ...]:
    """The points that are named, and those in the sections and behind them, by the feeder model that both hold."""
    below = tree_at(desk.book.grid.models, desk.now).points_below(sections)
    found = (*points, *sorted(below - set(points)))
    if not found:
        raise SettingsError("no point is named, and the feeder model has none there", do="Name a point.")
    return found


def update(desk: Desk, news: OutageUpdate) -> MessageId:
    """News of an outage that was told; its revision is the next one, whatever it says."""
    before = find_outage(desk, news.outage)
    body = changed(news, revision=before.revision + 1)
    return desk.say(body, mode=desk.mode_for(body.starts or before.starts))[0]


def restore(
    desk: Desk,
    name: str,
    at: datetime,
    *,
    points: Sequence[ConnectionPointId] = (),
    sections: Sequence[str] = (),
    text: str = "",
) -> MessageId:
    """Supply is back: at these points and in these sections, or everywhere."""
    lost = [point for point, loss in find_outage(desk, name).lost.items() if loss.until is None]
    whole = not points and not sections
    if whole and not lost:
        raise SettingsError(f"every point of {name} is back already", do="`intertie outage show`.")
    body = made(
        RestorationNotice,
        outage=name,
        points=tuple(lost) if whole else points_of(desk, points, sections),
        restored=at,
        complete=whole,
        sections=tuple(sections),
        text=text,
    )
    return desk.say(body, mode=Mode.REAL_TIME)[0]


def find_outage(desk: Desk, name: str) -> Outage:
    """The outage of the grid; SettingsError if it was not told."""
    found = desk.drafted.grid.outages.get(name)
    if found is None:
        raise SettingsError(f"no outage {name} was told", do="`intertie outage show` lists them.")
    return found


def find_assets(desk: Desk, name: str) -> AssetsOut:
    """The outage of DERs; SettingsError if it was not told."""
    found = desk.drafted.grid.assets.get(name)
    if found is None:
        raise SettingsError(f"no outage {name} of DERs was told", do="`intertie outage show` lists them.")
    return found


def lose(
    desk: Desk,
    name: str,
    aggregation: AggregationId,
    ders: Sequence[DerId],
    kind: OutageKind,
    cause: AssetOutageCause,
    starts: datetime,
    *,
    kw: Kilowatts | None = None,
    expected: datetime | None = None,
    text: str = "",
) -> MessageId:
    """The aggregator tells of DERs that are out, or again with news: then the revision is the next one. Without `kw` all of them
    is missing."""
    before = desk.drafted.grid.assets.get(name)
    body = made(
        AssetOutage,
        outage=name,
        aggregation=aggregation,
        kind=kind,
        ders=tuple(ders),
        starts=starts,
        cause=cause,
        unavailable_kw=_all_of(desk, aggregation, ders) if kw is None else kw,
        expected_return=expected,
        revision=before.revision + 1 if before else 1,
        text=text,
    )
    return desk.say(body, mode=desk.mode_for(starts))[0]


def bring_back(desk: Desk, name: str, at: datetime, ders: Sequence[DerId] = (), text: str = "") -> MessageId:
    """DERs of an outage are back; none named are all."""
    before = find_assets(desk, name)
    out = [der for der, back in before.back.items() if back is None]
    if not ders and not out:
        raise SettingsError(f"every DER of {name} is back already", do="`intertie outage show`.")
    body = made(
        AssetReturn,
        outage=name,
        aggregation=before.aggregation,
        ders=tuple(ders or out),
        returned=at,
        complete=set(ders or out) >= set(out),
        text=text,
    )
    return desk.say(body, mode=Mode.REAL_TIME)[0]


def _all_of(desk: Desk, aggregation: AggregationId, ders: Sequence[DerId]) -> Kilowatts:
    """The nameplates; of what is not registered nothing is known, and the book's rule says so."""
    known = desk.drafted.registry.get(aggregation)
    plates = [known.ders[der][-1].der.nameplate_kw for der in ders if known is not None and der in known.ders]
    return Kilowatts(sum(plates, Decimal(0)))
