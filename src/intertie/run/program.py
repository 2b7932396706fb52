"""A process of our own, as the words that start it."""

from __future__ import annotations

import sys

# As nice(1) has it, of processes that no partner waits for: a tenth of a core that both want. What they do is late under load,
# and never stands still; the disk follows it.
BESIDE = 10
# Of what is imported nothing ever becomes garbage: looking for it was a quarter of the time that a process takes to begin. Giving
# way comes before that, since threads begin with it, and each keeps what it began with.
_CODE = (
    "import gc, os, sys; os.nice({}); gc.disable(); from {} import {} as work; gc.freeze(); gc.enable(); "
    "sys.exit(work(sys.argv[1:]))"
)


def program(entry: str, *given: str, nice: int = 0) -> list[str]:
    """Runs `module:function` with what is given; what it returns is the exit code. `nice`: by how much it gives way to others."""
    module, _, function = entry.partition(":")
    return [sys.executable, "-c", _CODE.format(nice, module, function), *given]
