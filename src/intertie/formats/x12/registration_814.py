"""814: the registration of an aggregation (BGN*13), and the decision on each of its DERs (BGN*11)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from intertie.formats.x12.facts import read_record, said, write_facts
from intertie.formats.x12.stamps import Clock
from intertie.formats.x12.trading import Call, parties
from intertie.formats.x12.tree import Node, Table, nodes, table, text
from intertie.model.aggregation import AggregationRegistration, Der, DerDecision, RegistrationDecision
from intertie.model.record import Record

REQUEST, RESPONSE = "13", "11"


def write_registration(body: AggregationRegistration, call: Call) -> Node:
    """The tree of an 814 request. X12WriteError where a DER has what 814 has no place for (other programmes, hours)."""
    head = write_facts(body, "814", {}, ("ders", "effective"))
    turns = [(der, call.value("ask")) for der in body.ders]
    return _write(REQUEST, head, turns, body.effective, call)


def write_decision(body: RegistrationDecision, call: Call) -> Node:
    """The tree of an 814 response. `call.original` names the request."""
    head = write_facts(body, "814", {}, ("decisions", "effective"))
    turns = [(one, call.value("accept" if one.accepted else "refuse")) for one in body.decisions]
    return _write(RESPONSE, head, turns, body.effective, call)


def _write(purpose: str, head: Table, turns: list[tuple[Any, str]], effective: datetime, call: Call) -> Node:
    facts = call.value("facts")
    when = dict(
        zip(
            ("effective_date", "effective_time", "effective_zone"),
            Clock(call.profile).write(effective),
            strict=True,
        )
    )
    ders: list[Node] = [
        {
            "line": str(number),
            "action": action,
            "facts": write_facts(one, "814", facts, ("accepted",)),
            **when,
        }
        for number, (one, action) in enumerate(turns, 1)
    ]
    ends: list[Node] = [dict(row) for row in parties(call).rows()]
    ends[-1]["facts"] = head
    return {
        "purpose": purpose,
        "reference": call.reference,
        "date": call.date,
        "original": call.original,
        "parties": ends,
        "ders": ders,
    }


def read_enrolment(node: Node, call: Call) -> Record:
    """The registration or the decision of an 814's tree; ValueError if it makes none."""
    head: dict[str, list[str]] = {}
    for end in nodes(node, "parties"):
        head |= said(table(end, "facts"), {})
    facts, clock = call.value("facts"), Clock(call.profile)
    turns = nodes(node, "ders")
    effective = {
        clock.read(text(turn, "effective_date"), text(turn, "effective_time"), text(turn, "effective_zone"))
        for turn in turns
    }
    if len(effective) != 1:
        raise ValueError("all LIN loops of a set are effective at one time")
    when = {"effective": effective.pop()}
    if text(node, "purpose") == REQUEST:
        if {text(turn, "action") for turn in turns} != {call.value("ask")}:
            raise ValueError("an ASI of a request asks")
        ders = tuple(read_record(Der, said(table(turn, "facts"), facts), {}) for turn in turns)
        return read_record(AggregationRegistration, head, {**when, "ders": ders})
    answers = {call.value("accept"): True, call.value("refuse"): False}
    decisions = tuple(
        read_record(
            DerDecision, said(table(turn, "facts"), facts), {"accepted": answers[text(turn, "action")]}
        )
        for turn in turns
        if text(turn, "action") in answers
    )
    return read_record(RegistrationDecision, head, {**when, "decisions": decisions})
