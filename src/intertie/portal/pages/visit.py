"""A request of a person, as a page sees it; and what a page or an act answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from intertie.gateway.gateway import Gateway
from intertie.gateway.office.office_rights import Right, Roles, may
from intertie.gateway.office.people import Visitor
from intertie.gateway.office.visits import Present
from intertie.portal.door import Office
from intertie.portal.pages.reading import Fields
from intertie.seal.passkeys import Site


class Visit(NamedTuple):
    """Who asks for what, and when."""

    office: Office
    present: Present
    visitor: Visitor
    site: Site
    path: str
    at: Mapping[str, str]  # the parts of the path that have names
    query: Fields
    now: datetime

    @property
    def gateway(self) -> Gateway:
        """The gateway."""
        return self.office.gateway

    @property
    def person(self) -> str:
        """Whose visit it is."""
        return self.present.person.name

    @property
    def roles(self) -> Roles:
        """In which roles."""
        return frozenset(self.present.person.roles)

    def may(self, right: Right) -> bool:
        """Whether the person has this right."""
        return may(self.roles, right)


class View(NamedTuple):
    """A page: the template, its title, and what it shows."""

    template: str
    title: str
    context: Mapping[str, Any] = {}
    status: int = 200


class Download(NamedTuple):
    """A file to keep."""

    name: str
    content: bytes
    media_type: str = "application/octet-stream"


class Data(NamedTuple):
    """JSON for a plot or a script."""

    value: Any


class Done(NamedTuple):
    """An act is done: the page to show next, what it says first, and what the journal says of it."""

    to: str
    said: str
    noted: str = ""
