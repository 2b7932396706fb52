"""What is served beside the street door is kept up: what ended by an error begins again, and says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from intertie.model.errors import IntertieError

LOG = logging.getLogger("intertie.run")
# Until the first attempt after an error, and at most: a port that another program has may be free again in a minute.
FIRST_SECONDS, MOST_SECONDS = 1.0, 60.0
# What was up for so long is taken to have recovered: its next error is a new one.
CALM_SECONDS = 300.0


async def kept_up(serve: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Serve until cancelled, or until it ends by itself, as what the settings do not want does."""
    loop, wait = asyncio.get_running_loop(), FIRST_SECONDS
    while True:
        began = loop.time()
        task = asyncio.ensure_future(serve())
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if loop.time() - began > CALM_SECONDS:
            wait = FIRST_SECONDS
        why = error.why if isinstance(error, IntertieError) else type(error).__name__
        LOG.error("ended", extra={"why": why, "seconds": wait}, exc_info=error)
        await asyncio.sleep(wait)
        wait = min(2 * wait, MOST_SECONDS)
