"""Proving a new partner: the example of every agreed flow goes both ways, in a conversation that means nothing else.

It travels as business would: sealed, over the street door, receipted. What the receipts say is the proof; only then may
the partner go live.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from intertie.catalogue.flow import Flow
from intertie.exchange.joining import Trial, covered
from intertie.exchange.outbound import DELIVERED, State
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.ports import MessageRow, Query
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.model.documents import example
from intertie.model.errors import Refused
from intertie.model.ids import MessageId, ParcelId
from intertie.model.party import Role
from intertie.seal.jws import read_jws
from intertie.seal.parcel import MANIFEST_BYTES_MAX, MANIFEST_TYP
from intertie.seal.profile import profile_of_algorithms

# A test that has not arrived after this is sent again by the next `prove`, not by itself.
TEST_LIFE = timedelta(hours=1)
_PAGE = 500
_ON_ITS_WAY = {State.QUEUED, State.SENDING}
Place = tuple[str, str, str]


class Result(StrEnum):
    """What is known of one agreed flow."""

    PROVEN = "proven"
    LATE = "late"  # receipted, but later than the flow's need
    WAITING = "waiting"  # on its way; or the partner has not sent it yet
    REFUSED = "refused"
    MISSING = "missing"  # not sent yet


class Line(NamedTuple):
    """One agreed flow in one direction. `seconds`: from queueing to receipt, of what we sent."""

    flow: Flow
    outgoing: bool
    result: Result
    message: MessageId | None = None
    parcel: ParcelId | None = None
    profile: str = ""
    group: str = ""
    seconds: float | None = None
    detail: str = ""


class Begun(NamedTuple):
    """The messages that were queued, and the flows (by key) of which the message was refused before that."""

    queued: list[MessageId]
    refused: Mapping[str, Refused]


def agreed_flows(
    gateway: Gateway, trial: Trial, senders: frozenset[Role], recipients: frozenset[Role]
) -> list[Flow]:
    """The flows that were agreed, from one side to the other: of those that a header cannot tell apart, the strictest."""
    found: dict[Place, Flow] = {}
    for flow in gateway.catalogue.flows():
        if flow.sender in senders and flow.recipient in recipients and covered(flow, trial.covers):
            other = found.get(_place_of(flow))
            if other is None or (flow.strictness, flow.key) > (other.strictness, other.key):
                found[_place_of(flow)] = flow
    return list(found.values())


def read_proof(gateway: Gateway, partner: Partner, trial: Trial) -> list[Line]:
    """What is proven and what is not: first what we send, then what the partner sends."""
    ours, theirs = gateway.party.roles, partner.roles
    sent, got = _rows(gateway, partner, trial, outgoing=True), _rows(gateway, partner, trial, outgoing=False)
    lines = [
        _line(gateway, flow, sent.get(_place_of(flow), ()), outgoing=True)
        for flow in agreed_flows(gateway, trial, ours, theirs)
    ]
    lines += [
        _line(gateway, flow, got.get(_place_of(flow), ()), outgoing=False)
        for flow in agreed_flows(gateway, trial, theirs, ours)
    ]
    return lines


def unproven(lines: Iterable[Line]) -> list[Line]:
    """Those that keep the partner from going live."""
    return [line for line in lines if line.result is not Result.PROVEN]


def begin_proof(gateway: Gateway, partner: Partner, trial: Trial, now: datetime) -> Begun:
    """Queue the example of every agreed flow of ours that is neither proven nor on its way: again after something was
    mended, and nothing twice. What may not even be queued is told by flow."""
    due = [
        line.flow
        for line in read_proof(gateway, partner, trial)
        if line.outgoing and line.result in (Result.MISSING, Result.REFUSED, Result.LATE)
    ]
    tests = [_test_of(flow, partner, trial, now) for flow in due]
    try:
        return Begun(send(gateway, tests, now) if tests else [], {})
    except Refused:
        pass  # one of them; the others go all the same
    queued: list[MessageId] = []
    refused: dict[str, Refused] = {}
    for flow, test in zip(due, tests, strict=True):
        try:
            queued += send(gateway, [test], now)
        except Refused as why:
            refused[flow.key] = why
    return Begun(queued, refused)


def _test_of(flow: Flow, partner: Partner, trial: Trial, now: datetime) -> Outgoing:
    return Outgoing(
        body=example(flow.document)[1],
        recipient=partner.party,
        interface=flow.interface,
        mode=flow.mode,
        agreement=trial.agreement,
        conversation=trial.conversation,
        expires=now + TEST_LIFE,
    )


def answer_proofs(gateway: Gateway, now: datetime) -> list[MessageId]:
    """Begin our own part of every test conversation in which the partner has begun: one command proves both directions."""
    queued = []
    for partner in gateway.partners.all():
        trial = partner.trial
        if trial is None or partner.suspended:
            continue
        begun = [
            bool(gateway.store.messages(_query(partner, trial, outgoing=outgoing)._replace(limit=1)))
            for outgoing in (False, True)
        ]
        if begun == [True, False]:
            queued += begin_proof(gateway, partner, trial, now).queued
    return queued


def _place_of(flow: Flow) -> Place:
    return flow.interface, flow.document, flow.mode.value


def _query(partner: Partner, trial: Trial, *, outgoing: bool) -> Query:
    return Query(outgoing=outgoing, partner=partner.party, conversation=trial.conversation, limit=_PAGE)


def _rows(
    gateway: Gateway, partner: Partner, trial: Trial, *, outgoing: bool
) -> dict[Place, list[MessageRow]]:
    """The messages of the test conversation, by what a flow is found by."""
    found: dict[Place, list[MessageRow]] = {}
    query = _query(partner, trial, outgoing=outgoing)
    while rows := gateway.store.messages(query):
        for row in rows:
            found.setdefault((row.interface, row.document, row.mode), []).append(row)
        query = query._replace(after=rows[-1].seq)
    return found


def _line(gateway: Gateway, flow: Flow, rows: Sequence[MessageRow], *, outgoing: bool) -> Line:
    """The best that is known of a flow: proven once is proven."""
    if not rows:
        return Line(flow, outgoing, Result.MISSING if outgoing else Result.WAITING)
    lines = [_judged(flow, row) for row in rows]
    best = min(lines, key=lambda line: (tuple(Result).index(line.result), line.seconds or 0.0))
    parcel = gateway.store.parcel(best.parcel, outgoing=outgoing) if best.parcel else None
    if parcel is None:
        return best
    signed = read_jws(parcel.manifest, MANIFEST_TYP, limit=MANIFEST_BYTES_MAX)
    profile = profile_of_algorithms(signed.algorithms).name
    group = parcel.transport.group if parcel.transport else ""
    return best._replace(profile=profile, group=group)


def _judged(flow: Flow, row: MessageRow) -> Line:
    line = Line(flow, row.outgoing, Result.PROVEN, row.id, row.parcel, detail=row.detail)
    if not row.outgoing:
        return line
    if row.state in _ON_ITS_WAY:
        return line._replace(result=Result.WAITING)
    if row.state not in DELIVERED:
        return line._replace(result=Result.REFUSED, detail=f"{row.state} {row.detail}".strip())
    seconds = (row.done_at - row.at).total_seconds() if row.done_at else 0.0
    late = seconds > flow.latency_seconds
    return line._replace(result=Result.LATE if late else Result.PROVEN, seconds=seconds)
