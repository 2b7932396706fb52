"""The process that makes readings of new messages, beside a gateway that serves: Arrow, its memory and its work stay out of the
process that answers partners."""

from __future__ import annotations

import logging
import select
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from intertie.bindings.operations.logs import log_to_stderr
from intertie.gateway.configuration.settings import read_settings
from intertie.gateway.metering.readings import Taken, take_in
from intertie.gateway.settlement.settle_shadow import Shadowing
from intertie.model.errors import IntertieError
from intertie.run.readings import ReadingsOpened, opened_readings

LOG = logging.getLogger("intertie.run")


def keep(arguments: Sequence[str]) -> int:
    """Take in what is new until standard input ends, as it does with the process that started this one, whatever ended that.
    Arguments: the directory, and the level of the log. Its exit code."""
    directory, level = Path(arguments[0]), arguments[1]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: for whoever serves, who then ends this one
    try:
        settings = read_settings(directory)
        log_to_stderr(level, settings.log.format, party=settings.party.id)
        with opened_readings(directory) as it:
            _keep(it)
    except IntertieError as error:
        LOG.error("readings", extra={"why": error.why})
        return 1
    return 0


def _keep(it: ReadingsOpened) -> None:
    """Whenever the store has changed; what fails is logged and tried again the next time."""
    seen = -1
    shadowing = Shadowing(it.gateway, it.readings, it.settings.settlement)
    while True:
        try:
            changed = it.gateway.store.changed()
            if changed != seen:
                taken = take_in(it.gateway, it.readings)
                seen = changed
                if taken != Taken():
                    LOG.info("readings", extra={"count": taken.rows})
            for one in shadowing.judge(it.clock()):
                LOG.info("settled", extra=one.logged())
        except IntertieError as error:
            LOG.error("readings", extra={"why": error.why})
        if select.select([sys.stdin], [], [], it.settings.readings.seconds)[0]:
            return
