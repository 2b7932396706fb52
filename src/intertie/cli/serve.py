"""`intertie serve`: run the gateway until it is told to stop."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from intertie.cli._shared import HERE, Dir
from intertie.run.serving import serve as run_gateway


def serve(
    *,
    workers: Annotated[
        int,
        Parameter(validator=Number(gte=1, lte=64), help="Processes that accept; the first one delivers too."),
    ] = 1,
    dir: Dir = HERE,
    log: Annotated[
        Literal["debug", "info", "warning", "error"], Parameter(help="Least level to log.")
    ] = "info",
) -> None:
    """Run this gateway: its street door for partners, and deliveries to them. Logs go to stderr, one line an event.

    SIGTERM or Ctrl-C ends it in order: what is under way is finished first.
    """
    run_gateway(dir, workers=workers, level=log.upper())
