"""What the pages of settlement share: the partner and the name in a path, and the desk."""

from __future__ import annotations

import re

from intertie.gateway.office.office_acts import NotHere
from intertie.gateway.trading.trade_desk import Desk
from intertie.model.ids import NAME, AgreementId, PartyId
from intertie.portal.pages.reading import Fields
from intertie.portal.pages.visit import Visit

SETTLEMENT = "/settlement"
ONE = SETTLEMENT + "/{partner:str}"


def partner_of(visit: Visit) -> PartyId:
    """The partner in the path. NotHere if it is none."""
    party = PartyId(visit.at["partner"])
    if visit.gateway.partners.find(party) is None:
        raise NotHere("there is no such partner", do="Settlement lists those there are.")
    return party


def name_of(visit: Visit) -> str:
    """The name at the end of the path, which may have strokes in it. NotHere if nothing is called like that."""
    name = visit.at["name"].removeprefix("/")
    if re.search(NAME, name) is None:
        raise NotHere("nothing is called like that", do="Follow a link of the page before.")
    return name


def agreement_in(fields: Fields) -> AgreementId | None:
    """The agreement that an address or a form names; None: the only one in force."""
    agreement = fields.matching("agreement", NAME, "agreement")
    return None if agreement is None else AgreementId(agreement)


def desk_of(visit: Visit) -> Desk:
    """The trade with the partner in the path, under the agreement that the address names, if it names one."""
    return Desk(visit.gateway, partner_of(visit), visit.now, agreement_in(visit.query))
