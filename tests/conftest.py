"""What several groups of tests need: a PostgreSQL server, started when the first test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests import postgres_server

from intertie.stores.postgres_schema import Server


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
