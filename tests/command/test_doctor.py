"""`intertie doctor` finds what is broken here, and says what to do."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest
from tests.command.gateways import UTILITY, here

Capsys = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def gateway(made: Path, tmp_path: Path, capsys: Capsys) -> Path:
    """A fresh copy of one gateway."""
    if not (made / "intertie.toml").exists():
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        url = f"https://127.0.0.1:{port}"
        assert here(capsys, "init", UTILITY, "--role", "agency", "--dir", made, "--url", url).code == 0
    shutil.copytree(made, tmp_path / "g")
    return tmp_path / "g"


def findings(capsys: Capsys, gateway: Path, state: str) -> list[tuple[str, str, str]]:
    said = here(capsys, "doctor", "--json", "--dir", gateway)
    document = __import__("json").loads(said.out)
    assert document["healthy"] is (said.code == 0)
    return [(f["check"], f["what"], f.get("do", "")) for f in document["findings"] if f["state"] == state]


def test_all_is_well(gateway: Path, capsys: Capsys) -> None:
    assert findings(capsys, gateway, "fail") == []
    checks = {check for check, _, _ in findings(capsys, gateway, "ok")}
    assert {
        "python",
        "openssl",
        "settings",
        "keys",
        "certificates",
        "clock",
        "port",
        "tls",
        "journal",
    } <= checks
    assert "ok" in here(capsys, "doctor", "--dir", gateway).out


@pytest.mark.parametrize("key", ["tls.key.pem", "opening.json"])
def test_a_key_that_others_can_read(gateway: Path, capsys: Capsys, key: str) -> None:
    (gateway / "keys" / key).chmod(0o644)
    [(check, what, do)] = findings(capsys, gateway, "fail")
    assert (check, key in what, "chmod 600" in do) == ("keys", True, True)


def test_a_missing_key(gateway: Path, capsys: Capsys) -> None:
    (gateway / "keys" / "tls.key.pem").unlink()
    assert [check for check, _, _ in findings(capsys, gateway, "fail")] == ["gateway"]


def test_no_root(gateway: Path, capsys: Capsys) -> None:
    (gateway / "trust" / "trial-ca.pem").unlink()
    assert "certificates" in [check for check, _, _ in findings(capsys, gateway, "fail")]


def test_certificates_that_have_ended_and_that_end_soon(tmp_path: Path, capsys: Capsys) -> None:
    ended, soon = tmp_path / "ended", tmp_path / "soon"
    init = ("init", UTILITY, "--role", "agency", "--years", "1", "--not-before")
    assert here(capsys, *init, "2020-01-01", "--dir", ended).code == 0
    assert any("has ended" in what for _, what, _ in findings(capsys, ended, "fail"))
    assert here(capsys, *init, "2090-01-01", "--dir", soon).code == 0
    assert any("clock" in do for _, _, do in findings(capsys, soon, "fail"))


def test_settings_that_are_wrong(gateway: Path, capsys: Capsys) -> None:
    (gateway / "intertie.toml").write_text("[party]\nid = 3\n")
    [(check, _, do)] = findings(capsys, gateway, "fail")
    assert check == "settings"
    assert do


def test_a_store_that_is_none(gateway: Path, capsys: Capsys) -> None:
    (gateway / "store.db").write_bytes(b"this is no database at all" * 100)
    assert findings(capsys, gateway, "fail")
    assert (gateway / "store.db").read_bytes().startswith(b"this is no database")


def test_a_taken_port(gateway: Path, capsys: Capsys) -> None:
    text = (gateway / "intertie.toml").read_text()
    listen = next(line for line in text.splitlines() if line.startswith("listen")).split('"')[1]
    with socket.create_server(("127.0.0.1", int(listen.split(":")[1]))):
        assert any(check == "port" for check, _, _ in findings(capsys, gateway, "warn"))
        served = here(capsys, "serve", "--dir", gateway)
    assert served.code == 1
    assert "cannot listen" in served.err


def test_a_rehearsal_clock(gateway: Path, capsys: Capsys) -> None:
    toml = gateway / "intertie.toml"
    toml.write_text(toml.read_text().replace('# file = "now.txt"', 'file = "now.txt"'))
    assert any("holds no time" in what for _, what, _ in findings(capsys, gateway, "fail"))
    (gateway / "now.txt").write_text("2026-01-15T08:00:00Z")
    assert any(
        "2026-01-15" in what for check, what, _ in findings(capsys, gateway, "warn") if check == "clock"
    )


TLS_SETTINGS = {
    'engine = "stdlib"': ("warn", "engine stdlib"),
    'groups = ["x25519"]': ("warn", "no hybrid group"),
    'groups = ["FrodoKEM"]': ("fail", "FrodoKEM"),
    'engine = "openssl"': ("ok", "X25519MLKEM768"),
}


@pytest.mark.parametrize("line", TLS_SETTINGS)
def test_what_tls_would_negotiate(gateway: Path, capsys: Capsys, line: str) -> None:
    file = gateway / "intertie.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("[tls]\n", f"[tls]\n{line}\n"), encoding="utf-8")
    state, words = TLS_SETTINGS[line]
    assert [words in what for check, what, _ in findings(capsys, gateway, state) if check == "tls"] == [True]
