"""The pages by which people find their way, in the order of a working day."""

from __future__ import annotations

from typing import NamedTuple

from intertie.gateway.office.office_rights import Right, Roles, may


class Place(NamedTuple):
    """A line of the navigation."""

    label: str
    path: str
    right: Right


PLACES = (
    Place("Today", "/", Right.KNOW),
    Place("Messages", "/messages", Right.LOOK),
    Place("Partners", "/partners", Right.LOOK),
    Place("Feeder", "/feeder", Right.READ),
    Place("Registration", "/registration", Right.READ),
    Place("Market", "/market", Right.READ),
    Place("Dispatch", "/dispatch", Right.READ),
    Place("Outages", "/outages", Right.READ),
    Place("Settlement", "/settlement", Right.READ),
    Place("Evidence", "/evidence", Right.PROVE),
    Place("Policy", "/policy", Right.LOOK),
    Place("Upload", "/upload", Right.SEND),
    Place("Settings", "/settings", Right.KNOW),
)


# Pages that stand under a place without being below its path.
_UNDER = {"/approvals": "/settings", "/green-button": "/settings"}


def places(roles: Roles) -> list[Place]:
    """Those that somebody of these roles may open."""
    return [place for place in PLACES if may(roles, place.right)]


def current(path: str) -> str:
    """The path of the place that a page belongs to."""
    path = _UNDER.get(path, path)
    found = [
        one.path
        for one in PLACES
        if path == one.path or (one.path != "/" and path.startswith(one.path + "/"))
    ]
    return found[0] if found else ""
