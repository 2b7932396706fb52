"""`intertie interfaces`: as tables for a person, as JSON for a program."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from intertie.catalogue.load import load_catalogue
from intertie.cli.interfaces import app
from intertie.model.errors import SettingsError

CATALOGUE = load_catalogue()


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    app(list(arguments), result_action="return_value", exit_on_error=False)
    out, err = capsys.readouterr()
    assert err == ""
    return out


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(run(capsys, *arguments, "--json"))


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "list")
    for code in CATALOGUE.interfaces:
        assert f" {code} " in out
    assert "scada_dms or der_aggregator" in out


def test_list_json(capsys: pytest.CaptureFixture[str]) -> None:
    rows = run_json(capsys, "list")
    assert [row["code"] for row in rows] == list(CATALOGUE.interfaces)
    assert sum(row["flows"] for row in rows) == len(CATALOGUE.flows())
    assert [row["code"] for row in rows if row["same_as"]] == ["ET11"]
    assert rows[0]["actors"] == [["distribution_utility"], ["der_aggregator"]]
    assert "invoice" in rows[0]["documents"]


@pytest.mark.parametrize("code", CATALOGUE.interfaces)
def test_show(capsys: pytest.CaptureFixture[str], code: str) -> None:
    out = run(capsys, "show", code)
    interface = CATALOGUE.interfaces[code]  # type: ignore[index]
    words = " ".join(out.split())
    assert words.startswith(f"{code} {interface.title}")
    for flow in interface.flows:
        assert f"{flow.sender} → {flow.recipient} document mode" in words
        assert f" {flow.document} " in words
    for sentence in interface.requirements + interface.doubts:
        assert " ".join(sentence.split()) in words
    for source in {flow.source for flow in interface.flows}:
        assert source in words


def test_show_says_what_an_interface_duplicates(capsys: pytest.CaptureFixture[str]) -> None:
    assert "The same as ET2." in run(capsys, "show", "ET11")


def test_show_says_where_nothing_flows(capsys: pytest.CaptureFixture[str]) -> None:
    assert "submeter_eumd → evse_pev: nothing, see the doubts below" in run(capsys, "show", "ET10")


def test_show_takes_small_letters(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "show", "et14") == run(capsys, "show", "ET14")


def test_show_json(capsys: pytest.CaptureFixture[str]) -> None:
    data = run_json(capsys, "show", "ET14")
    assert data["code"] == "ET14"
    assert data["source"] == "002 section 1.14"
    assert len(data["flows"]) == len(CATALOGUE.interfaces["ET14"].flows)  # type: ignore[index]
    assert {"key", "document", "from", "to", "mode", "priority", "relay"} <= set(data["flows"][0])


def test_show_of_an_unknown_code_names_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="no interface 'ET18'") as caught:
        app(["show", "ET18"], result_action="return_value", exit_on_error=False)
    assert "ET17" in caught.value.do


def test_the_widest_table_fits_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    for code in CATALOGUE.interfaces:
        assert max(len(line) for line in run(capsys, "show", code).splitlines()) <= 110


def test_in_a_process_of_its_own() -> None:
    code = "import sys; from intertie.cli.interfaces import app; app(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, "matrix", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["interfaces"]) == 18


def test_matrix(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "matrix")
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert lines["evse_pev"].count("→") == 1
    assert lines["submeter_eumd"].count("←") == 1
    assert lines["distribution_utility"] == ["↔"] + ["·"] * 17
    assert max(len(line) for line in out.splitlines()) <= 100


def test_matrix_json(capsys: pytest.CaptureFixture[str]) -> None:
    data = run_json(capsys, "matrix")
    assert len(data["interfaces"]) == 18
    assert len(data["roles"]) == 14
    assert len({flow["key"] for flow in data["flows"]}) == len(data["flows"]) == len(CATALOGUE.flows())
    needs = {
        "priority",
        "confidentiality",
        "integrity",
        "non_repudiation",
        "latency_seconds",
        "protect_for_days",
    }
    needs |= {"agreement", "direction", "relay", "source"}
    assert all(needs <= set(flow) for flow in data["flows"])
    assert {flow["interface"] for flow in data["flows"]} == set(data["interfaces"])
