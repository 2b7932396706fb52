"""What figures were measured on: without it they mean nothing."""

from __future__ import annotations

import os
import platform
import ssl
from pathlib import Path
from typing import NamedTuple

from intertie.seal.tls_openssl import library

CPUINFO = Path("/proc/cpuinfo")


class Machine(NamedTuple):
    """Processor, cores and programs, and how busy others kept the machine: the load of the last minute, at the start."""

    processor: str
    cores: int
    system: str
    python: str
    openssl: str  # inside `cryptography`: it does the work
    standard_library: str  # the one that Python's own `ssl` has
    load: float

    def __str__(self) -> str:
        """In one line, for people."""
        return f"{self.processor}, {self.cores} cores, {self.system}, Python {self.python}, {self.openssl}"


def machine() -> Machine:
    """This one, now."""
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        openssl=library(),
        standard_library=ssl.OPENSSL_VERSION,
        load=round(os.getloadavg()[0], 2),
    )


def _processor() -> str:
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
