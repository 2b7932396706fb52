"""`intertie readings export`: readings of this gateway as an ESPI (Green Button) feed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.progress import track

from intertie.cli._shared import HERE, Dir, Json, print_json
from intertie.formats.espi.write import Stamped, Written, write_feed
from intertie.gateway.metering.export_readings import Asked, readings_by_meter
from intertie.gateway.metering.readings import take_in
from intertie.gateway.metering.readings_block import meters_of
from intertie.market.blocks import DAYS_MAX
from intertie.model.errors import SettingsError
from intertie.model.metering import Channel
from intertie.run.readings import ReadingsOpened, opened_readings
from intertie.seal.private_files import sync_folder


def export(
    out: Path,
    meters: Sequence[str] = (),
    /,
    *,
    first: Annotated[date, Parameter(name="--from", help="From this local day.")],
    last: Annotated[date, Parameter(name="--to", help="Up to this local day, with it.")],
    channel: Annotated[Sequence[Channel], Parameter(help="Which way energy flows; all if not said.")] = (),
    minutes: Annotated[int, Parameter(help="Length of an interval.")] = 15,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Write readings as an ESPI feed (Green Button), as they count: of each day the highest revision, gaps left out.

    Parameters
    ----------
    out
        The file to write; it must not be there.
    meters
        Whose; all that have readings on these days if none is named.
    """
    days = (last - first).days + 1
    if not 0 < days <= DAYS_MAX:
        raise SettingsError(
            f"{first} to {last} is not between 1 and {DAYS_MAX} days", do="Ask for fewer days."
        )
    with opened_readings(dir) as it:
        it.store.unlock()
        take_in(it.gateway, it.readings)
        whose = list(meters) or meters_of(it.readings, first, last)
        asked = Asked(whose, first, days, tuple(channel) or tuple(Channel), minutes)
        done = _write(it, out, asked)
    if json:
        print_json({**done._asdict(), "file": str(out)})
        return
    print(f"{out}: {done.readings:,} readings of {done.meters} meters in {done.series} blocks.")


def _write(it: ReadingsOpened, out: Path, asked: Asked) -> Written:
    """The whole file, or none."""
    draft = out.with_name(f".{out.name}.{os.getpid()}.part")
    about = Stamped(it.gateway.party.id, it.readings.zone, it.clock())
    try:
        with draft.open("xb") as file:
            by_meter = readings_by_meter(it.readings, asked._replace(meters=shown(asked.meters)))
            done = write_feed(file, by_meter, about)
            file.flush()
            os.fsync(file.fileno())
        if not done.readings:
            raise SettingsError(
                f"no readings of these meters from {asked.first} on",
                do="`intertie readings show` lists what there is.",
            )
        os.link(draft, out)  # unlike a rename, this never replaces a file
        sync_folder(out.parent)
    except FileExistsError as error:
        raise SettingsError(f"{out} is there already", do="Name another file, or remove it.") from error
    except OSError as error:
        raise SettingsError(
            f"{out} cannot be written: {error.strerror or error}", do="Name another place."
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    return done


def shown(meters: Iterable[str]) -> Iterable[str]:
    """The meters, with a bar on stderr if a person looks at it."""
    console = Console(stderr=True)
    return track(
        meters, description="exporting", transient=True, console=console, disable=not console.is_terminal
    )
