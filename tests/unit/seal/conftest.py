"""Keys and certificates are made once for all tests of this folder."""

from __future__ import annotations

import pytest
from seal_world import World, make_world


@pytest.fixture(scope="session")
def world() -> World:
    return make_world()
