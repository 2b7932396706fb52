"""650: outages. One set is the notice, news of it, or the restoration, told apart by the action code (BGN08)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from intertie.formats.x12.facts import read_record, said, write_facts
from intertie.formats.x12.stamps import Clock
from intertie.formats.x12.trading import Call, parties
from intertie.formats.x12.tree import Node, nodes, table, table_of, text
from intertie.formats.x12.write_set import no_place
from intertie.model.record import Record
from intertie.model.system import OutageNotice, OutageUpdate, RestorationNotice

KINDS: dict[str, type[OutageNotice | OutageUpdate | RestorationNotice]] = {
    "outage_notice": OutageNotice,
    "outage_update": OutageUpdate,
    "restoration_notice": RestorationNotice,
}
_NAMES = {kind: name for name, kind in KINDS.items()}


def write_outage(body: OutageNotice | OutageUpdate | RestorationNotice, call: Call) -> Node:
    """The tree of a 650."""
    qualifiers, clock = call.value("times"), Clock(call.profile)
    times = []
    for name, qualifier in qualifiers.items():
        at: datetime | None = getattr(body, name, None)
        if at is not None:
            if at.microsecond:
                raise no_place(name, "650", "650 has whole seconds")
            day, hour, zone = clock.write(at)
            times.append({"qualifier": qualifier, "date": day, "time": hour, "zone": zone})
    level: Node = {
        "facts": write_facts(body, "650", {}, (*qualifiers, "text")),
        "times": table_of(times),
        "texts": table_of([{"text": body.text}] if body.text else []),
    }
    return {
        "reference": call.reference,
        "date": call.date,
        "type": call.value("type"),
        "action": call.value("action_of")[_NAMES[type(body)]],
        "parties": parties(call),
        "levels": [level],
    }


def read_outage(node: Node, call: Call) -> Record:
    """The document of a 650's tree; ValueError if it makes none."""
    [level] = nodes(node, "levels")
    clock = Clock(call.profile)
    names = {code: name for name, code in call.value("times").items()}
    more: dict[str, Any] = {}
    for row in table(level, "times").rows():
        if row["qualifier"] in names:
            at = clock.read(row["date"], row["time"], row.get("zone", ""))
            more[names[row["qualifier"]]] = at
    if words := table(level, "texts").column("text"):
        more["text"] = words[0]
    actions = {code: name for name, code in call.value("action_of").items()}
    return read_record(KINDS[actions[text(node, "action")]], said(table(level, "facts"), {}), more)
