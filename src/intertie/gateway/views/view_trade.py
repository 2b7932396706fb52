"""What the pages of the trade have in common: who is on the other side, under which agreement we speak, and what a person of a
role may say there."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.office_rights import SENDS, NotAllowed
from intertie.gateway.trading.trade_desk import SIDES, Desk
from intertie.market import contract
from intertie.market.event import Broken
from intertie.model.ids import AgreementId, DocumentName, PartyId


def other_side(gateway: Gateway) -> list[Partner]:
    """The partners that a trade is possible with, by their ids: on the other side, and live."""
    others = (SIDES - gateway.party.roles) or SIDES
    found = [one for one in gateway.partners.all() if one.roles & others and one.trial is None]
    return sorted(found, key=lambda one: one.party)


def agreements(desk: Desk) -> tuple[AgreementId, ...]:
    """The agreements that were made here and are in force now, by name."""
    found = []
    for name in desk.book.contracts:
        try:
            contract.check_in_force(desk.book.contracts, name, desk.now)
        except Broken:
            continue
        found.append(name)
    return tuple(sorted(found))


def look_at(gateway: Gateway, partner: PartyId, now: datetime, agreement: AgreementId | None = None) -> Desk:
    """The desk to look from: under the agreement that is named, or the first of several. Refused if this is no partner."""
    desk = Desk(gateway, partner, now, agreement)
    if agreement is None and len(several := agreements(desk)) > 1:
        return desk.under(several[0])
    return desk


def may_say(gateway: Gateway, partner: Partner, roles: Collection[OfficeRole], document: str) -> bool:
    """Whether this document goes from our side to that partner, and is for a person of one of these roles to send."""
    ours, theirs = SIDES & gateway.party.roles, SIDES & partner.roles
    return any(
        flow.sender in ours
        and flow.recipient in theirs
        and any(flow.category in SENDS[role] for role in roles)
        for flow in gateway.catalogue.find_flows(DocumentName(document))
    )


def check_may_say(gateway: Gateway, partner: Partner, roles: Collection[OfficeRole], document: str) -> None:
    """NotAllowed if it is not."""
    if not may_say(gateway, partner, roles, document):
        said = " or ".join(sorted(roles)) or "nobody"
        raise NotAllowed(
            f"{said}: it is not yours to send a document of the kind {document} to {partner.party}",
            do="Ask somebody of the role whose business it is, on the side that says it.",
        )
