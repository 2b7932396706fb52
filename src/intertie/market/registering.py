"""How registrations change: what each message makes of the registry, or the rule that it breaks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from intertie.market.event import Broken, Event
from intertie.market.hours import TERM_MAX, over_time, windows_of, zone_of
from intertie.market.registry import (
    ABOVE_NAMEPLATE,
    CONSENT,
    COUNTED_ONCE,
    DECIDED,
    DER_THERE,
    DOUBLE,
    HORIZON,
    HOURS,
    NEW,
    NOT_ITS_AUTHOR,
    SUSPENSION_NAME,
    TABLE,
    UNKNOWN_AGGREGATION,
    UNKNOWN_DER,
    UNKNOWN_REVISION,
    UNKNOWN_SUSPENSION,
    Aggregation,
    Live,
    Noted,
    Registry,
    Standing,
    Step,
    Suspended,
    Version,
)
from intertie.model.aggregation import (
    AggregationRegistration,
    CompositionChange,
    Der,
    DerChange,
    DerDecision,
    DerMove,
    DerResumption,
    DerSuspension,
    RegistrationDecision,
)
from intertie.model.errors import SettingsError
from intertie.model.ids import AggregationId, DerId
from intertie.model.interval import Window

Ders = dict[DerId, tuple[Version, ...]]


def apply(registry: Registry, event: Event) -> Registry:
    """The registry after a message; the same registry for a message that is not about it. Raises Broken."""
    match event.body:
        case AggregationRegistration() as body:
            after = _register(registry.get(body.aggregation), body, event)
        case CompositionChange() as body:
            after = _change(_known(registry, body.aggregation), body, event)
        case RegistrationDecision() as body:
            after = _decide(registry, _known(registry, body.aggregation), body, event)
        case DerSuspension() as body:
            after = _suspend(_known(registry, body.aggregation), body, event)
        case DerResumption() as body:
            after = _resume(_known(registry, body.aggregation), body, event)
        case _:
            return registry
    return {**registry, after.name: after}


def _known(registry: Registry, name: AggregationId) -> Aggregation:
    found = registry.get(name)
    if found is None:
        raise Broken(UNKNOWN_AGGREGATION, f"{name} was not registered")
    return found


def _register(before: Aggregation | None, body: AggregationRegistration, event: Event) -> Aggregation:
    """The whole list: who is new is offered, who is not on it leaves, whose record changed is offered anew."""
    term = None if body.ends is None else Window(start=body.effective, end=body.ends)
    _possible(body.ders, body.zone, term)
    ders: Ders = {} if before is None else dict(before.ders)
    if before is not None:
        _newer(before, body.revision)
    present = {der for der, versions in ders.items() if not _gone(versions)}
    listed = {der.id for der in body.ders}
    for id in sorted(present - listed):
        ders[id] = _leave(ders[id], body.effective, event)
    touched = sorted(present - listed)
    for der in body.ders:
        if der.id not in present:
            ders[der.id] = (*ders.get(der.id, ()), _offer(der, body.effective, body.revision, event))
        elif ders[der.id][-1].der != der:
            ders[der.id] = _replace(ders[der.id], der, body.effective, body.revision, event)
        else:
            continue
        touched.append(der.id)
    after = Aggregation(
        body.aggregation,
        body.services,
        body.revision,
        body.effective,
        body.ends,
        body.service_hours,
        body.zone,
        ders,
    )
    if before is not None:
        after = after._replace(suspensions=before.suspensions, live=before.live, history=before.history)
    return _noted(after, event, "registered", touched, body.effective, body.revision)


def _change(before: Aggregation, body: CompositionChange, event: Event) -> Aggregation:
    _newer(before, body.revision)
    _possible((*body.added, *body.replaced))
    ders: Ders = dict(before.ders)
    live = dict(before.live)
    for one in body.removed:
        ders[one.der] = _leave(_present(ders, one.der), body.effective, event)
    for der in body.added:
        if der.id in ders and not _gone(ders[der.id]):
            raise Broken(DER_THERE, f"{der.id} is in {before.name} already")
        ders[der.id] = (*ders.get(der.id, ()), _offer(der, body.effective, body.revision, event))
    for der in body.replaced:
        versions = _present(ders, der.id)
        ders[der.id] = _replace(versions, der, body.effective, body.revision, event)
    for move in body.moved:
        versions = _present(ders, move.der)
        at_new_place = _moved(versions[-1].der, move)
        ders[move.der] = _replace(versions, at_new_place, body.effective, body.revision, event)
    for change in body.changed:
        _present(ders, change.der)
        live[change.der] = _lived(live.get(change.der, ()), change, body.effective, event.received)
    after = before._replace(ders=ders, live=live, revision=body.revision)
    for what, named in (
        ("removed", [one.der for one in body.removed]),
        ("added", [der.id for der in body.added]),
        ("replaced", [der.id for der in body.replaced]),
        ("moved", [one.der for one in body.moved]),
    ):
        if named:
            after = _noted(after, event, what, named, body.effective, body.revision)
    return after


def _decide(registry: Registry, before: Aggregation, body: RegistrationDecision, event: Event) -> Aggregation:
    """Each decision is about the newest record of its DER up to the revision that it names."""
    if body.revision > before.revision:
        raise Broken(UNKNOWN_REVISION, f"{before.name} is at revision {before.revision}")
    ders: Ders = dict(before.ders)
    for decision in body.decisions:
        versions = ders.get(decision.der, ())
        place = max((i for i, one in enumerate(versions) if one.revision <= body.revision), default=None)
        if place is None:
            raise Broken(UNKNOWN_DER, f"{decision.der} is not in revision {body.revision} of {before.name}")
        ders[decision.der] = _decided(versions, place, decision, body.effective)
        if decision.accepted:
            _may_count(registry, before._replace(ders=ders), decision.der, ders[decision.der][place])
    after = before._replace(ders=ders)
    for what, accepted in (("accepted", True), ("refused", False)):
        named = [one.der for one in body.decisions if one.accepted is accepted]
        if named:
            after = _noted(after, event, what, named, body.effective, body.revision)
    return after


def _decided(
    versions: tuple[Version, ...], place: int, decision: DerDecision, effective: datetime
) -> tuple[Version, ...]:
    version = versions[place]
    standing = TABLE.get((version.standing, Step.ACCEPT if decision.accepted else Step.REFUSE))
    if standing is None and version.standing in (Standing.REPLACED, Standing.REMOVED):
        return versions  # it crossed with a newer record: nothing is left to decide on
    if standing is None:
        raise Broken(DECIDED, f"{decision.der} was accepted before")
    starts = max(version.effective, effective) if decision.accepted else None
    version = version._replace(
        standing=standing,
        starts=starts,
        accepted_kw=decision.accepted_kw,
        reason=decision.reason,
        detail=decision.detail,
    )
    before = tuple(_ended(one, starts) for one in versions[:place]) if starts else versions[:place]
    return (*before, version, *versions[place + 1 :])


def _ended(version: Version, at: datetime) -> Version:
    """An older record that counted gives way to the newer one."""
    if version.starts is None or (version.ends is not None and version.ends <= at):
        return version
    standing = TABLE.get((version.standing, Step.REPLACE), version.standing)
    return version._replace(ends=max(at, version.starts), standing=standing)


def _may_count(registry: Registry, aggregation: Aggregation, id: DerId, version: Version) -> None:
    """What an acceptance must keep: consent, nameplate, one aggregation, no interval that is sold twice."""
    if version.standing is not Standing.ACCEPTED or version.starts is None:
        return
    if version.der.consent is None:
        raise Broken(CONSENT, f"{id} has no consent")
    if version.kw > version.der.nameplate_kw:
        raise Broken(ABOVE_NAMEPLATE, f"{id} has {version.der.nameplate_kw} kW")
    for other in registry.values():
        if other.name != aggregation.name and any(
            _overlap(other.bounded(one), aggregation.bounded(version))
            for one in other.ders.get(id, ())
            if one.starts is not None
        ):
            raise Broken(COUNTED_ONCE, f"{id} counts in {other.name} then")
    twice = counted_twice(version, version.kw, offered_windows(aggregation, version.starts, version.ends))
    if twice is not None:
        raise Broken(DOUBLE, f"{id}: other programmes have more than is left from {twice.isoformat()}")


def counted_twice(version: Version, kw: Decimal, windows: Iterable[Window]) -> datetime | None:
    """The first moment in these windows at which other programmes and `kw` are more than the nameplate; None if there is none."""
    for window in windows:
        for stretch in over_time(programme_claims(version.der, window)):
            if stretch.kw + kw > version.der.nameplate_kw:
                return stretch.start
    return None


def programme_claims(der: Der, within: Window) -> list[tuple[tuple[Window, ...], Decimal]]:
    """What other programmes have of a DER inside a window: all of it where they do not say how much."""
    claims = []
    for one in der.other_programmes:
        if one.term.overlaps(within):
            both = Window(start=max(one.term.start, within.start), end=min(one.term.end, within.end))
            kw = der.nameplate_kw if one.committed_kw is None else one.committed_kw
            claims.append((windows_of(both, one.service_hours, one.zone), Decimal(kw)))
    return claims


def offered_windows(aggregation: Aggregation, starts: datetime, ends: datetime | None) -> tuple[Window, ...]:
    """When a DER that counts from `starts` is offered: in the aggregation's hours, to its end, or for HORIZON."""
    known = [end for end in (aggregation.ends, ends) if end is not None]
    end = min(known, default=starts + HORIZON)
    if end <= starts:
        return ()
    return windows_of(Window(start=starts, end=end), aggregation.hours, aggregation.zone)


