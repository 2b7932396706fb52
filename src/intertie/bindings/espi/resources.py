"""What is at a path, for who comes with a token: an entry, or a feed whose entries are made one by one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote

from intertie.bindings.espi.queries import Query, under, within_batch
from intertie.formats.espi.names import BASE
from intertie.formats.espi.nodes import (
    Kind,
    Node,
    Place,
    Said,
    kind_of,
    local_node,
    nodes_of,
    type_node,
    urn,
    zone_name,
)
from intertie.formats.espi.scope import BULK, INTERVALS, SUMMARIES, Scope
from intertie.formats.espi.service import (
    ApplicationFacts,
    AuthorizationFacts,
    application_node,
    authorization_node,
    status_node,
)
from intertie.formats.espi.write import FeedHead, once
from intertie.gateway.espi.espi_grants import Bearer, Grants
from intertie.gateway.espi.espi_ports import Application, Consent
from intertie.gateway.espi.espi_readings import Asked, said_by_meter
from intertie.gateway.metering.readings import Readings
from intertie.model.errors import IntertieError
from intertie.model.interval import STEPS_SECONDS
from intertie.model.metering import Channel

_KIND = re.compile(rf"({'|'.join(Channel)})-([0-9]{{1,5}})-(m?[0-9]{{1,2}})")
_BLOCKS = ("MeterReading", "ReadingType", "IntervalBlock")


class NotThere(IntertieError):
    """Nothing is at this path for who asks."""


class NotAllowed(IntertieError):
    """It is there, and the token does not open it."""


class Found(NamedTuple):
    """What is at a path. `head` is None where it is one entry."""

    head: FeedHead | None
    nodes: Iterator[Node]


class Custodian:
    """A custodian's resources."""

    def __init__(self, grants: Grants, readings: Readings, host: str, name: str) -> None:
        self._grants, self._readings = grants, readings
        self._host, self._name = host, name
        self._roots: dict[str, Callable[[Bearer, Sequence[str], Query, datetime], Found]] = {
            "ServiceStatus": self._status,
            "ApplicationInformation": self._application,
            "Authorization": self._authorization,
            "ReadingType": self._reading_type,
            "LocalTimeParameters": self._local_time,
            "Subscription": self._subscription,
            "Batch": self._batch,
        }

    def find(self, bearer: Bearer, parts: Sequence[str], query: Query, now: datetime) -> Found:
        """What is at a path below the root of resources. NotThere, NotAllowed, StoreError, SettingsError."""
        root = self._roots.get(parts[0]) if parts else None
        if root is None:
            raise NotThere("there is no such resource", do="docs/espi.md lists them.")
        return root(bearer, parts[1:], query, now)

    def _status(self, bearer: Bearer, rest: Sequence[str], query: Query, now: datetime) -> Found:
        _nothing_more(rest)
        return Found(None, iter([status_node(now)]))

    def _application(self, bearer: Bearer, rest: Sequence[str], query: Query, now: datetime) -> Found:
        one = bearer.application
        if bearer.consent is not None:
            raise NotAllowed(
                "a token of the application itself opens this", do="Ask for one: client_credentials."
            )
        node = application_node(_application_facts(one, self._name), self._host)
        return self._one_or_all([node], "ApplicationInformation", rest, query, now)

    def _authorization(self, bearer: Bearer, rest: Sequence[str], query: Query, now: datetime) -> Found:
        if bearer.consent is not None:
            consents: Iterator[Consent] = iter([bearer.consent])
        elif rest:
            known = self._grants.book.consent(bearer.application.id, rest[0])
            consents = iter([known] if known is not None else [])
        else:
            consents = self._grants.book.consents(bearer.application.id)
        nodes = (authorization_node(_facts(one, now), self._host) for one in consents)
        return self._one_or_all(nodes, "Authorization", rest, query, now)

    def _reading_type(self, bearer: Bearer, rest: Sequence[str], query: Query, now: datetime) -> Found:
        if rest:
            _nothing_more(rest[1:])
            return Found(None, iter([_type_named(rest[0], now)]))
        kinds = sorted({kind_of(one.readings) for _, said in self._own(bearer, now) for one in said})
        nodes = (type_node(kind, now, now) for kind in kinds)
        return self._feed(f"{BASE}/ReadingType", "ReadingType", nodes, query, now)

    def _local_time(self, bearer: Bearer, rest: Sequence[str], query: Query, now: datetime) -> Found:
        node = local_node(self._readings.zone, now.year, now, now)
        if rest and rest[0] != zone_name(self._readings.zone):
            raise NotThere("there is no such zone here")
        return self._one_or_all([node], "LocalTimeParameters", rest, query, now)

    def _subscription(self, bearer: Bearer, rest: Sequence[str], query: Query, now: datetime) -> Found:
        if len(rest) < 2 or rest[1] != "UsagePoint":
            raise NotThere("there is no such resource", do=f"Ask for {BASE}/Subscription/ID/UsagePoint.")
        consent, scope = self._opened(bearer, rest[0], now)
        path = "/".join((f"{BASE}/Subscription", *(quote(part, safe="") for part in rest)))
        meters: list[str] = list(consent.meters)
        if len(rest) > 2:
            if rest[2] not in meters:
                raise NotThere("there is no such usage point under this consent")
            meters = [rest[2]]
        nodes = once(self._nodes(consent, scope, meters, now))
        found = under(nodes, path, query.depth or 0)
        if len(rest) % 2 == 0:  # a collection
            return self._feed(path, rest[-1], filter(query.takes, found), query, now)
        first = next(found, None)
        if first is None:
            raise NotThere("there is no such resource under this consent")
        if not query.depth:
            return Found(None, iter([first]))
        return self._feed(path, first.name, _again(first, found), query, now)

    def _batch(self, bearer: Bearer, rest: Sequence[str], query: Query, now: datetime) -> Found:
        if len(rest) == 2 and rest[0] == "Subscription":
            consent, scope = self._opened(bearer, rest[1], now)
            nodes = self._batched(consent, scope, query, now)
            return self._feed(
                f"{BASE}/Batch/Subscription/{consent.id}", "Subscription", once(nodes), query, now
            )
        if len(rest) == 2 and rest[0] == "Bulk":
            nodes = self._bulk(bearer, rest[1], query, now)
            return self._feed(f"{BASE}/Batch/Bulk/{rest[1]}", "Bulk", once(nodes), query, now)
        raise NotThere(
            "there is no such batch", do=f"Ask for {BASE}/Batch/Subscription/ID or {BASE}/Batch/Bulk/ID."
        )

    def _bulk(self, bearer: Bearer, bulk: str, query: Query, now: datetime) -> Iterator[Node]:
        """Of all who consented to it."""
        if not _opens_bulk(bearer) or bearer.scope.bulk != bulk:
            raise NotAllowed("a token of the application with FB=35 and this BR opens its bulk")

        def nodes() -> Iterator[Node]:
            for consent in self._grants.book.consents(bearer.application.id):
                if consent.counts(now) and consent.what.bulk == bulk:
                    scope = consent.what.bounded(bearer.application.what)
                    yield from self._batched(consent, scope, query, now)

        return nodes()

    def _batched(self, consent: Consent, scope: Scope, query: Query, now: datetime) -> Iterator[Node]:
        for meter in consent.meters:
            yield from within_batch(self._nodes(consent, scope, [meter], now), query)

    def _nodes(self, consent: Consent, scope: Scope, meters: Sequence[str], now: datetime) -> Iterator[Node]:
        """All that may be seen of these meters."""
        points = f"{BASE}/Subscription/{consent.id}"
        place = Place(self._readings.zone, self._host, points, scope.has(SUMMARIES))
        asked = Asked(meters, consent.since, min(now, consent.until), scope.finest)
        for meter, said in said_by_meter(self._readings, asked):
            for node in nodes_of(meter, said, place, consent.made):
                if scope.has(INTERVALS) or node.name not in _BLOCKS:
                    yield node

    def _own(self, bearer: Bearer, now: datetime) -> Iterator[tuple[str, Sequence[Said]]]:
        consent = bearer.consent
        if consent is not None:
            asked = Asked(consent.meters, consent.since, min(now, consent.until), bearer.scope.finest)
            yield from said_by_meter(self._readings, asked)

    def _opened(self, bearer: Bearer, id: str, now: datetime) -> tuple[Consent, Scope]:
        """A consent that the token opens: its own, or one of the application's bulk."""
        own = bearer.consent
        if own is not None and own.id == id:
            return own, bearer.scope
        other = self._grants.book.consent(bearer.application.id, id) if own is None else None
        if other is None:
            raise NotThere("there is no such subscription for this token")
        scope = other.what.bounded(bearer.application.what)
        if not _opens_bulk(bearer) or scope.bulk != bearer.scope.bulk or not other.counts(now):
            raise NotAllowed("this subscription is opened by a token of its own")
        return other, scope

    def _one_or_all(
        self,
        nodes: Iterator[Node] | Sequence[Node],
        name: str,
        rest: Sequence[str],
        query: Query,
        now: datetime,
    ) -> Found:
        if not rest:
            return self._feed(f"{BASE}/{name}", name, filter(query.takes, nodes), query, now)
        _nothing_more(rest[1:])
        for node in nodes:
            if node.path == f"{BASE}/{name}/{rest[0]}":
                return Found(None, iter([node]))
        raise NotThere("there is no such resource for this token")

    def _feed(self, path: str, title: str, nodes: Iterator[Node], query: Query, now: datetime) -> Found:
        link = f"{self._host}{path}"
        return Found(FeedHead(urn(link), title, now, link), query.page(nodes))


def _opens_bulk(bearer: Bearer) -> bool:
    return bearer.consent is None and bearer.scope.has(BULK) and bool(bearer.scope.bulk)


def _again(first: Node, rest: Iterator[Node]) -> Iterator[Node]:
    yield first
    yield from rest


def _nothing_more(rest: Sequence[str]) -> None:
    if rest:
        raise NotThere("there is no such resource")


def _type_named(name: str, now: datetime) -> Node:
    found = _KIND.fullmatch(name)
    if found is None or int(found[2]) not in STEPS_SECONDS:
        raise NotThere("there is no such reading type")
    kind = Kind(Channel(found[1]), int(found[2]), int(found[3].replace("m", "-")))
    return type_node(kind, now, now)


def _application_facts(one: Application, custodian: str) -> ApplicationFacts:
    return ApplicationFacts(
        one.id,
        one.name,
        custodian,
        one.made,
        one.redirect_uris,
        one.notify_uri or "",
        one.scope,
        one.what.bulk,
    )


def _facts(one: Consent, now: datetime) -> AuthorizationFacts:
    ended = not one.counts(now)
    updated = one.revoked or (one.until if ended else one.made)
    return AuthorizationFacts(one.id, one.scope, one.made, one.since, one.until, ended, updated)
