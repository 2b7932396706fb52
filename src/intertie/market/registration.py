"""What the utility says to each DER of a registration: the rules, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from intertie.market.hours import over_time, windows_of
from intertie.market.registering import programme_claims
from intertie.model.aggregation import (
    AggregationRegistration,
    DecisionReason,
    Der,
    DerDecision,
    RegistrationDecision,
)
from intertie.model.ids import ConnectionPointId, DerId, MeterId
from intertie.model.interval import Window
from intertie.model.quantity import Kilowatts

# A nameplate may be rounded in one of the two books; beyond this the two mean different machines.
NAMEPLATE_TOLERANCE = Decimal("0.02")


class Connection(NamedTuple):
    """What the utility's own book says of an interconnected DER."""

    point: ConnectionPointId
    meter: MeterId
    nameplate_kw: Decimal


class Records(NamedTuple):
    """The utility's books: points with their feeder, interconnected DERs, consents on file, DERs already registered."""

    feeders: Mapping[ConnectionPointId, str]
    connections: Mapping[DerId, Connection]
    consents: frozenset[str]
    registered: frozenset[DerId] = frozenset()


def decide(registration: AggregationRegistration, records: Records, term: Window) -> RegistrationDecision:
    """One decision per DER, each by itself; `term` is the time in which it would serve, in the hours that it is offered for."""
    windows = windows_of(term, registration.service_hours, registration.zone)
    return RegistrationDecision(
        aggregation=registration.aggregation,
        decisions=tuple(decide_der(der, records, windows) for der in registration.ders),
        effective=registration.effective,
        revision=registration.revision,
    )


def decide_der(der: Der, records: Records, windows: Sequence[Window]) -> DerDecision:
    """The first rule that the DER breaks, or its acceptance, with what other programmes leave of it in these windows."""
    found = _against(der, records, windows)
    if found is not None:
        reason, detail = found
        return DerDecision(der=der.id, accepted=False, reason=reason, detail=detail)
    lent = lent_kw(der, windows)
    left = Kilowatts(der.nameplate_kw - lent) if lent else None
    return DerDecision(der=der.id, accepted=True, accepted_kw=left)


def _against(der: Der, records: Records, windows: Sequence[Window]) -> tuple[DecisionReason, str] | None:
    feeder = records.feeders.get(der.point)
    if feeder is None:
        return DecisionReason.UNKNOWN_CONNECTION_POINT, f"there is no point {der.point}"
    if feeder != der.feeder:
        return DecisionReason.WRONG_FEEDER, f"{der.point} is on {feeder}"
    connection = records.connections.get(der.id)
    if connection is None or connection.point != der.point:
        return DecisionReason.NOT_INTERCONNECTED, f"no {der.id} is connected at {der.point}"
    if connection.meter != der.meter:
        return DecisionReason.METER_MISSING, f"the meter at {der.point} is {connection.meter}"
    if abs(connection.nameplate_kw - der.nameplate_kw) > NAMEPLATE_TOLERANCE * connection.nameplate_kw:
        return DecisionReason.NAMEPLATE_MISMATCH, f"connected with {connection.nameplate_kw} kW"
    if der.consent is None or der.consent not in records.consents:
        return DecisionReason.CONSENT_MISSING, "the customer's consent is not on file"
    if der.id in records.registered:
        return DecisionReason.ALREADY_REGISTERED, "it is in another aggregation"
    return _double(der, windows)


def _double(der: Der, windows: Sequence[Window]) -> tuple[DecisionReason, str] | None:
    """Committed elsewhere at any time in which it would serve: the same kilowatt would be sold twice."""
    if lent_kw(der, windows) < der.nameplate_kw:
        return None
    end = max(other.term.end for other in der.other_programmes)
    names = ", ".join(other.programme for other in der.other_programmes)
    return DecisionReason.DOUBLE_COMMITMENT, f"committed to {names} until {end.date()}"


def lent_kw(der: Der, windows: Sequence[Window]) -> Decimal:
    """The most that other programmes have of a DER at any time in these windows."""
    stretches = [one for window in windows for one in over_time(programme_claims(der, window))]
    return max((one.kw for one in stretches), default=Decimal(0))