def _suspend(before: Aggregation, body: DerSuspension, event: Event) -> Aggregation:
    if body.suspension in before.suspensions:
        raise Broken(SUSPENSION_NAME, f"there is a {body.suspension}")
    for id in body.ders:
        _present(dict(before.ders), id)
    one = Suspended(
        body.suspension,
        event.sender,
        body.ders,
        max(body.effective, event.received),
        body.until,
        body.reason,
    )
    after = before._replace(suspensions={**before.suspensions, one.name: one})
    return _noted(after, event, "suspended", body.ders, one.starts, before.revision)


def _resume(before: Aggregation, body: DerResumption, event: Event) -> Aggregation:
    one = before.suspensions.get(body.suspension)
    if one is None or (one.ends is not None and one.ends <= event.received):
        raise Broken(UNKNOWN_SUSPENSION, f"no {body.suspension} holds")
    if one.by != event.sender:
        raise Broken(NOT_ITS_AUTHOR, f"{body.suspension} was made by {one.by}")
    ends = max(body.effective, event.received)
    one = one._replace(ends=ends if one.ends is None else min(ends, one.ends))
    after = before._replace(suspensions={**before.suspensions, one.name: one})
    return _noted(after, event, "resumed", one.ders, ends, before.revision)


def _newer(before: Aggregation, revision: int) -> None:
    if revision <= before.revision:
        raise Broken(NEW, f"{before.name} is at revision {before.revision} already")


