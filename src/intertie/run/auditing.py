"""Audits of journals over partners' doors, for the command and the portal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from intertie.bindings.parcel_https.witness_client import PatientPages
from intertie.gateway.gateway import Partner
from intertie.gateway.proving.audit_journal import Audit, audit_journals
from intertie.run.opening import Opened, street_link
from intertie.seal.timestamp import load_tsa_roots


class StreetAuditing:
    """`gateway.proving.audit_report.Auditing` of a gateway that is open."""

    def __init__(self, it: Opened) -> None:
        self._it = it

    def audit(self, partners: Sequence[Partner], now: datetime, *, everything: bool) -> Audit:
        """Our own journal, and theirs."""
        return asyncio.run(self._audit(partners, now, everything))

    async def _audit(self, partners: Sequence[Partner], now: datetime, everything: bool) -> Audit:
        link = street_link(self._it)
        try:
            return await audit_journals(
                self._it.gateway,
                PatientPages(link),
                partners,
                now,
                everything=everything,
                tsa=load_tsa_roots(self._it.places.tsa),
            )
        finally:
            await link.aclose()
