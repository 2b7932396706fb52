"""docs/portal.md as it stands."""

from __future__ import annotations

from pathlib import Path

from tests.command.test_pages import ROOT, run, script_of
from tests.ports import free_port

from intertie.gateway.office.api_keys import OfficeRole


def test_the_page_opens_a_portal(tmp_path: Path) -> None:
    script = script_of(ROOT / "docs" / "portal.md").replace(":8444", f":{free_port()}")
    done = run(script, tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Sign in to utility.example" in done.stdout and "operator, trader" in done.stdout


def test_every_role_of_the_page_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "portal.md").read_text(encoding="utf-8")
    assert all(f"| {role} |" in text for role in OfficeRole)