def _present(ders: Mapping[DerId, tuple[Version, ...]], id: DerId) -> tuple[Version, ...]:
    versions = ders.get(id)
    if versions is None or _gone(versions):
        raise Broken(UNKNOWN_DER, f"there is no {id}")
    return versions


def _gone(versions: tuple[Version, ...]) -> bool:
    return versions[-1].standing is Standing.REMOVED


def _offer(der: Der, effective: datetime, revision: int, event: Event) -> Version:
    return Version(der, revision, effective, event.received)


def _leave(versions: tuple[Version, ...], effective: datetime, event: Event) -> tuple[Version, ...]:
    """The DER is gone from `effective`, and never before the message arrived: what it owed until then it owes."""
    at = max(effective, event.received)
    return tuple(_left(one, at) for one in versions)


def _left(version: Version, at: datetime) -> Version:
    standing = TABLE.get((version.standing, Step.REMOVE))
    ends = version.ends
    if version.starts is not None:
        ends = max(at if ends is None else min(ends, at), version.starts)
    return version._replace(standing=standing or version.standing, ends=ends)


def _replace(
    versions: tuple[Version, ...], der: Der, effective: datetime, revision: int, event: Event
) -> tuple[Version, ...]:
    """A newer record: one that was not decided yet gives way at once. A DER that is elsewhere has left its old place."""
    if der.point != versions[-1].der.point:
        at = max(effective, event.received)
        versions = tuple(_left(one, at) if one.starts is not None else one for one in versions)
    undecided = (Standing.OFFERED, Standing.REFUSED)
    older = tuple(
        one._replace(standing=TABLE[one.standing, Step.REPLACE]) if one.standing in undecided else one
        for one in versions
    )
    return (*older, _offer(der, effective, revision, event))


def _moved(der: Der, move: DerMove) -> Der:
    return msgspec.structs.replace(
        der,
        feeder=move.feeder,
        point=move.point,
        meter=move.meter,
        premises=move.premises,
        account=move.account,
    )


def _lived(
    said: tuple[Live, ...], change: DerChange, effective: datetime, received: datetime
) -> tuple[Live, ...]:
    """The words that still count: the newest that has begun, and those to come. A later word about a time replaces an earlier."""
    kept = [one for one in said if one.since < effective]
    begun = [one for one in kept if one.since <= received]
    to_come = [one for one in kept if one.since > received]
    return (*begun[-1:], *to_come, Live(effective, change.state, change.available_kw))


def _overlap(one: Version, other: Version) -> bool:
    first, second = one.starts, other.starts
    if first is None or second is None:
        return False
    return (other.ends is None or first < other.ends) and (one.ends is None or second < one.ends)


def _possible(ders: Iterable[Der], zone: str | None = None, term: Window | None = None) -> None:
    """A zone that nobody knows, or a term that cannot be laid out, is found when it is said, not when it is first used."""
    zones = {one.zone for der in ders for one in der.other_programmes} | {zone}
    try:
        for name in sorted(zone for zone in zones if zone is not None):
            zone_of(name)
    except SettingsError as error:
        raise Broken(HOURS, error.why) from error
    if term is not None and term.end - term.start > TERM_MAX:
        raise Broken(HOURS, f"offered for more than {TERM_MAX.days} days")


def _noted(
    after: Aggregation, event: Event, what: str, ders: Iterable[DerId], effective: datetime, revision: int
) -> Aggregation:
    line = Noted(event.received, event.sender, what, tuple(ders), effective, revision)
    return after._replace(history=(*after.history, line))
