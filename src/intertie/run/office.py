"""The office door of a serving gateway: processes of their own beside it.

They are processes and not threads because the interpreter lets one thread run at a time: laying out a book as JSON takes tens of
milliseconds, in which no parcel of a partner would be answered. They share nothing with the street door but the store.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from intertie.bindings.operations.workers import Supervisor
from intertie.bindings.parcel_https.serving import bound
from intertie.gateway.configuration.office_settings import OfficeDoor
from intertie.gateway.configuration.settings import Settings
from intertie.model.errors import SettingsError
from intertie.run.program import program

# What an office process runs; by name, because what lays out JSON takes longer to load than a small gateway to start.
OFFICE = "intertie.run.office_work:work"
# Acts take milliseconds; what is under way when the gateway stops may end within this.
DRAIN_SECONDS = 3
BACKLOG = 256


@contextlib.contextmanager
def office_beside(directory: Path, settings: Settings, level: str) -> Iterator[None]:
    """The office door while a gateway serves, if there is one. SettingsError if it cannot be opened."""
    if not settings.office.listen:
        yield
        return
    check_certificate(directory, settings.office)
    with bound(settings.office.listen, "[office]") as door:
        door.listen(BACKLOG)
        read, write = os.pipe()  # ends with this process, whatever ends it
        fds = (door.fileno(), read)

        def start(number: int) -> subprocess.Popen[bytes]:
            given = [str(directory.absolute()), str(number), level, *map(str, fds)]
            return subprocess.Popen(program(OFFICE, *given, nice=settings.office.nice), pass_fds=fds)

        keeper = Supervisor(
            start,
            settings.office.processes,
            drain_seconds=DRAIN_SECONDS + 2.0,
            changed=lambda all: None,
            died=lambda pid: None,
            stopping=door.close,
        )
        thread = threading.Thread(target=keeper.keep, name="office")
        thread.start()
        try:
            yield
        finally:
            keeper.stop()
            thread.join()
            os.close(write)
            os.close(read)


def check_certificate(directory: Path, office: OfficeDoor) -> None:
    """SettingsError if a file that the settings name is not there."""
    for name in (office.certificate, office.key):
        if name and not (directory / name).is_file():
            raise SettingsError(f"{directory / name} is not there", do="Mend [office] certificate and key.")
