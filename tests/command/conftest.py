"""One season for all who look at what it left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.command.gateways import command


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "kept"


@pytest.fixture(scope="session")
def summary(kept: Path) -> Any:
    """One season; every test looks at what it left, and changes nothing of it."""
    return command("demo", "--json", "--keep", kept).json
