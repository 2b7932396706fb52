"""A custodian's door beside a serving gateway: a process of its own, because readings need Arrow, and a feed of many meters would
take the interpreter from the door that answers partners."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from intertie.bindings.operations.workers import Supervisor
from intertie.bindings.parcel_https.serving import bound
from intertie.gateway.configuration.settings import Settings
from intertie.model.errors import SettingsError
from intertie.run.program import BESIDE, program

WORK = "intertie.run.espi:work"
# A feed that is being written may go on so long; its reader asks again.
DRAIN_SECONDS = 3.0
BACKLOG = 256


@contextlib.contextmanager
def espi_beside(directory: Path, settings: Settings, level: str) -> Iterator[None]:
    """The door while a gateway serves, if there is one. SettingsError if it cannot be opened."""
    espi = settings.espi
    if not espi.enabled and not espi.fetch:
        yield
        return
    for name in (espi.certificate, espi.key, espi.ca_file):
        if name and not (directory / name).is_file():
            raise SettingsError(
                f"{directory / name} is not there", do="Mend [espi] certificate, key and ca_file."
            )
    with bound(espi.listen, "[espi]") if espi.enabled else contextlib.nullcontext() as door:
        if door is not None:
            door.listen(BACKLOG)
        read, write = os.pipe()  # ends with this process, whatever ends it
        fds = (*([door.fileno()] if door is not None else []), read)

        def start(number: int) -> subprocess.Popen[bytes]:
            given = [str(directory.absolute()), level, *map(str, fds)]
            return subprocess.Popen(program(WORK, *given, nice=BESIDE), pass_fds=fds)

        keeper = Supervisor(
            start,
            1,
            drain_seconds=DRAIN_SECONDS + 2.0,
            changed=lambda all: None,
            died=lambda pid: None,
            stopping=door.close if door is not None else lambda: None,
        )
        thread = threading.Thread(target=keeper.keep, name="espi")
        thread.start()
        try:
            yield
        finally:
            keeper.stop()
            thread.join()
            os.close(write)
            os.close(read)
