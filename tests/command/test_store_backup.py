"""`store backup` and `store restore`, from a file into PostgreSQL and back; and the other commands on a store in a database."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.command.gateways import AGGREGATOR, Said, apart, here, make_pair, outage

from intertie.gateway.ports import Query
from intertie.run import opened
from intertie.stores.postgres import PostgresStore
from intertie.stores.postgres_schema import Server, connect, get
from intertie.stores.sqlite import SqliteStore

OUTAGE = ("--to", AGGREGATOR, "--document", "outage_notice", "--mode", "scheduled")


@pytest.fixture
def gateway(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A utility with three messages in its outbox."""
    utility = make_pair(tmp_path)[0]
    for _ in range(3):
        assert here(capsys, "send", outage(tmp_path / "b.json"), *OUTAGE, "--dir", utility).code == 0
    return utility


@pytest.fixture
def ask(gateway: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: here(capsys, *arguments, "--dir", gateway)


def move_to(gateway: Path, server: Server | None) -> None:
    """Edit [store] as an operator does."""
    path = gateway / "intertie.toml"
    lines = [
        line
        for line in path.read_text().splitlines()
        if not line.startswith(('url = "postgresql', 'schema = "t_'))
    ]
    text = "\n".join(lines) + "\n"
    if server is not None:
        text = text.replace("[store]", f'[store]\nurl = "{server.url}"\nschema = "{server.schema}"', 1)
    path.write_text(text)


def test_from_a_file_into_a_database_and_back(
    gateway: Path, ask: Any, tmp_path: Path, postgres: Server
) -> None:
    before = ask("outbox", "--json").json
    said: Said = ask("store", "backup", tmp_path / "one")
    assert said.code == 0, said.err
    assert "3 messages" in said.out and "verified" in said.out
    move_to(gateway, postgres)
    assert ask("outbox", "--json").json["messages"] == []
    said = ask("store", "restore", tmp_path / "one")
    assert said.code == 0, said.err
    with opened(gateway) as it:
        assert isinstance(it.store, PostgresStore)
    assert ask("outbox", "--json").json == before
    assert ask("journal", "verify", "--json").json["verified"] is True
    again = ask("store", "restore", tmp_path / "one")
    assert again.code == 1 and "not empty" in again.err

    sent = ask("send", outage(tmp_path / "b.json"), *OUTAGE)
    assert sent.code == 0
    back = ask("store", "backup", tmp_path / "two", "--json").json
    assert back["rows"]["messages"] == 4 and back["journal"]["size"] == back["rows"]["journal"]
    (gateway / "store.db").rename(tmp_path / "old.db")
    move_to(gateway, None)
    assert ask("store", "restore", tmp_path / "two").code == 0
    with opened(gateway) as it:
        assert isinstance(it.store, SqliteStore)
        assert all(row.body for row in it.store.messages(Query(outgoing=True)))
    assert len(ask("outbox", "--json").json["messages"]) == 4


def test_a_backup_is_never_written_over(ask: Any, tmp_path: Path) -> None:
    assert ask("store", "backup", tmp_path / "one").code == 0
    kept = (tmp_path / "one").read_bytes()
    said = ask("store", "backup", tmp_path / "one")
    assert said.code == 1 and "there already" in said.err
    assert (tmp_path / "one").read_bytes() == kept


def test_the_commands_of_operators_on_a_database(
    gateway: Path, ask: Any, tmp_path: Path, postgres: Server
) -> None:
    move_to(gateway, postgres)
    message = ask("send", outage(tmp_path / "b.json"), *OUTAGE).out.split()[0]
    assert ask("message", "cancel", message).code == 0
    assert ask("erase", message, "--reason", "privacy_request").code == 0
    assert "erased" in ask("message", "show", message).out
    assert ask("store", "rewrap").code == 0
    assert ask("store", "keys", "--json").json["unprotected_chunks"] == 0
    assert ask("store", "protect").code == 0
    findings = [
        (line["check"], line["state"], line["what"]) for line in ask("doctor", "--json").json["findings"]
    ]
    states = {(check, state) for check, state, _ in findings}
    assert {("store", "ok"), ("journal", "ok")} <= states
    with opened(gateway) as it, closing(connect(postgres, write=False)) as db:
        settings = [name for name in ("fsync", "full_page_writes") if get(db, f"SHOW {name}") == "off"]
        assert len(it.store.remarks()) == len(settings)
    warned = [what for check, state, what in findings if (check, state) == ("store", "warn")]
    assert all(name in " ".join(warned) for name in settings)
    status = ask("status", "--json")
    assert status.code == 0, status.err


def test_doctor_says_that_the_database_is_not_there(gateway: Path, ask: Any, tmp_path: Path) -> None:
    move_to(gateway, Server(f"postgresql:///x?host={tmp_path}", "t_none"))
    said = ask("doctor", "--json")
    assert said.code == 1
    findings = {line["check"]: line for line in json.loads(said.out)["findings"]}
    assert "cannot be reached" in findings["gateway"]["what"] and findings["gateway"]["do"]


def test_a_password_is_read_from_its_file_and_nowhere_shown(
    gateway: Path, ask: Any, tmp_path: Path, postgres: Server
) -> None:
    move_to(gateway, postgres)
    path = gateway / "intertie.toml"
    path.write_text(path.read_text().replace("[store]", '[store]\npassword_file = "pw"', 1))
    missing = ask("outbox")
    assert missing.code == 1 and "password_file" in missing.err
    (gateway / "pw").write_text("s3cret-word\n")
    with opened(gateway) as it:
        assert isinstance(it.store, PostgresStore) and it.store.server.password == "s3cret-word"
        assert "s3cret" not in repr(it.store.server) + repr(it.settings)
    assert "s3cret" not in ask("doctor").out


def test_help_names_both() -> None:
    said = apart("store", "--help")
    assert "backup" in said.out and "restore" in said.out
