"""The wiring: clocks, log lines, one server a directory."""

from __future__ import annotations

import ast
import json
import logging
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.command.gateways import AGGREGATOR, make_pair

import intertie
from intertie.bindings.clock import CLOCK_CHECK_SECONDS, FileClock, system_clock
from intertie.bindings.operations.logs import LOG_FIELDS, Lines
from intertie.model.errors import SettingsError
from intertie.run import open_gateway, opened


def write(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)
    time.sleep(CLOCK_CHECK_SECONDS * 2)


def test_a_file_clock_says_what_the_file_says(tmp_path: Path) -> None:
    clock = FileClock(tmp_path / "now.txt")
    with pytest.raises(SettingsError, match="holds no time"):
        clock()
    write(tmp_path / "now.txt", "2026-01-15T08:00:00Z\n")
    assert clock() == datetime(2026, 1, 15, 8, tzinfo=UTC)
    write(tmp_path / "now.txt", "2026-01-15T10:00:00+01:00")
    assert clock() == datetime(2026, 1, 15, 9, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "2026-01-1", "tomorrow", "2026-01-15T08:00:00", "\xff"])
def test_a_half_written_time_changes_nothing(tmp_path: Path, text: str) -> None:
    clock = FileClock(tmp_path / "now.txt")
    write(tmp_path / "now.txt", "2026-01-15T08:00:00Z")
    before = clock()
    write(tmp_path / "now.txt", text)
    assert clock() == before
    (tmp_path / "now.txt").unlink()
    time.sleep(CLOCK_CHECK_SECONDS * 2)
    assert clock() == before


def test_the_system_clock_knows_its_zone() -> None:
    assert system_clock().utcoffset() is not None
    assert abs(system_clock().timestamp() - time.time()) < 5


def line(record: logging.LogRecord) -> dict[str, object]:
    formatted = Lines("json").format(record)
    assert "\n" not in formatted
    parsed: dict[str, object] = json.loads(formatted)
    return parsed


def record(name: str = "intertie.x", **fields: object) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.INFO, "file.py", 7, "refused", None, None)
    made.__dict__.update(fields)
    return made


def test_a_log_line_has_ids_and_codes_and_nothing_that_is_not_on_the_list() -> None:
    said = line(
        record(partner=AGGREGATOR, code="too_large", step=1, body="secret", account="12345", parcel=None)
    )
    assert (said["event"], said["partner"], said["code"], said["step"]) == (
        "refused",
        AGGREGATOR,
        "too_large",
        1,
    )
    assert "12345" not in json.dumps(said)
    assert set(said) == {"at", "level", "from", "event", "partner", "code", "step"}


def test_no_field_of_ours_is_one_of_the_records_own() -> None:
    own = set(record().__dict__) | {"message", "asctime"}
    assert not own & set(LOG_FIELDS), (
        "logging raises KeyError for these, and what was to be logged ends the loop"
    )
    trees = [
        ast.parse(path.read_text(encoding="utf-8")) for path in Path(intertie.__file__).parent.rglob("*.py")
    ]
    named = {
        key.value
        for tree in trees
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == "extra" and isinstance(keyword.value, ast.Dict)
        for key in keyword.value.keys
        if isinstance(key, ast.Constant)
    }
    assert "message_id" in named and named <= set(LOG_FIELDS), named - set(LOG_FIELDS)


def test_of_an_exception_only_type_and_place_are_logged() -> None:
    made = record("uvicorn.error")
    try:
        int("account 12345")
    except ValueError:
        made.exc_info = sys.exc_info()
    said = line(made)
    assert said["error"] == "ValueError"
    assert str(said["place"]).startswith("test_run.py:")
    assert "12345" not in json.dumps(said)


@pytest.fixture(scope="module")
def utility(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pair(tmp_path_factory.mktemp("pair"))[0]


def test_a_gateway_is_opened_with_everything_an_act_needs(utility: Path) -> None:
    gateway = open_gateway(utility)
    try:
        assert gateway.partners.find(AGGREGATOR) is not None
        assert gateway.keys.party == gateway.party.id
        assert len(gateway.catalogue.interfaces) == 18
        assert gateway.store.head().size == 0
    finally:
        gateway.store.close()


def test_a_change_of_a_partner_file_is_seen_while_the_gateway_is_open(utility: Path) -> None:
    toml = utility / "partners" / f"{AGGREGATOR}.toml"
    text = toml.read_text()
    with opened(utility) as it:
        before = it.partners.find(AGGREGATOR)
        assert before is not None
        assert not before.suspended
        toml.write_text(text.replace("suspended = false", "suspended = true"))
        os.utime(toml)
        time.sleep(1.1)
        after = it.partners.find(AGGREGATOR)
        assert after is not None
        assert after.suspended
        toml.write_text("suspended = maybe")
        time.sleep(1.1)
        kept = it.partners.find(AGGREGATOR)
        assert kept == after, "a file that cannot be read leaves the partner as it was"
        assert it.partners.problems()
    toml.write_text(text)
