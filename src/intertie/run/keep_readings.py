"""Readings out of new messages, again and again while a gateway serves."""

from __future__ import annotations

import asyncio
import logging

from intertie.gateway.readings import Taken, take_in
from intertie.model.errors import IntertieError
from intertie.run.opening import Opened

LOG = logging.getLogger("intertie.run")


async def keep_readings(it: Opened) -> None:
    """Take in what is new whenever the store has changed; what fails is logged and tried again the next time."""
    seen = -1
    while True:
        try:
            changed = it.gateway.store.changed()
            if changed != seen:
                taken = await asyncio.to_thread(take_in, it.gateway, it.readings)
                seen = changed
                if taken != Taken():
                    LOG.info("readings", extra={"count": taken.rows})
        except IntertieError as error:
            LOG.error("readings", extra={"why": error.why})
        await asyncio.sleep(it.settings.readings.seconds)
