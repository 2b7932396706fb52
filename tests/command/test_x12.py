"""`intertie x12`: interchanges of messages, messages of interchanges, and what is wrong with them."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest

from intertie.cli import run

BETWEEN = """
[x12]
profile = "pa"
[x12.utility]
party = "utility.example"
name = "EXAMPLE UTILITY"
number = "123456789"
[x12.aggregator]
party = "aggregator.example"
name = "EXAMPLE AGGREGATOR"
number = "9876543210000"
qualifier = "09"
"""


@pytest.fixture
def between(tmp_path: Path) -> Path:
    path = tmp_path / "between.toml"
    path.write_text(BETWEEN, encoding="utf-8")
    return path


def example(name: str) -> Path:
    return Path(str(resources.files("intertie.model") / "examples" / f"{name}.json"))


def write(name: str, between: Path, out: Path) -> bytes:
    assert (
        run(
            ["x12", "write", str(example(name)), "--between", str(between), "-o", str(out), "--control", "12"]
        )
        == 0
    )
    return out.read_bytes()


def test_a_message_there_and_back(tmp_path: Path, between: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "invoice.x12"
    data = write("invoice", between, out)
    assert (
        data.startswith(b"ISA*00*")
        and b"*09*9876543210000  *01*123456789      *260131*1100*U*00401*000000012*" in data
    )
    assert run(["x12", "read", str(out), "--profile", "pa", "--json"]) == 0
    [one] = json.loads(capsys.readouterr().out)["sets"]
    body = json.loads(example("invoice").read_bytes())["body"]
    assert one["document"] == "Invoice" and one["findings"] == []
    assert one["body"]["lines"] == body["lines"] and one["body"]["total"] == body["total"]


def test_an_interchange_as_tables(tmp_path: Path, between: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "readings.x12"
    write("meter_readings", between, out)
    assert run(["x12", "read", str(out), "--profile", "pa"]) == 0
    shown = capsys.readouterr().out
    assert "MeterReadingSet" in shown and "867" in shown and "F12-T7" in shown and "M-100231" in shown
    assert run(["x12", "check", str(out), "--profile", "pa"]) == 0
    assert "Nothing is wrong." in capsys.readouterr().out


def test_errors_are_shown_with_their_places_and_answered(
    tmp_path: Path, between: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad, answer = (tmp_path / name for name in ("good.x12", "bad.x12", "answer.x12"))
    bad.write_bytes(write("invoice", between, good).replace(b"ENC002", b"ENC999"))
    options = ["--profile", "pa", "--json"]
    assert run(["x12", "check", str(bad), *options, "--answer", str(answer), "--between", str(between)]) == 1
    [found] = json.loads(capsys.readouterr().out)["findings"]
    assert (found["set"], found["code"], found["segment"], found["id"], found["element"]) == (
        "0001",
        "element_code",
        22,
        "SAC",
        4,
    )
    assert b"AK3*SAC*20**8~AK4*4**7~AK5*R*5~AK9*R*1*1*0~" in answer.read_bytes()
    assert run(["x12", "read", str(bad), "--profile", "pa"]) == 1
    assert "element_code" in capsys.readouterr().out
    assert run(["x12", "read", str(answer), "--profile", "pa"]) == 0
    assert "FunctionalAcknowledgement" in capsys.readouterr().out


def test_a_file_that_is_no_interchange(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir", encoding="utf-8")
    assert run(["x12", "check", str(path)]) == 1
    assert "not_an_interchange" in capsys.readouterr().out
    assert run(["x12", "read", str(path)]) == 1
    assert "not_an_interchange" in capsys.readouterr().err


def test_what_cannot_be_written_or_answered(
    tmp_path: Path, between: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*words: str) -> str:
        assert run(["x12", *words]) == 1
        return capsys.readouterr().err

    registration = str(example("aggregation_registration"))
    assert "other_programmes" in fails("write", registration, "--between", str(between))
    other = tmp_path / "other.toml"
    other.write_text(
        BETWEEN.replace('"aggregator.example"', '"another.example"').replace("9876543210000", "55555"),
        "utf-8",
    )
    assert "Name these two" in fails("write", str(example("invoice")), "--between", str(other))
    out = tmp_path / "a.x12"
    write("invoice", between, out)
    assert "--between" in fails("check", str(out), "--answer", str(tmp_path / "b"))
    moved = tmp_path / "moved.x12"
    moved.write_bytes(out.read_bytes().replace(b"*01*123456789 ", b"*01*999999999 "))
    assert "neither" in fails("check", str(moved), "--answer", str(tmp_path / "b"), "--between", str(between))


def test_an_interchange_on_standard_output(between: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["x12", "write", str(example("remittance_advice")), "--between", str(between)]) == 0
    assert capsys.readouterr().out.endswith("IEA*1*000000001~")
