"""`intertie demo`: three gateways do a season of business on this machine, on real load data."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from intertie.cli._shared import Json, print_json
from intertie.demo.play import Played, played
from intertie.demo.portals import keep_time, open_portals
from intertie.demo.screen import progress, show


def demo(
    *,
    json: Json = False,
    keep: Annotated[
        Path | None,
        Parameter(
            help="Leave the gateways' directories and trust-root.pem here (default: a temporary folder)."
        ),
    ] = None,
    serve: Annotated[bool, Parameter(help="Leave the gateways running until Ctrl-C.")] = False,
    feeder: Annotated[
        Path | None, Parameter(help="Folder with the load data (default: examples/feeder of the source).")
    ] = None,
    aggregator_speaks: Annotated[
        Literal["internet-et+x12", "as2+x12", "sftp+csv", "espi"] | None,
        Parameter(
            help="What the first aggregator and the utility speak in place of parcels; what comes of it is compared with the "
            "same season in parcels, which is played beside it."
        ),
    ] = None,
    native: Annotated[
        Path | None,
        Parameter(
            help="To compare with: what --json said of the season in parcels, in place of another one."
        ),
    ] = None,
) -> int:
    """Play a season between a distribution utility and two aggregators: three gateway processes, real parcels over mutual
    TLS, 77 winter days of a real feeder. Ends with 0 only if everything is receipted, all journals verify, and both sides of
    each pair hold the same book of the trade; in another protocol, only if the settlement is that of parcels to the cent and the
    evidence verifies.
    """
    # Ended by a signal, it must not leave gateways behind: as with Ctrl-C, the blocks below are left in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    screen = Console(stderr=json)
    with (
        progress(screen) as tell,
        played(feeder, keep, tell, portals=serve, speaks=aggregator_speaks, native=native) as result,
    ):
        tell("done", 1, 1)
        if json:
            print_json(result.summary._asdict())
            sys.stdout.flush()
        _after(screen, result, quiet=json, serve=serve)
    return 0 if result.summary.good else 1


def _after(screen: Console, result: Played, *, quiet: bool, serve: bool) -> None:
    if not quiet:
        show(screen, result.summary, result.picture)
        screen.print(f"Directories: {result.root} (trust root: trust-root.pem in it)", soft_wrap=True)
    if serve:
        for portal in open_portals(result.root):
            screen.print(
                f"Portal of {portal.who.name}: {portal.url}/sign-in  sign-in code of {portal.person}: {portal.code}",
                soft_wrap=True,
            )
        screen.print(
            f"All gateways go on serving. Try: intertie inbox --dir {result.root / 'utility'}\n"
            f"Another sign-in code: intertie person code ann --dir {result.root / 'utility'}\nCtrl-C ends them.",
            soft_wrap=True,
        )
        sys.stdout.flush()
        _wait(screen, result.root / "clock.txt")


def _wait(screen: Console, clock: Path) -> None:
    """Until Ctrl-C, while the season's clock goes on."""
    stop = threading.Event()
    ticking = threading.Thread(target=keep_time, args=(clock, stop), name="clock")
    ticking.start()
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        screen.print("Stopping the gateways.")
    finally:
        stop.set()
        ticking.join()
