"""Asking a partner's door about journals: as `HttpsLink`, and patient where the door asks to wait."""

from __future__ import annotations

import asyncio
from typing import Protocol

from intertie.gateway.gateway import LinkAnswer, Partner

# The door lets some questions a second through; a longer wait than this means that something else is wrong.
WAIT_MAX = 10.0
WAITS_MAX = 20


class Pages(Protocol):
    """What is needed of a link."""

    async def get(self, partner: Partner, path: str) -> LinkAnswer:
        """The answer of a page, whole; PartnerError when there was none."""


class PatientPages:
    """gateway.proving.audit_partner.WitnessLink over a link."""

    def __init__(self, link: Pages) -> None:
        self._link = link

    async def get(self, partner: Partner, path: str) -> LinkAnswer:
        """The answer; after a 429 the question is asked again when the door says, a bounded number of times."""
        for _ in range(WAITS_MAX):
            answer = await self._link.get(partner, path)
            if answer.status != 429 or answer.retry_after is None or answer.retry_after > WAIT_MAX:
                return answer
            await asyncio.sleep(answer.retry_after)
        return answer
