"""The page of states says what the tables say."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from intertie.exchange.escalation import TABLE as WATCH
from intertie.exchange.inbound import TABLE as INBOUND
from intertie.exchange.joining import TABLE as JOINING
from intertie.exchange.outbound import FINAL, PARCEL_TABLE, TABLE, State
from intertie.exchange.relaying import BACK_TABLE
from intertie.exchange.relaying import TABLE as RELAY

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tools"))

import write_states  # noqa: E402


def arrows(block: str) -> set[tuple[str, str, str]]:
    """(from, event, to) of each arrow of a diagram."""
    found = set()
    for before, after, events in re.findall(r"^    (\w+) --> (\w+): (.+)$", block, re.M):
        found |= {(before, event.replace(" ", "_"), after) for event in events.split(", ")}
    return found


def test_the_page_is_current() -> None:
    assert (ROOT / "docs" / "states.md").read_text(encoding="utf-8") == write_states.page(), "run `make docs`"


def test_write(tmp_path: Path) -> None:
    write_states.write(tmp_path)
    assert (tmp_path / "docs" / "states.md").read_text(encoding="utf-8") == write_states.page()


@pytest.mark.parametrize(
    ("place", "table"),
    [(0, TABLE), (1, PARCEL_TABLE), (2, RELAY), (3, BACK_TABLE), (4, WATCH), (5, JOINING)],
    ids=["message", "parcel", "relay", "back", "watch", "joining"],
)
def test_each_row_is_an_arrow_and_each_arrow_a_row(place: int, table: dict) -> None:  # type: ignore[type-arg]
    block = re.findall(r"```mermaid\n(.*?)```", write_states.page(), re.S)[place]
    assert arrows(block) == {
        (before.value, event.value, after.value) for (before, event), after in table.items()
    }


def test_ends_are_marked() -> None:
    block = re.findall(r"```mermaid\n(.*?)```", write_states.page(), re.S)[0]
    assert set(re.findall(r"(\w+) --> \[\*\]", block)) == {state.value for state in FINAL}
    assert f"[*] --> {State.QUEUED.value}" in block


def test_each_verdict_is_a_line() -> None:
    lines = [line for line in write_states.page().splitlines() if line.startswith(("| unseen ", "| kept "))]
    assert len(lines) == len(INBOUND)
    assert any("message_id_reused" in line for line in lines)
    assert all(": " in line.split("|")[2] for line in lines)
