"""Every store, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store_builders import postgres_store, sqlite_store

from intertie.gateway.ports import Store
from intertie.stores.memory import MemoryStore

STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda folder: MemoryStore(),
    "sqlite": lambda folder: sqlite_store(folder / "store.db"),
}


@pytest.fixture(params=[*sorted(STORES), "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened: Store
    if request.param == "postgres":
        opened = postgres_store(request.getfixturevalue("postgres"), tmp_path)
    else:
        opened = STORES[request.param](tmp_path)
    yield opened
    opened.close()
