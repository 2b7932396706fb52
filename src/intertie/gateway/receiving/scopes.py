"""Scopes: which documents, on which interfaces, a partner may hand in. `DA/invoice` is one, `DA/*` all of an interface.

They follow from the catalogue (the flows from the partner's roles to ours); an operator may narrow them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from intertie.catalogue.load import Catalogue
from intertie.gateway.gateway import Gateway, Partner
from intertie.model.errors import Code, Refused
from intertie.model.ids import DocumentName, InterfaceCode, PartyId
from intertie.model.message import Header
from intertie.model.party import Role

# A scope as people and clients write it; within the characters of RFC 6749 s.3.3.
Scope = Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9]{1,7}/([a-z][a-z0-9_]{1,63}|\*)(?!\n)$")]
# For coming for one's parcels; no interface has this name. Whoever has no door is granted it whatever its file says: what
# it may hand in can be narrowed, what is for it is its own.
FETCH = "PULL/parcels"
# For handing in parcels of others, and what became of them: granted to whom a route of ours, or `via` of a partner, names.
RELAY = "RELAY/parcels"
# What a refusal names; the rest is counted.
NAMED_MAX = 10


class ScopeRefused(Refused):
    """Something needs scopes that the token does not have: they are in `missing`, sorted."""

    def __init__(self, missing: Iterable[str], partner: PartyId | None = None) -> None:
        self.missing = tuple(sorted(missing))
        more = f" and {len(self.missing) - NAMED_MAX} more" if len(self.missing) > NAMED_MAX else ""
        detail = f"the access token does not cover {', '.join(self.missing[:NAMED_MAX])}{more}"
        super().__init__(Code.INSUFFICIENT_SCOPE, detail, partner=partner)


def scope_of(interface: InterfaceCode, document: DocumentName) -> str:
    """The scope that a document on an interface needs."""
    return f"{interface}/{document}"


def covered(scopes: frozenset[str], scope: str) -> bool:
    """Whether one of the scopes is this one, or its whole interface's."""
    return scope in scopes or f"{scope.partition('/')[0]}/*" in scopes


def narrow(scopes: frozenset[str], wanted: Iterable[str]) -> frozenset[str]:
    """The scopes that are wanted: `IF/*` wants all of an interface."""
    asked = frozenset(wanted)
    return frozenset(scope for scope in scopes if covered(asked, scope))


def scopes_between(
    catalogue: Catalogue, sender: frozenset[Role], recipient: frozenset[Role]
) -> frozenset[str]:
    """The scopes of all flows from some roles to others."""
    return frozenset(
        scope_of(flow.interface, flow.document)
        for flow in catalogue.flows()
        if flow.sender in sender and flow.recipient in recipient
    )


def scopes_of(catalogue: Catalogue, partner: Partner, ours: frozenset[Role]) -> frozenset[str]:
    """What a partner may be granted: its flows to our roles, narrowed by its file; and its parcels, if it fetches them."""
    scopes = scopes_between(catalogue, partner.roles, ours)
    if partner.scopes is not None:
        scopes = narrow(scopes, partner.scopes)
    return scopes | {FETCH} if partner.fetches else scopes


def granted_to(gateway: Gateway, partner: Partner) -> frozenset[str]:
    """All that a partner may be granted here now: the same; and handing in parcels of others, if it relays or we do for it."""
    scopes = scopes_of(gateway.catalogue, partner, gateway.party.roles)
    relays = any(other.via == partner.party for other in gateway.partners.all())
    return scopes | {RELAY} if relays or gateway.relay.serves(partner.party) else scopes


def check_scopes(headers: Iterable[Header], scopes: frozenset[str], partner: PartyId | None = None) -> None:
    """Every message's document is covered; ScopeRefused names those that are not."""
    needed = {scope_of(header.interface, header.document) for header in headers}
    missing = [scope for scope in needed if not covered(scopes, scope)]
    if missing:
        raise ScopeRefused(missing, partner)
