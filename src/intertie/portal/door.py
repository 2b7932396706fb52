"""Who comes in, how often, and what every route needs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, NamedTuple, Protocol

from litestar.connection import ASGIConnection, Request
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import HeaderParameter, PathParameter, QueryParameter, SkipValidation

from intertie.bindings.parcel_https.limits import Addresses
from intertie.gateway.configuration.single_sign_on import SingleSignOn
from intertie.gateway.espi.espi_customers import Customers
from intertie.gateway.espi.espi_grants import Grants
from intertie.gateway.gateway import Gateway
from intertie.gateway.office.api_keys import ApiKey, KeyBook, let_in
from intertie.gateway.office.approvals import ApprovalBook, TwoPeople
from intertie.gateway.office.office_beside import NOTHING, Beside
from intertie.gateway.office.office_once import AnswerBook
from intertie.gateway.office.office_rights import Right, check_right
from intertie.gateway.office.people import PeopleBook
from intertie.gateway.partners.onboarding_ports import Onboarding
from intertie.gateway.trading.sealed_ports import SealedKeys
from intertie.model.ids import NAME, PARTY, UUID7, WORD
from intertie.model.office import PAGE, PAGE_MAX
from intertie.portal.problems import Busy
from intertie.portal.turns import Turns

LOG = logging.getLogger("intertie.office")
# Of one key and process. People click a few times a second and a system that loads a list page by page asks tens of times: what
# asks more often than this is in a loop by mistake.
REQUESTS_PER_SECOND = 50.0
REQUESTS_BURST = 200.0
# Of one address, before anybody is signed in: an office of a hundred that comes in at eight does not notice it.
STRANGER_PER_MINUTE = 120.0
STRANGER_BURST = 60.0


class PortalBook(PeopleBook, ApprovalBook, Protocol):
    """People, and what waits for a second one."""


class Office(NamedTuple):
    """What the routes stand on."""

    gateway: Gateway
    keys: KeyBook
    answers: AnswerBook
    clock: Callable[[], datetime]
    ticks: Callable[[], float]  # monotonic seconds
    buckets: Buckets
    people: PortalBook
    strangers: Addresses  # who is not signed in, by address
    wall: Callable[[], datetime]  # the time on the wall, also where a rehearsal has a clock of its own
    onboarding: Onboarding | None = None
    two_people: frozenset[TwoPeople] = frozenset()
    sign_on: SingleSignOn | None = None
    grants: Grants | None = None  # of readings, to third parties
    customers: Customers | None = None  # who decide on them
    sealed: SealedKeys | None = None  # where the keys of our sealed offers are kept
    beside: Beside = NOTHING  # what some pages need
    turns: Turns = Turns()  # of those who search


class Buckets:
    """One bucket of requests for each key."""

    def __init__(self, ticks: Callable[[], float]) -> None:
        self._ticks = ticks
        self._lock = threading.Lock()
        self._level: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> None:
        """One request; Busy if there were too many. Keys are few: a bucket is never forgotten."""
        now = self._ticks()
        with self._lock:
            level, then = self._level.get(key, (REQUESTS_BURST, now))
            level = min(REQUESTS_BURST, level + (now - then) * REQUESTS_PER_SECOND)
            self._level[key] = (max(level - 1.0, 0.0), now)
        if level < 1.0:
            raise Busy(
                f"more than {REQUESTS_PER_SECOND:.0f} requests a second with this key", do="Ask less often."
            )


def strangers(ticks: Callable[[], float]) -> Addresses:
    """How often an address may ask for the pages of signing in."""
    return Addresses(STRANGER_PER_MINUTE, STRANGER_BURST, ticks)


OfficeDep = NamedDependency[SkipValidation[Office]]
PartyPath = Annotated[str, PathParameter(pattern=PARTY, max_length=120, description="The partner's id.")]
MessagePath = Annotated[str, PathParameter(pattern=UUID7, description="The message's id.")]
NamePath = Annotated[str, PathParameter(pattern=NAME)]
DocumentPath = Annotated[str, PathParameter(pattern=WORD)]
KeyHeader = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        pattern=r"^[A-Za-z0-9._:-]{8,64}$",
        description="Made up by the caller for this request, as a UUID. A repeat with the same key has one effect and "
        "gets the same answer, for seven days.",
    ),
]
Limit = Annotated[int, QueryParameter(ge=1, le=PAGE_MAX, description=f"At most so many; {PAGE} if not said.")]
# Beyond 2^63 no store counts.
After = Annotated[
    int, QueryParameter(ge=0, le=2**63 - 1, description="Only what comes after this `next` or `seq`.")
]
AfterName = Annotated[
    str,
    QueryParameter(
        max_length=200, pattern=r"^[A-Za-z0-9._:\-]*$", description="Only what comes after this `next`."
    ),
]


def office_of(request: Request[Any, Any, Any]) -> Office:
    """What the application stands on, for a route that asks for its `office`."""
    office: Office = request.app.state.office
    return office


def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let in who holds a key whose role may do this. Raises NotLetIn, NotAllowed, Busy. HEAD and the like have no routes."""
    right: Right = handler.opt["right"]
    office: Office = connection.app.state.office
    said = connection.headers.get("authorization", "")
    scheme, _, text = said.partition(" ")
    key = let_in(office.keys, text.strip() if scheme.lower() == "bearer" else "", office.clock())
    connection.scope["auth"] = key
    connection.scope["user"] = key.name
    office.buckets.take(key.id)
    check_right(key.roles, right)


def note(key: ApiKey, act: str, **more: object) -> None:
    """Whose act it was, in the log."""
    LOG.info("act", extra={"key_name": key.name, "code": act, **more})
