"""`erase`, `hold` and `store` on a gateway as its operators have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.command.gateways import AGGREGATOR, AGREEMENT, Said, here, make_pair, outage, served

from intertie.exchange.outbound import State
from intertie.journal.entry import Entry, Kind
from intertie.run import opened

OUTAGE = ("--to", AGGREGATOR, "--document", "outage_notice", "--mode", "scheduled")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture
def ask(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> Any:
    """A command of the utility's."""
    return lambda *arguments: here(capsys, *arguments, "--dir", pair[0])


@pytest.fixture
def done(pair: tuple[Path, Path], ask: Any, tmp_path: Path) -> str:
    """A message that was sent and never taken: done, and kept."""
    message: str = ask("send", outage(tmp_path / "b.json"), *OUTAGE).out.split()[0]
    with opened(pair[0]) as it:
        now = it.clock()
        entry = Entry(kind=Kind.ACT, at=now, digest="0" * 64, note="cancelled")
        it.gateway.store.set_state(message, State.CANCELLED, "", [entry], now)  # type: ignore[arg-type]
    return message


def test_erase_and_what_every_command_says_of_it_then(
    pair: tuple[Path, Path], ask: Any, done: str, tmp_path: Path
) -> None:
    assert '"OUT-1"' in ask("message", "show", done, "--body").out
    said: Said = ask("erase", done, "--reason", "privacy_request")
    assert said.code == 0, said.err
    assert "privacy_request" in said.out and "hash" in said.out
    shown = ask("message", "show", done)
    assert "erased" in shown.out and "privacy_request" in shown.out
    assert ask("message", "show", done, "--json").json["erased"]["why"] == "privacy_request"
    assert "privacy_request" in ask("message", "show", done, "--body").err
    assert "erased" in ask("outbox").out
    row = next(m for m in ask("outbox", "--json").json["messages"] if m["id"] == done)
    assert row["erased"]["why"] == "privacy_request" and row["bytes"] > 0
    proof = ask("evidence", "export", done, "--output", tmp_path / "e.json")
    assert (proof.code, proof.out) == (1, "") and "erased" in proof.err
    assert ask("journal", "verify", "--json").json["verified"] is True


def test_expired_with_and_without_dry_run(pair: tuple[Path, Path], ask: Any, done: str) -> None:
    assert ask("erase", "--expired", "--json").json["messages"] == []
    settings = pair[0] / "intertie.toml"
    before = settings.read_text()
    try:
        settings.write_text(before.replace("[retention]", '[retention]\n"DA/outage_notice" = 1'))
        with opened(pair[0]) as it:
            it.store._writer.run(lambda db: db.execute("UPDATE messages SET done_at = 0") and None)
        held = ask("hold", done, "--reference", "CASE-1", "--json").json
        dry = ask("erase", "--expired", "--dry-run", "--json").json
        assert (dry["dry_run"], dry["erased"], dry["messages"]) == (True, 0, [])
        assert dry["kept"] == [
            {"message": done, "because": "held", "hold": held["number"], "reference": "CASE-1"}
        ]
        assert "CASE-1" in ask("erase", "--expired", "--dry-run").out
        assert "CASE-1" in ask("hold").out
        ask("hold", "--release", str(held["number"]))
        assert "outage_notice" in ask("erase", "--expired", "--dry-run").out
        assert ask("erase", "--expired", "--json").json["messages"] == [done]
        assert "Nothing is past its retention" in ask("erase", "--expired").out
    finally:
        settings.write_text(before)


def test_agreements_can_be_held(ask: Any, done: str) -> None:
    held = ask("hold", "--agreement", AGREEMENT, "--reference", "CASE-2", "--json").json
    assert ask("hold", "--json").json["holds"] == [held]
    assert f"Hold {held['number']} (CASE-2) has ended" in ask("hold", "--release", str(held["number"])).out
    assert "Nothing is held" in ask("hold").out


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("ID",),
        ("ID", "--expired"),
        ("ID", "--expired", "--reason", "order"),
        ("ID", "--reason", "order", "--dry-run"),
        ("--dry-run",),
    ],
)
def test_an_unclear_request_erases_nothing(ask: Any, done: str, arguments: tuple[str, ...]) -> None:
    said = ask("erase", *(done if one == "ID" else one for one in arguments))
    assert said.code == 1 and "nothing is erased" in said.err
    assert ask("message", "show", done, "--json").json["erased"] is None


def test_an_unclear_hold_changes_nothing(ask: Any, done: str) -> None:
    for arguments in ((done, "--agreement", "A"), (done, "--release", "1"), (done,)):
        assert ask("hold", *arguments).code == 1
    assert ask("hold", "--json").json["holds"] == []


# Keys


def test_keys_are_listed_and_can_be_wrapped_anew(pair: tuple[Path, Path], ask: Any, done: str) -> None:
    assert [k["live"] for k in ask("store", "keys", "--json").json["keys"]][-1] >= 1
    assert "keys" in ask("store", "keys").out
    assert ask("store", "protect", "--json").json == {"chunks": 0, "left": 0}
    assert (pair[0] / "keys" / "store-0001.kek").exists()
    said = ask("store", "rewrap")
    assert "store-0002.kek" in said.out and "store-0001.kek is destroyed" in said.out
    assert [path.name for path in (pair[0] / "keys").glob("store-*")] == ["store-0002.kek"]
    assert '"OUT-1"' in ask("message", "show", done, "--body").out
    assert "data keys open" in ask("doctor").out


def test_without_its_key_bodies_stay_closed(pair: tuple[Path, Path], ask: Any, done: str) -> None:
    key = next((pair[0] / "keys").glob("store-*"))
    away = key.rename(pair[0] / "away")
    try:
        locked = ask("message", "show", done, "--body")
        assert (locked.code == 1 and "stays closed" in locked.err) or "cannot be read" in locked.err
        assert ask("message", "show", done, "--json").json["id"] == done
        assert ask("outbox", "--json").json["messages"]
        assert '"fail"' in ask("doctor", "--json").out
    finally:
        away.rename(key)


def test_a_gateway_without_its_key_does_not_serve(pair: tuple[Path, Path], ask: Any, done: str) -> None:
    key = next(pair[0].glob("keys/*.kek"))
    moved = [path.rename(path.with_suffix(".away")) for path in pair[0].glob("keys/*.kek")]
    try:
        said = ask("serve")
        assert said.code == 1 and "stays closed" in said.err and "backup" in said.err
    finally:
        for path in moved:
            path.rename(path.with_suffix(".kek"))
    assert key.exists()
    with served(pair[0]):
        pass
