"""Processes beside those that serve partners give way to them: where both want a processor, a parcel goes first."""

from __future__ import annotations

import contextlib
import os

# As nice(1) has it, of processes that no person waits for. A tenth of a core that others want too: what they do is late under
# load, and never stands still.
BESIDE = 10


def give_way(by: int = BESIDE) -> None:
    """Lower this process's claim to a processor and, as Linux has it, to the disk; before it has threads, which inherit it."""
    os.nice(by)
    if by and hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(
            OSError
        ):  # not every container lets a process choose; its niceness counts all the same
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
