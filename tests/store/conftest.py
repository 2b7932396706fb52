"""Every store, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store_builders import postgres_store, sqlite_store
from tests import postgres_server

from intertie.gateway.ports import Store
from intertie.stores.memory import MemoryStore
from intertie.stores.postgres_schema import Server

STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda folder: MemoryStore(),
    "sqlite": lambda folder: sqlite_store(folder / "store.db"),
}


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a PostgreSQL server that is there for the tests."""
    with postgres_server.running() as url:
        yield url


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Server]:
    """An empty schema on it."""
    with postgres_server.fresh_schema(postgres_url) as server:
        yield server


@pytest.fixture(params=[*sorted(STORES), "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened: Store
    if request.param == "postgres":
        opened = postgres_store(request.getfixturevalue("postgres"), tmp_path)
    else:
        opened = STORES[request.param](tmp_path)
    yield opened
    opened.close()
