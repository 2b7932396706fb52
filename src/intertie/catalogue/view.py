"""The catalogue for a reader: as plain data for JSON, and the few signs and words that tables share."""

from __future__ import annotations

from typing import Any

import msgspec

from intertie.catalogue.admit import Catalogue
from intertie.catalogue.flow import Flow, Interface
from intertie.model.party import Role

# Largest first. A year is 366 days, as the loader reads it.
_DURATIONS = (
    (366 * 86400, "year", "years"),
    (86400, "day", "days"),
    (3600, "h", "h"),
    (60, "min", "min"),
    (1, "s", "s"),
)


def duration(seconds: int) -> str:
    """A duration in the largest unit that fits without a rest, as the files spell it."""
    size, one, many = next(unit for unit in _DURATIONS if seconds % unit[0] == 0)
    count = seconds // size
    return f"{count} {one if count == 1 else many}"


def latency(flow: Flow) -> str:
    """The flow's latency in words."""
    return duration(flow.latency_seconds)


def protect_for(flow: Flow) -> str:
    """How long the flow's protection must hold, in words."""
    return duration(flow.protect_for_days * 86400)


def part(interface: Interface, role: Role) -> str:
    """What a role does on an interface: "sends", "receives", "both", or "" where it has no part."""
    sends = any(flow.sender is role for flow in interface.flows)
    receives = any(flow.recipient is role for flow in interface.flows)
    return {(True, True): "both", (True, False): "sends", (False, True): "receives"}.get(
        (sends, receives), ""
    )


def actor(roles: tuple[Role, ...]) -> str:
    """One side of an interface in words."""
    return " or ".join(roles)


def flow_data(flow: Flow) -> dict[str, Any]:
    """A flow with its key and every need, ready for JSON."""
    data: dict[str, Any] = msgspec.to_builtins(flow)
    return {"key": flow.key, **data}


def interface_data(interface: Interface) -> dict[str, Any]:
    """An interface with its flows, ready for JSON."""
    data: dict[str, Any] = msgspec.to_builtins(interface)
    return {**data, "flows": [flow_data(flow) for flow in interface.flows]}


def matrix_data(catalogue: Catalogue) -> dict[str, Any]:
    """All codes, all roles of the mission, all flows with all their needs, ready for JSON."""
    return {
        "interfaces": list(catalogue.interfaces),
        "roles": [str(role) for role in Role],
        "flows": [flow_data(flow) for flow in catalogue.flows()],
    }
