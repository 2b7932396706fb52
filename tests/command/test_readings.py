"""`intertie readings`: a file in, looked at, sent to a partner, and there again from its journal."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.command.gateways import AGGREGATOR, here, make_pair, served

from intertie.cli import run
from intertie.model.documents import example_bytes
from intertie.run import opened
from intertie.run.keep_readings import has_readings
from intertie.run.take_in import keep

HEAD = "meter,start,value,unit,quality\n"
LINES = [
    f"M1,2026-11-{10 + day}T{hour:02}:00,{hour}.25,kWh,validated" for day in range(2) for hour in range(24)
]
BAD = [
    "M1,2026-11-10T05:00,5.25,kWh,validated",
    "M1,2026-11-10T05:00,NaN,kWh,raw",
    "X9,2026-11-10T05:00,1,kWh,raw",
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    utility, aggregator = make_pair(tmp_path_factory.mktemp("readings"))
    for directory in (utility, aggregator):
        settings = directory / "intertie.toml"
        text = settings.read_text(encoding="utf-8")
        text = text.replace('# zone = "UTC"', 'zone = "America/New_York"').replace(
            "# seconds = 5.0 ", "seconds = 0.1 "
        )
        settings.write_text(text.replace('# meters = ""', 'meters = "meters.csv"'), encoding="utf-8")
        (directory / "meters.csv").write_text("meter,nameplate_kw\nM1,30\nM-100231,\n", encoding="utf-8")
        (directory / "now.txt").write_text("2026-12-01T00:00:00Z")
    return utility, aggregator


@pytest.fixture(scope="module")
def imported(pair: tuple[Path, Path]) -> Any:
    file = pair[0].parent / "mdm.csv"
    lines = [line for line in [*LINES, *BAD] if "11T07" not in line]
    file.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    words = ["import", str(file), "--minutes", "60", "--send", AGGREGATOR, "--json", "--dir", str(pair[0])]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert run(["readings", *words]) == 0
    return json.loads(out.getvalue())


def test_an_import_counts_every_line(pair: tuple[Path, Path], imported: Any, capsys: Any) -> None:
    assert imported["rows"] == 2 and len(imported["messages"]) == 1
    assert imported["faults"] == {
        "missing": 1,
        "duplicate": 1,
        "not_a_number": 1,
        "foreign_meter": 1,
        "out_of_order": 1,
    }
    found = here(capsys, "readings", "findings", "--json", "--dir", pair[0]).json["findings"]
    refused = {one["line"]: one["refused"] for one in found if not one["kept"]}
    assert refused[50] == BAD[1] and refused[51] == BAD[2] and 49 in refused


def test_show_and_plot(pair: tuple[Path, Path], imported: Any, capsys: Any) -> None:
    where = ("--minutes", "60", "--dir", pair[0])
    days = here(capsys, "readings", "show", "M1", "--from", "2026-11-10", "--json", *where).json["rows"]
    assert [(row["day"], row["readings"], row["estimated"]) for row in days] == [
        ("2026-11-10", 24, 0),
        ("2026-11-11", 23, 1),
    ]
    assert [row["found"] for row in days] == ["", "gap 1"]
    hours = here(capsys, "readings", "show", "M1", "--day", "2026-11-11", "--json", *where).json["rows"]
    assert hours[7] == {
        "starts": "07:00 EST",
        "kwh": "",
        "quality": "",
        "found": "gap",
        "estimate_kwh": "7.250",
        "estimate": "interpolated",
    }
    table = here(capsys, "readings", "show", "M1", *where)
    assert "2026-11-11" in table.out and imported["source"][:12] in table.out
    drawn = here(capsys, "readings", "plot", "M1", *where)
    assert drawn.code == 0 and "kW by days" in drawn.out and "estimated" in drawn.out
    summary = here(capsys, "readings", "show", "--dir", pair[0])
    assert "America/New_York" in summary.out and "foreign_meter" in summary.out
    assert "NaN" in here(capsys, "readings", "findings", "--dir", pair[0]).out


def test_a_question_is_answered_from_what_settlement_computes_with(
    pair: tuple[Path, Path], imported: Any, capsys: Any
) -> None:
    def ask(*words: Any) -> Any:
        return here(capsys, "readings", "ask", *words, "--dir", pair[0])

    sums = "select meter, day, sum(kwh) as kwh from readings group by all order by day"
    hourly = ("--minutes", "60", "--json")
    assert ask(sums, *hourly).json == {
        "columns": ["meter", "day", "kwh"],
        "rows": [["M1", "2026-11-10", "282.000000"], ["M1", "2026-11-11", "274.750000"]],
        "more": False,
    }
    gaps = "select day from days where readings < intervals"
    assert ask(gaps, *hourly).json["rows"] == [["2026-11-11"]]
    when = "select starts, source from readings where kwh = 6.25 and day = '2026-11-10'"
    assert ask(when, *hourly).json["rows"] == [["2026-11-10T06:00:00-05:00", imported["source"]]]
    some = ask("select kwh from readings order by starts", "--minutes", "60", "--rows", "2", "--csv")
    assert some.out == "kwh\n0.250000\n1.250000\n" and "first 2 rows" in some.err
    assert "M1" in ask(sums, "--minutes", "60").out
    assert ask(sums, "--meter", "M1", "--from", "2026-11-11", *hourly).json["rows"][0][1] == "2026-11-11"
    assert ask("select 1, 1 from days", *hourly).json["rows"] == [[1, 1], [1, 1]]
    assert ask("--json").json["days"]["intervals"] == "int32" and "kwh" in ask().out
    assert "one SELECT" in ask("drop view readings").err
    assert "no readings from 2020" in ask("select 1", "--from", "2020-01-01", "--to", "2020-01-02").err
    assert ask("select 1 from readings", "--party", "nobody.example", *hourly).json["rows"] == []


def test_mistakes_say_what_to_do(pair: tuple[Path, Path], capsys: Any, tmp_path: Path) -> None:
    def fails(*words: Any) -> str:
        said = here(capsys, "readings", *words, "--dir", pair[0])
        assert said.code == 1, said.out
        return said.err

    assert "no import readings of M9" in fails("show", "M9")
    assert "Ask for fewer days" in fails("show", "M1", "--from", "2020-01-01")
    assert "cannot be read" in fails("import", tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("when,what\n1,2\n")
    assert "its first line has when, what" in fails("import", tmp_path / "other.csv")
    assert "not of America/Chicago" in fails("import", tmp_path / "other.csv", "--zone", "America/Chicago")
    assert "not a partner" in fails("import", tmp_path / "other.csv", "--send", "nobody.example")
    (tmp_path / "body.json").write_text("{}")
    assert "no meter_readings" in fails("import", tmp_path / "body.json")


def test_a_document_is_imported(pair: tuple[Path, Path], capsys: Any, tmp_path: Path) -> None:
    body = json.loads(example_bytes("meter_readings"))["body"]  # type: ignore[arg-type]
    (tmp_path / "body.json").write_text(json.dumps(body), encoding="utf-8")
    said = here(capsys, "readings", "import", tmp_path / "body.json", "--dir", pair[1])
    assert said.code == 0 and "meter days taken in" in said.out
    shown = here(capsys, "readings", "show", "M-100231", "--json", "--dir", pair[1]).json["rows"]
    assert shown[-1]["day"] == "2026-01-14" and shown[-1]["readings"] > 90


def test_what_was_sent_is_with_both_and_a_rebuild_has_it(
    pair: tuple[Path, Path], imported: Any, capsys: Any
) -> None:
    utility, aggregator = pair

    def ask(*words: str, of: Path) -> Any:
        return here(capsys, "readings", *words, "--json", "--dir", of).json

    state = aggregator / "readings" / "state.json"
    with served(aggregator, ending=signal.SIGKILL) as serving, served(utility):
        for _ in range(600):  # the aggregator takes in by itself what comes
            if state.exists() and json.loads(state.read_bytes())["cursor"].get("incoming"):
                break
            time.sleep(0.05)
        else:
            raise AssertionError("nothing was taken in")
        (taking,) = children_of(serving.pid)
        if (maps := Path(f"/proc/{serving.pid}/maps")).exists():
            assert (
                "libarrow" not in maps.read_text()
            )  # its memory is none of the process that answers partners
    end = time.monotonic() + 30
    while running(taking):  # what it was started by was killed, and it goes by itself
        assert time.monotonic() < end
        time.sleep(0.05)
    for directory in (utility, aggregator):
        rows = ask("show", "M1", "--minutes", "60", of=directory)["rows"]
        assert [row["kwh"] for row in rows if row["readings"]] == ["282.000", "274.750"]
    assert ask("rebuild", of=aggregator)["messages"] == 1
    rows = ask("show", "M1", "--minutes", "60", of=aggregator)["rows"]
    assert {row["source"] for row in rows if row["readings"]} == set(imported["messages"])


def test_the_commands_of_the_page(pair: tuple[Path, Path], imported: Any, capsys: Any) -> None:
    page = (Path(__file__).parents[2] / "docs" / "readings.md").read_text(encoding="utf-8")
    lines = re.findall(r"^intertie (readings .+) --dir u$", page, re.M)
    assert len(lines) == 7
    (pair[0].parent / "again.csv").write_text(HEAD + "\n".join(LINES) + "\n", encoding="utf-8")
    for line in lines:
        words = shlex.split(line.replace("mdm.csv", str(pair[0].parent / "again.csv")))
        said = here(capsys, *words, "--dir", pair[0])
        assert said.code == 0, said.err


def test_no_process_for_readings_without_readings(pair: tuple[Path, Path]) -> None:
    with opened(pair[1].parent / "aggregator") as it:
        assert has_readings(it.gateway)
    fresh, _ = make_pair(pair[0].parent / "fresh")
    with opened(fresh) as it:
        assert not has_readings(it.gateway)


def test_the_process_ends_with_its_input_and_says_what_is_wrong(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115  # at its end from the beginning
    before = signal.getsignal(signal.SIGINT)
    try:
        assert keep([str(pair[0]), "CRITICAL"]) == 0
        assert keep([str(tmp_path), "CRITICAL"]) == 1
    finally:
        signal.signal(signal.SIGINT, before)


def children_of(pid: int) -> list[int]:
    """Processes that this one started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            words = stat.read_text().rpartition(")")[2].split()
            if int(words[1]) == pid and words[0] != "Z":
                found.append(int(stat.parent.name))
    return found


def running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
