"""Gateways of the relay world of which some exchange their parcels as files, put down where the other finds them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from tests.exchange.file_world import KEY
from tests.exchange.house import partner_of
from tests.exchange.relay_world import ROLES, Link, World

from intertie.bindings.sftp.taking import receipt_of
from intertie.formats.parcel_terms import ParcelTerms
from intertie.formats.sftp_terms import SftpTerms
from intertie.gateway.gateway import Gateway
from intertie.gateway.relaying.deliver_relayed import deliver_relayed
from intertie.gateway.sending.answers import Delivery
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.translating.accept_file import Brought, accept_file
from intertie.gateway.translating.deliver_translated import PostAnswer
from intertie.gateway.translating.file_link import FileLink
from intertie.gateway.translating.files import File, Purpose, read_files
from intertie.gateway.translating.foreign import Foreign
from intertie.model.ids import PartyId


def by_file(party: PartyId, until: date = date(2027, 12, 31), **changed: Any) -> Foreign:
    """The legacy file of a partner that has a gateway, and its parcels as files."""
    said: dict[str, Any] = {
        "name": party,
        "roles": tuple(ROLES[party]),
        "legacy_until": until,
        "sftp_terms": SftpTerms(user="them", keys=(KEY,)),
        "parcel": ParcelTerms(),
    }
    return Foreign(**(said | changed))


@dataclass
class Trays:
    """What lies between two parties: (from, to) -> files, the oldest first."""

    world: World
    lying: dict[tuple[PartyId, PartyId], list[File]] = field(default_factory=lambda: defaultdict(list))

    def agree(self, one: PartyId, other: PartyId, **changed: Any) -> None:
        """The two exchange files from now on."""
        for ours, theirs in ((one, other), (other, one)):
            gateway = self.world.gateways[ours]
            known = gateway.partners.find(theirs) or partner_of(self.world.gateways[theirs].keys)
            book = gateway.partners.partners  # type: ignore[attr-defined]
            book[theirs] = known._replace(foreign=by_file(theirs, **changed))

    def link(self, party: PartyId) -> FileLink:
        async def put(foreign: Foreign, file: File) -> PostAnswer:
            self.lying[party, PartyId(foreign.name)].append(file)
            return PostAnswer(200)

        return FileLink(Link(self.world, party), put, self._today)

    def _today(self) -> date:
        return self.world.now.date()

    def send(self, party: PartyId, to: PartyId) -> Delivery | None:
        """One parcel of this party's own."""
        gateway, link = self.world.gateways[party], self.link(party)
        return asyncio.run(deliver_once(gateway, link, to, self.world.clock, lambda: 0.0))

    def hand_on(self, party: PartyId, to: PartyId) -> Delivery | None:
        """One parcel of others."""
        gateway, link = self.world.gateways[party], self.link(party)
        return asyncio.run(deliver_relayed(gateway, link, to, self.world.clock, lambda: 0.0))

    def take(self, party: PartyId, sender: PartyId) -> list[File]:
        """Everything that lies here for this party is taken in; what is said of each file. Signed answers go back as files."""
        said = []
        for file in self.lying.pop((sender, party), []):
            for one in self.drop(party, sender, file.name, file.content):
                if one.purpose is Purpose.RECEIPT and one.name.endswith(".json"):
                    self.lying[party, sender].append(one)
                said.append(one)
        return said

    def drop(self, party: PartyId, sender: PartyId, name: str, content: bytes) -> list[File]:
        """What is said of one file."""
        gateway: Gateway = self.world.gateways[party]
        now = self.world.now
        write = receipt_of(name, content, now)
        return list(read_files(accept_file(gateway, Brought(sender, content, now), write, now)))

    def forget(self, party: PartyId, other: PartyId) -> None:
        """The partner has no gateway that we know of."""
        gateway = self.world.gateways[party]
        book = gateway.partners.partners  # type: ignore[attr-defined]
        known = book[other]
        keys = replace(known.keys, signing={}, sealing={})
        book[other] = known._replace(keys=keys)
