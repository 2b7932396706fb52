"""Revocation lists and OCSP answers, fetched again and again."""

from __future__ import annotations

import asyncio
import logging

from intertie.bindings.revocation_http.client import StatusFetcher
from intertie.gateway.partners.refresh_trust import Fetched, refresh_trust, wait_seconds
from intertie.model.errors import IntertieError
from intertie.run.opening import Opened

LOG = logging.getLogger("intertie.run")


async def keep_status_fresh(it: Opened) -> None:
    """Fetch revocation lists and OCSP answers, again and again; what fails is logged and tried again the next time."""
    while it.settings.revocation.fetch:
        try:
            lines = await refresh_status(it)
        except IntertieError as error:
            LOG.error("status of certificates", extra={"why": error.why})
            lines = []
        for line in lines:
            if line.why:
                LOG.warning("status of certificates", extra={"url": line.url, "why": line.why})
        LOG.info("status of certificates", extra={"count": sum(not line.why for line in lines)})
        await asyncio.sleep(wait_seconds(lines, it.settings.revocation, it.clock()))


async def refresh_status(it: Opened) -> list[Fetched]:
    """Fetch revocation lists and OCSP answers once."""
    settings = it.settings.revocation
    fetcher = StatusFetcher(settings.fetch_seconds)
    try:
        return await refresh_trust(it.gateway, fetcher, it.trust, settings, it.clock())
    finally:
        await fetcher.aclose()
