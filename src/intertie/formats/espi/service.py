"""Entries about the service itself: its status, the application, its authorisations; and the list by which a third party is told
what there is to fetch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from lxml import etree

from intertie.formats.espi.entries import EspiError
from intertie.formats.espi.names import BASE, ESPI, espi
from intertie.formats.espi.nodes import POINT, Node, record

OAUTH = "/espi/1_1/oauth"
# Where a third party is told.
NOTIFICATION = "/espi/1_1/Notification"
# ServiceStatus: normal. AuthorizationStatus. Both statuses of an application: live.
NORMAL = 1
REVOKED, ACTIVE = 0, 1
CUSTODIAN_LIVE, THIRD_PARTY_LIVE = 2, 3
# Named in one notification: a custodian that has more to say says it in several.
RESOURCES_MAX = 1000
LIST_BYTES_MAX = 1024 * 1024
LIST = espi("BatchList")


class ApplicationFacts(NamedTuple):
    """What an application may know of its own registration. Its secret is nowhere here."""

    id: str
    name: str
    custodian: str
    made: datetime
    redirect_uris: Sequence[str]
    notify_uri: str
    scope: str
    bulk: str


class AuthorizationFacts(NamedTuple):
    """A consent as it stands."""

    id: str
    scope: str
    made: datetime
    since: datetime
    until: datetime
    ended: bool
    updated: datetime


def status_node(now: datetime) -> Node:
    """That all is well: somebody answered."""
    path = f"{BASE}/ServiceStatus"
    content = partial(record, "ServiceStatus", ("currentStatus", NORMAL))
    return Node("ServiceStatus", POINT, path, path, (), now, now, content)


def application_node(one: ApplicationFacts, host: str) -> Node:
    """ApplicationInformation."""
    up = f"{BASE}/ApplicationInformation"
    return Node(
        "ApplicationInformation",
        POINT,
        f"{up}/{one.id}",
        up,
        (),
        one.made,
        one.made,
        partial(_application, one, host),
    )


def authorization_node(one: AuthorizationFacts, host: str) -> Node:
    """Authorization; it leads to its subscription."""
    up = f"{BASE}/Authorization"
    related = (subscription_of(one.id),)
    return Node(
        "Authorization",
        POINT,
        f"{up}/{one.id}",
        up,
        related,
        one.made,
        one.updated,
        partial(_authorization, one, host),
    )


def subscription_of(id: str) -> str:
    """Where the readings under a consent are."""
    return f"{BASE}/Batch/Subscription/{id}"


def _application(one: ApplicationFacts, host: str) -> etree._Element:
    made = int(one.made.timestamp())
    return record(
        "ApplicationInformation",
        ("dataCustodianId", one.custodian[:64]),
        ("dataCustodianApplicationStatus", CUSTODIAN_LIVE),
        ("thirdPartyApplicationStatus", THIRD_PARTY_LIVE),
        ("authorizationServerUri", host),
        ("thirdPartyNotifyUri", one.notify_uri),
        ("authorizationServerAuthorizationEndpoint", f"{host}{OAUTH}/authorize"),
        ("authorizationServerTokenEndpoint", f"{host}{OAUTH}/token"),
        ("dataCustodianBulkRequestURI", f"{host}{BASE}/Batch/Bulk/{one.bulk}"),
        ("dataCustodianResourceEndpoint", f"{host}{BASE}"),
        ("client_secret", ""),
        ("client_name", one.name),
        *(("redirect_uri", uri) for uri in one.redirect_uris),
        ("client_id", one.id),
        ("software_id", one.name),
        ("software_version", "1"),
        ("client_id_issued_at", made),
        ("client_secret_expires_at", 0),
        ("token_endpoint_auth_method", "client_secret_basic"),
        ("scope", one.scope),
        ("grant_types", "authorization_code"),
        ("grant_types", "client_credentials"),
        ("grant_types", "refresh_token"),
        ("response_types", "code"),
        ("registration_client_uri", f"{host}{BASE}/ApplicationInformation/{one.id}"),
        ("registration_access_token", ""),
    )


def _authorization(one: AuthorizationFacts, host: str) -> etree._Element:
    made, until, since = (int(at.timestamp()) for at in (one.made, one.until, one.since))
    return record(
        "Authorization",
        ("authorizedPeriod", (("duration", until - made), ("start", made))),
        ("publishedPeriod", (("duration", max(0, until - since)), ("start", since))),
        ("status", REVOKED if one.ended else ACTIVE),
        ("expires_at", until),
        ("scope", one.scope),
        ("token_type", "Bearer"),
        ("resourceURI", f"{host}{subscription_of(one.id)}"),
        ("authorizationURI", f"{host}{BASE}/Authorization/{one.id}"),
    )


def write_list(resources: Sequence[str]) -> bytes:
    """A notification: what there is to fetch."""
    element = etree.Element(LIST, nsmap={None: ESPI})
    for one in resources:
        etree.SubElement(element, espi("resources")).text = one
    said: bytes = etree.tostring(element, xml_declaration=True, encoding="utf-8")
    return said


def read_list(raw: bytes) -> list[str]:
    """The addresses in a notification. EspiError."""
    place = "the notification"
    if len(raw) > LIST_BYTES_MAX:
        raise EspiError(place, f"larger than {LIST_BYTES_MAX} bytes")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True
    )
    try:
        root = etree.fromstring(raw, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise EspiError(place, "not well-formed XML") from error
    if root.getroottree().docinfo.doctype or root.tag != LIST:
        raise EspiError(place, "no BatchList")
    found = [(one.text or "").strip() for one in root.iterchildren(espi("resources"))]
    if len(found) > RESOURCES_MAX or any(not one or len(one) > 2000 for one in found):
        raise EspiError(place, f"more than {RESOURCES_MAX} resources, or one that is no address")
    return found
