"""What several groups of tests need: a PostgreSQL server, started when the first test asks for it."""

from __future__ import annotations

import gc
import logging
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from tests import postgres_server

from intertie.stores.postgres_schema import Server

# No test is about time: a machine that is busy makes none fail.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
# A shell that starts tests in the background has them ignore Ctrl-C, and all that they start would: gateways, `demo --serve`.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Eleven thousand tests and what they import stay until the end: to look for garbage among them, again and again, is an eighth of
# the time in which they are collected. So nothing is looked for then, and afterwards only among what came later.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """Commands that are run in this process set up its logs: no test hears less, or speaks elsewhere, because of another one."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    for handler in [
        one for one in root.handlers if one not in handlers and type(one) is logging.StreamHandler
    ]:
        root.removeHandler(handler)


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
