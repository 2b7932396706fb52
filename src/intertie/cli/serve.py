"""`intertie serve`: run the gateway until it is told to stop."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir
from intertie.run import log_to_stderr
from intertie.run import serve as run_gateway


def serve(
    *,
    dir: Dir = HERE,
    log: Annotated[
        Literal["debug", "info", "warning", "error"], Parameter(help="Least level to log.")
    ] = "info",
) -> None:
    """Run this gateway: its street door for partners, and deliveries to them. Logs go to stderr as JSON lines.

    SIGTERM or Ctrl-C ends it in order: what is under way is finished first.
    """
    log_to_stderr(log.upper())
    run_gateway(dir)
