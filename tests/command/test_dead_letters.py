"""`intertie message cancel` and `resend`, `outbox --dead` and `--escalated`; and a serving gateway that escalates."""

from __future__ import annotations

import json
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from tests.command.gateways import AGGREGATOR, here, make_pair, outage, served

from intertie.gateway.sending.resend import resend
from intertie.run import open_gateway

Capsys = pytest.CaptureFixture[str]
OUTAGE = ("--to", AGGREGATOR, "--document", "outage_notice", "--mode", "real_time")


@pytest.fixture
def utility(tmp_path: Path) -> Path:
    return make_pair(tmp_path)[0]


def send(capsys: Capsys, utility: Path) -> str:
    said = here(capsys, "send", outage(utility / "o.json"), *OUTAGE, "--dir", utility)
    assert said.code == 0, said.err
    return said.out.strip()


def expire_all(utility: Path) -> None:
    gateway = open_gateway(utility)
    gateway.store.expire(datetime.now(UTC) + timedelta(days=30))
    gateway.store.close()


def listed(capsys: Capsys, utility: Path, *which: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = here(capsys, "outbox", *which, "--json", "--dir", utility).json["messages"]
    return rows


def test_taken_back_before_it_leaves_and_not_twice(utility: Path, capsys: Capsys) -> None:
    id = send(capsys, utility)
    assert here(capsys, "message", "cancel", id, "--json", "--dir", utility).json["state"] == "cancelled"
    again = here(capsys, "message", "cancel", id, "--dir", utility)
    assert again.code == 1 and "it is cancelled" in again.err
    assert listed(capsys, utility, "--state", "cancelled")[0]["detail"] == "cancelled before sending"
    assert listed(capsys, utility, "--dead") == []
    unknown = here(capsys, "message", "cancel", "019b9de8-3700-7d26-92e5-dfe8cb1855fe", "--dir", utility)
    assert unknown.code == 1 and "intertie outbox" in unknown.err


def test_dead_letters_are_listed_with_why_and_sent_again(utility: Path, capsys: Capsys) -> None:
    old = send(capsys, utility)
    assert here(capsys, "message", "resend", old, "--dir", utility).code == 1, "it is alive"
    assert "No dead letters" in here(capsys, "outbox", "--dead", "--dir", utility).out
    expire_all(utility)
    (row,) = listed(capsys, utility, "--dead")
    assert (row["id"], row["why"], row["state"]) == (old, "expired", "expired")
    table = here(capsys, "outbox", "--dead", "--dir", utility).out
    assert "never" in table and "expired before" in table
    new = here(capsys, "message", "resend", old, "--hours", "2", "--json", "--dir", utility).json
    assert new["resends"] == old and listed(capsys, utility, "--dead") == []
    shown = here(capsys, "message", "show", old, "--json", "--dir", utility).json
    assert shown["resent_as"] == new["message"]
    assert old in here(capsys, "message", "show", new["message"], "--dir", utility).out
    again = here(capsys, "message", "resend", old, "--dir", utility)
    assert again.code == 1 and new["message"] in again.err
    assert here(capsys, "journal", "verify", "--dir", utility).code == 0


def test_the_lists_do_not_mix_with_other_questions(utility: Path, capsys: Capsys) -> None:
    for wrong in (
        ("--dead", "--escalated"),
        ("--dead", "--state", "failed"),
        ("--escalated", "--document", "x"),
    ):
        said = here(capsys, "outbox", *wrong, "--dir", utility)
        assert said.code == 1 and "--dead and --escalated" in said.err


class Postbox:
    """Handler of a mail server."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.texts.append(envelope.content.decode())
        return "250 taken"


def test_a_serving_gateway_escalates_once_and_writes_a_mail(utility: Path, capsys: Capsys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    clock = utility / "now.txt"
    begun = datetime.now(UTC)
    clock.write_text(begun.isoformat())
    settings = (utility / "intertie.toml").read_text()
    settings = settings.replace('# file = "now.txt"', 'file = "now.txt"')
    mail = f'host = "127.0.0.1"\nport = {port}\nstarttls = false\nfrom = "a@b.example"\nto = ["c@d.example"]'
    settings = settings.replace('# host = "" ', f"{mail}\n# ")
    (utility / "intertie.toml").write_text(settings)
    id = send(capsys, utility)
    box = Postbox()
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    try:
        with served(utility):
            clock.write_text((begun + timedelta(seconds=11)).isoformat())
            until = time.monotonic() + 20
            while not box.texts and time.monotonic() < until:
                time.sleep(0.05)
        clock.write_text((begun + timedelta(seconds=60)).isoformat())
        with served(utility):
            time.sleep(1.5)
    finally:
        server.stop()
    assert len(box.texts) == 1 and id in box.texts[0]
    (row,) = listed(capsys, utility, "--escalated")
    assert row["id"] == id and row["escalated"] and row["told"]
    assert "(late)" in here(capsys, "outbox", "--dir", utility).out
    lines = [json.loads(line) for line in (utility / "serve.log").read_text().splitlines()]
    said = [line for line in lines if line["event"] == "not acknowledged in time"]
    assert [(line["message_id"], line["flow"]) for line in said] == [(id, "DA/outage_notice/real_time")]
    assert [line["message_id"] for line in lines if line["event"] == "mail sent"] == [id]


def test_a_dispatch_is_not_sent_twice_by_mistake(utility: Path, capsys: Capsys) -> None:
    old = send(capsys, utility)
    expire_all(utility)
    gateway = open_gateway(utility)
    new = resend(gateway, gateway.store.dead_letters()[0].id, datetime.now(UTC))
    gateway.store.close()
    said = here(capsys, "message", "resend", old, "--may-have-arrived", "--dir", utility)
    assert said.code == 1 and new in said.err, "not even when asked for"
