"""Acts of registration: an aggregation and its DERs, what the utility says of each, and suspension by either side."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from intertie.gateway.trading.trade_desk import Desk
from intertie.market.registry import Aggregation, Standing, Version
from intertie.model.aggregation import (
    AggregationRegistration,
    CompositionChange,
    DecisionReason,
    Der,
    DerChange,
    DerDecision,
    DerMove,
    DerRemoval,
    DerResumption,
    DerSuspension,
    RegistrationDecision,
    RemovalReason,
    SuspensionReason,
)
from intertie.model.contract import Service, ServiceHours
from intertie.model.errors import SettingsError
from intertie.model.ids import AggregationId, DerId, MessageId
from intertie.model.made import made
from intertie.model.message import Mode
from intertie.model.quantity import Kilowatts


class Offered(NamedTuple):
    """What a new aggregation is offered for: services, from when to when, in which hours."""

    services: tuple[Service, ...]
    effective: datetime
    ends: datetime | None = None
    hours: tuple[ServiceHours, ...] = ()
    zone: str | None = None


def find_aggregation(desk: Desk, name: AggregationId) -> Aggregation:
    """The aggregation, with what is on its way; SettingsError if it is not known."""
    found = desk.drafted.registry.get(name)
    if found is None:
        raise SettingsError(
            f"no aggregation {name} is registered with {desk.partner}", do="`intertie registration show`."
        )
    return found


def register(desk: Desk, name: AggregationId, offered: Offered, ders: Sequence[Der]) -> MessageId:
    """Register an aggregation, or all of it anew: who is not on the list leaves."""
    before = desk.drafted.registry.get(name)
    body = made(
        AggregationRegistration,
        aggregation=name,
        services=offered.services,
        effective=offered.effective,
        ders=tuple(ders),
        revision=before.revision + 1 if before else 1,
        ends=offered.ends,
        service_hours=offered.hours,
        zone=offered.zone,
    )
    return desk.say(body, mode=Mode.REGISTRATION)[0]


def change(
    desk: Desk,
    name: AggregationId,
    effective: datetime,
    *,
    added: Sequence[Der] = (),
    replaced: Sequence[Der] = (),
    changed: Sequence[DerChange] = (),
    moved: Sequence[DerMove] = (),
    removed: Sequence[DerRemoval] = (),
) -> MessageId:
    """Change what an aggregation is made of. What DERs can do just now goes as news; everything else is registration."""
    body = made(
        CompositionChange,
        aggregation=name,
        effective=effective,
        revision=find_aggregation(desk, name).revision + 1,
        added=tuple(added),
        replaced=tuple(replaced),
        changed=tuple(changed),
        moved=tuple(moved),
        removed=tuple(removed),
    )
    live = changed and not (added or replaced or moved or removed)
    return desk.say(body, mode=Mode.REAL_TIME if live else Mode.REGISTRATION)[0]


def remove(
    desk: Desk, name: AggregationId, ders: Iterable[DerId], reason: RemovalReason, effective: datetime
) -> MessageId:
    """Take DERs out for good."""
    return change(desk, name, effective, removed=[DerRemoval(der=der, reason=reason) for der in ders])


class Verdicts(NamedTuple):
    """What the utility says: whom it accepts, with less than the nameplate where a limit is given, and whom it refuses."""

    accept: Collection[DerId]
    refuse: Mapping[DerId, DecisionReason] = {}
    limits: Mapping[DerId, Decimal] = {}
    detail: str = ""


def decide(desk: Desk, name: AggregationId, verdicts: Verdicts, effective: datetime) -> MessageId:
    """Decide on DERs of an aggregation, each by itself."""
    twice = sorted(set(verdicts.accept) & set(verdicts.refuse))
    if twice:
        raise SettingsError(f"{twice[0]} is accepted and refused", do="Say one of the two.")
    stray = sorted(set(verdicts.limits) - set(verdicts.accept))
    if stray:
        raise SettingsError(
            f"{stray[0]} has a limit and is not accepted", do="Accept it, or leave the limit."
        )
    accepted = [
        made(DerDecision, der=der, accepted=True, accepted_kw=_kw(verdicts.limits.get(der)))
        for der in sorted(verdicts.accept)
    ]
    refused = [
        made(DerDecision, der=der, accepted=False, reason=verdicts.refuse[der], detail=verdicts.detail)
        for der in sorted(verdicts.refuse)
    ]
    if not accepted and not refused:
        raise SettingsError(f"nothing was said of any DER of {name}", do="Accept or refuse some.")
    body = made(
        RegistrationDecision,
        aggregation=name,
        decisions=(*accepted, *refused),
        effective=effective,
        revision=find_aggregation(desk, name).revision,
    )
    return desk.say(body, mode=Mode.REGISTRATION)[0]


def undecided(aggregation: Aggregation) -> list[DerId]:
    """The DERs that wait for the utility's word."""
    return [der for der, versions in aggregation.ders.items() if versions[-1].standing is Standing.OFFERED]


def suspend(
    desk: Desk,
    name: AggregationId,
    suspension: str,
    reason: SuspensionReason,
    effective: datetime,
    *,
    ders: Sequence[DerId] = (),
    until: datetime | None = None,
    text: str = "",
) -> MessageId:
    """Take DERs out for a while; none named are all."""
    body = made(
        DerSuspension,
        suspension=suspension,
        aggregation=name,
        effective=effective,
        reason=reason,
        ders=tuple(ders),
        until=until,
        text=text,
    )
    return desk.say(body, mode=desk.mode_for(effective, Mode.REGISTRATION))[0]


def fresh_suspension(desk: Desk, name: AggregationId, effective: datetime) -> str:
    """A name that no suspension of the aggregation has, from the time at which it begins."""
    taken = find_aggregation(desk, name).suspensions
    base = f"S-{effective:%Y%m%dT%H%MZ}"
    return next(made for n in range(len(taken) + 1) if (made := f"{base}-{n + 1}") not in taken)


def resume(desk: Desk, name: AggregationId, suspension: str, effective: datetime) -> MessageId:
    """End a suspension that our side made."""
    body = made(DerResumption, suspension=suspension, aggregation=name, effective=effective)
    return desk.say(body, mode=desk.mode_for(effective, Mode.REGISTRATION))[0]


class DerLine(NamedTuple):
    """How one DER stands: its newest record, the one that counts now, and what takes it out."""

    der: DerId
    newest: Version
    counting: Version | None
    kw: Decimal
    suspension: str


def lines_of(aggregation: Aggregation, now: datetime) -> list[DerLine]:
    """One line for each DER that was ever in it."""
    counting = aggregation.counting(now)
    found = []
    for der, versions in aggregation.ders.items():
        one, held = counting.get(der), aggregation.suspended(der, now)
        able = aggregation.working_kw(der, one, now) if one is not None and held is None else Decimal(0)
        found.append(DerLine(der, versions[-1], one, able, f"{held.name} ({held.by})" if held else ""))
    return found


def _kw(value: Decimal | None) -> Kilowatts | None:
    return None if value is None else Kilowatts(value)
