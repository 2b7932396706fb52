"""`intertie partner simulate`: a second gateway that is our partner by itself, says what its script says, and ends with us."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.command.gateways import PROGRAM, here, served, wait_for_line
from tests.ports import free_port

from intertie.gateway.simulating.simulate_script import DEFAULT, read_script

SIMULATED = "aggregator.sim"


def test_a_simulated_aggregator_for_a_utility(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours, script = tmp_path / "u", tmp_path / "mine.toml"
    script.write_text("[registration]\nders = 2\n", encoding="utf-8")
    url = f"https://127.0.0.1:{free_port()}"
    init = ("init", "utility.example", "--role", "distribution_utility", "--url", url, "--dir", ours)
    assert here(capsys, *init).code == 0
    place = ours / "simulated" / SIMULATED
    log = (tmp_path / "log").open("ab")
    with served(ours):
        run = [*PROGRAM, "partner", "simulate", SIMULATED, "--script", str(script), "--dir", str(ours)]
        process = subprocess.Popen(run, stderr=log)
        try:
            wait_for_line(tmp_path / "log", 0, "serves at", process)
            signed = here(capsys, "trade", "sign", SIMULATED, "SIM-GSA", "--wait", "60", "--dir", ours)
            assert signed.code == 0 and "accepted" in signed.out, signed.err
            for _ in range(60):
                shown = here(capsys, "registration", "show", SIMULATED, "--dir", ours, "--json").json
                if shown["aggregations"]:
                    break
                time.sleep(0.5)
            assert [one["waiting"] for one in shown["aggregations"]] == [2]
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    said = (tmp_path / "log").read_text(encoding="utf-8")
    assert "register SIM-AGG with 2 DERs" in said and "propose contract SIM-GSA" in said
    assert '"stopped"' in (place / "serve.log").read_text(encoding="utf-8")
    assert "ders = 2" in (place / "script.toml").read_text(encoding="utf-8")


def test_the_default_script_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = here(capsys, "partner", "simulate", SIMULATED, "--print-script", "--dir", tmp_path)
    assert printed.code == 0 and printed.out == DEFAULT and read_script(printed.out)


def test_a_script_that_cannot_be_read_starts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init = ("init", "utility.example", "--role", "distribution_utility", "--dir", tmp_path / "u")
    assert here(capsys, *init).code == 0
    script = tmp_path / "mine.toml"
    script.write_text("[weather]\nrain = true\n", encoding="utf-8")
    wrong = here(capsys, "partner", "simulate", SIMULATED, "--script", script, "--dir", tmp_path / "u")
    assert wrong.code == 1 and "the script cannot be read" in wrong.err
    other = here(capsys, "partner", "simulate", "other.sim", "--at", tmp_path / "u", "--dir", tmp_path / "u")
    assert other.code == 1 and "is of utility.example" in other.err
