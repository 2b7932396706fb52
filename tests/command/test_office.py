"""The office door of a gateway that serves: keys from the command line, TLS, several processes, and death at the worst moment."""

from __future__ import annotations

import json
import os
import signal
import ssl
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.command.gateways import here, make_pair, served, wait_for_line
from tests.portal.world import new_key, outage, problem
from tests.ports import free_port

from intertie.client import Client
from intertie.gateway.configuration.settings import parse_settings
from intertie.model.errors import SettingsError


def with_office(directory: Path, *lines: str) -> int:
    """The settings with an office door; its port."""
    port = free_port()
    file = directory / "intertie.toml"
    listen = "\n".join([f'listen = "127.0.0.1:{port}"', *lines])
    text = file.read_text(encoding="utf-8").replace("[office]\n", f"[office]\n{listen}\n")
    file.write_text(text, encoding="utf-8")
    return port


def pids_of(directory: Path) -> list[int]:
    """The processes of the office, from the log."""
    log = (directory / "serve.log").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in log.splitlines() if '"worker started"' in line]
    return [line["pid"] for line in lines]


def open_for(directory: Path, url: str, key: str, verify: Any = True) -> Client:
    """A client, once the door answers."""
    client = Client(url, key, verify=verify)
    for _ in range(200):
        try:
            client._http.get("/api/v1/whoami")
            return client
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError((directory / "serve.log").read_text(encoding="utf-8"))


def test_keys_of_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    utility, _ = make_pair(tmp_path)
    made = here(capsys, "api", "key", "add", "scada", "--role", "operator", "--dir", utility)
    assert made.out.startswith("itk_") and "not shown again" in made.out
    assert "already" in here(capsys, "api", "key", "add", "scada", "--role", "trader", "--dir", utility).err
    assert here(capsys, "api", "key", "add", "x", "--role", "king", "--dir", utility).code == 2
    listed = here(capsys, "api", "key", "list", "--dir", utility, "--json").json["keys"]
    assert [(key["name"], key["role"], key["counts"]) for key in listed] == [("scada", "operator", "yes")]
    assert "Revoked: 1" in here(capsys, "api", "key", "revoke", "scada", "--dir", utility).out
    assert here(capsys, "api", "key", "revoke", "nobody", "--dir", utility).code == 1
    assert made.out.split("_")[2].split()[0] not in here(capsys, "api", "key", "list", "--dir", utility).out


def test_a_request_is_repeated_over_the_death_of_its_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two processes at one socket, over TLS with the gateway's own certificate. Both are killed; others come."""
    utility, aggregator = make_pair(tmp_path)
    port = with_office(utility, 'tls = "own"', "processes = 2")
    key = here(capsys, "api", "key", "add", "scada", "--role", "operator", "--dir", utility, "--json").json
    context = ssl.create_default_context(cafile=str(utility / "trust" / "trial-ca.pem"))
    context.check_hostname = False  # the trial's certificate names the party, and not this address
    with served(utility), served(aggregator):
        url = f"https://127.0.0.1:{port}"
        with open_for(utility, url, key["key"], context) as office:
            events = office.events(-1)
            before = next(events).index
            headers = {"Idempotency-Key": new_key()}
            first = office._http.post("/api/v1/messages", json=outage(), headers=headers)
            assert first.status_code == 202, first.text
            old = pids_of(utility)
            assert len(old) == 2
            for pid in old:
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda: len(pids_of(utility)) >= 4)
            again = httpx_post(office, "/api/v1/messages", outage(), headers)
            assert again.content == first.content and again.headers["idempotent-replayed"] == "true"
            other = httpx_post(office, "/api/v1/messages", outage("OUT-2"), headers)
            assert problem(other, 422)["code"] == "idempotency_key_reused"
            (id,) = first.json()["messages"]
            for event in events:  # the stream was cut with its process, and goes on where it was
                assert event.index == before + 1
                before = event.index
                if event.kind == "receipt_in":
                    break
            assert office.message(id).line.state == "accepted"
            assert len(office.messages().items) == 1
            here(capsys, "api", "key", "revoke", "scada", "--dir", utility)
            assert office._http.get("/api/v1/whoami").status_code == 401
    assert '"key_name": "scada"' in (utility / "serve.log").read_text(encoding="utf-8")
    assert not [pid for pid in pids_of(utility) if alive(pid)]


def test_office_processes_end_with_a_gateway_that_is_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    utility, _ = make_pair(tmp_path)
    with_office(utility)
    with served(utility, signal.SIGKILL) as process:
        wait_for_line(utility / "serve.log", 0, '"office"', process)
    wait_for(lambda: not any(map(alive, pids_of(utility))))


def test_settings_of_the_office(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = (
        '[party]\nid="a.example"\nname="A"\nroles=["der_aggregator"]\n[street]\nurl=""\nlisten=""\n[office]\n'
    )
    assert parse_settings(base).office.listen == ""
    assert parse_settings(base + 'listen="127.0.0.1:8460"').office.tls == "off"
    assert parse_settings(base + 'listen="0.0.0.0:8460"\ntls="own"').office.tls == "own"
    for wrong, why in (
        ('listen="0.0.0.0:8460"', "off this machine"),
        ('listen="nowhere"', "host:port"),
        ('listen="127.0.0.1:1"\ntls="file"', "certificate and key"),
        ('certificate="a.pem"', "goes with key"),
        ('certificate="a.pem"\nkey="b.pem"', "goes with"),
    ):
        with pytest.raises(SettingsError, match=why):
            parse_settings(base + wrong)
    utility, _ = make_pair(tmp_path)
    with_office(utility, 'tls = "file"', 'certificate = "no.pem"', 'key = "no.key"')
    said = here(capsys, "serve", "--dir", utility)
    assert said.code == 1 and "no.pem is not there" in said.err


def httpx_post(office: Client, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:
    """A post, with patience: the processes begin."""
    for _ in range(100):
        try:
            return office._http.post(path, json=body, headers=headers)
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("no answer")


def wait_for(what: Any) -> None:
    for _ in range(600):
        if what():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come")


def alive(pid: int) -> bool:
    """Whether the process runs: a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
