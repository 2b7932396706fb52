"""Readings out of new messages while a gateway serves: by a process of its own, from the first message with readings on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess

from intertie.gateway.gateway import Gateway
from intertie.gateway.metering.readings_ports import READINGS
from intertie.gateway.ports import Query
from intertie.model.errors import IntertieError
from intertie.run.opening import Opened
from intertie.run.program import BESIDE, program

LOG = logging.getLogger("intertie.run")
WORKER = "intertie.run.take_in:keep"
# What it has begun it may end, some megabytes of Parquet; cut off, it loses and doubles nothing.
STOP_SECONDS = 10.0
# One that ended by itself is not started again at once: what ended it may still be there.
AGAIN_SECONDS = 5.0


async def keep_readings(it: Opened) -> None:
    """Keep that process running, once there are readings, until cancelled."""
    process: subprocess.Popen[bytes] | None = None
    seen = -1
    try:
        while True:
            if process is not None and process.poll() is not None:
                LOG.error("readings", extra={"why": f"their process ended with {process.returncode}"})
                process, seen = None, -1
                await asyncio.sleep(AGAIN_SECONDS)
            with contextlib.suppress(IntertieError):  # the store is away: whoever delivers says so
                changed = it.gateway.store.changed()
                if process is None and changed != seen and has_readings(it.gateway):
                    process = _start(it)
                seen = changed
            await asyncio.sleep(it.settings.readings.seconds)
    finally:
        if process is not None:
            await asyncio.to_thread(_stop, process)


def has_readings(gateway: Gateway) -> bool:
    """Whether any message with readings came or went."""
    return any(
        gateway.store.messages(Query(outgoing, limit=1, document=READINGS, bodies=False))
        for outgoing in (False, True)
    )


def _start(it: Opened) -> subprocess.Popen[bytes]:
    level = logging.getLevelName(logging.getLogger().getEffectiveLevel())
    command = program(WORKER, str(it.directory.absolute()), level, nice=BESIDE)
    return subprocess.Popen(command, stdin=subprocess.PIPE)


def _stop(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
