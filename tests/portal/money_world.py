"""Both sides of a deal with a call, readings, and an office each: what pages of settlement stand on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import cast

from tests.exchange import test_settle
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.test_settle import Settling
from tests.portal.visitors import Browser, signed_in
from tests.portal.world import World

from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.office_beside import Beside
from intertie.gateway.operating.check_policy import Dates
from intertie.gateway.settlement.settling import Settler
from intertie.model.ids import PartyId
from intertie.seal.key_port import KekOf
from intertie.stores.uploaded_files import UploadedFiles

NAME = "S-NWS-1-2026-01"
SETTLEMENT, AUDITOR, OPERATOR = OfficeRole.SETTLEMENT, OfficeRole.AUDITOR, OfficeRole.OPERATOR


class Keys:
    """Nothing ends, and an inventory that says so."""

    def dates(self) -> Dates:
        return Dates(None, {})

    def inventory(self, now: datetime) -> bytes:
        return b'{"bomFormat": "CycloneDX"}'


class Office(World):
    """The office of one side, at the stage's time."""

    def __init__(self, stage: Settling, party: PartyId, folder: Path) -> None:
        self.stage, self.party = stage, party
        self._signed_in: dict[tuple[OfficeRole, ...], Browser] = {}
        self.them = AGGREGATOR if party == UTILITY else UTILITY
        folder.mkdir(parents=True, exist_ok=True)
        gateway = stage.gateways[party]
        super().__init__(folder, gateway=gateway, made=False)
        self.office = self.office._replace(
            beside=Beside(
                settling=Settler(gateway, lambda: stage.sides[party].readings),
                held=Keys(),
                uploads=UploadedFiles(folder / "uploads", KekOf(bytes(32))),
                zone=test_settle.ZONE,
            )
        )

    def clock(self) -> datetime:
        return self.stage.now

    def browser(self, *roles: OfficeRole) -> Browser:
        """Somebody of these roles, signed in."""
        self.now = self.stage.now
        if roles not in self._signed_in:
            self._signed_in[roles] = signed_in(self, *roles)
        return self._signed_in[roles]

    def at(self, path: str) -> str:
        """An address below the partner."""
        return f"/settlement/{self.them}/{path}"


class Offices:
    """Both of them."""

    def __init__(self, stage: Settling, folder: Path) -> None:
        self.stage = stage
        self.utility = Office(stage, UTILITY, folder / "u")
        self.aggregator = Office(stage, AGGREGATOR, folder / "a")

    def arrive(self) -> None:
        """What was queued is with the other side."""
        self.stage.settle_soon()


@contextmanager
def offices(folder: Path) -> Iterator[Offices]:
    """A month that is over, with one call; nothing is settled yet."""
    make = test_settle.stage.__wrapped__  # type: ignore[attr-defined]
    found = Offices(cast(Settling, make(folder)), folder)
    yield found
    found.utility.close()
    found.aggregator.close()
