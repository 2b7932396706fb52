"""Two organisations, two processes, nothing but commands: from `init` to evidence that stands alone."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.command.gateways import AGGREGATOR, UTILITY, Said, apart, command, make_pair, outage, served

OUTAGE = ("--to", AGGREGATOR, "--document", "outage_notice", "--mode", "scheduled")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def exchanged(pair: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three messages queued before the partner is up, delivered once it is; their ids."""
    utility, aggregator = pair
    folder = tmp_path_factory.mktemp("bodies")
    files = [outage(folder / f"{n}.json", f"OUT-{n}") for n in (1, 2, 3)]
    with served(utility):
        queued = apart("send", *files[:2], *OUTAGE, "--dir", utility)
        assert queued.code == 0, queued.err
        with served(aggregator, ending=signal.SIGINT):
            last = apart("send", files[2], *OUTAGE, "--dir", utility, "--wait", "60", "--json")
            ids = [*queued.out.split(), *(m["id"] for m in last.json["messages"])]
            assert [m["state"] for m in last.json["messages"]] == ["accepted"]
            for _ in range(300):
                if states(utility) == {"accepted"}:
                    break
    assert states(utility) == {"accepted"}
    return ids


def states(directory: Path) -> set[str]:
    return {m["state"] for m in command("outbox", "--dir", directory, "--json").json["messages"]}


def test_all_arrive_once(pair: tuple[Path, Path], exchanged: list[str]) -> None:
    inbox = command("inbox", "--dir", pair[1], "--json").json["messages"]
    assert sorted(m["id"] for m in inbox) == sorted(exchanged)
    assert {(m["from"], m["to"], m["state"]) for m in inbox} == {(UTILITY, AGGREGATOR, "accepted")}


def test_the_body_arrives_as_the_bytes_that_were_sent(pair: tuple[Path, Path], exchanged: list[str]) -> None:
    sent = command("message", "show", exchanged[0], "--body", "--dir", pair[0])
    kept = command("message", "show", exchanged[0], "--body", "--dir", pair[1])
    assert sent.out == kept.out
    assert json.loads(kept.out)["body"]["outage"] == "OUT-1"


def test_both_journals_verify(pair: tuple[Path, Path], exchanged: list[str]) -> None:
    for directory in pair:
        verdict = command("journal", "verify", "--dir", directory, "--json").json
        assert verdict["verified"] is True
        assert verdict["size"] >= len(exchanged)


def test_both_ended_in_order_and_the_logs_hold_no_payload(
    pair: tuple[Path, Path], exchanged: list[str]
) -> None:
    for directory in pair:
        log = (directory / "serve.log").read_text(encoding="utf-8")
        events = [json.loads(line)["event"] for line in log.splitlines()]
        assert (events[0], events[-1]) == ("listening", "stopped")
        assert "OUT-1" not in log
        assert "F12-T9" not in log


def evidence(pair: tuple[Path, Path], id: str, folder: Path, side: int = 0) -> Path:
    """A directory with an evidence file and a trust root, and nothing else."""
    folder.mkdir(exist_ok=True)
    assert command("evidence", "export", id, "-o", folder / "evidence.json", "--dir", pair[side]).code == 0
    shutil.copy(pair[0] / "trust" / "trial-ca.pem", folder / "trust-root.pem")
    return folder


def verify(folder: Path, *more: str) -> Said:
    return apart("evidence", "verify", "evidence.json", "--trust", "trust-root.pem", *more, cwd=folder)


@pytest.mark.parametrize("side", [0, 1])
def test_evidence_verifies_alone_from_either_side(
    pair: tuple[Path, Path], exchanged: list[str], tmp_path: Path, side: int
) -> None:
    folder = evidence(pair, exchanged[1], tmp_path / "court", side)
    assert verify(folder).code == 0
    report = verify(folder, "--json").json
    assert report["verified"] is True
    assert exchanged[1] in json.dumps(report)
    assert sorted(path.name for path in folder.iterdir()) == ["evidence.json", "trust-root.pem"]


def test_changed_evidence_fails_and_names_the_step(
    pair: tuple[Path, Path], exchanged: list[str], tmp_path: Path
) -> None:
    folder = evidence(pair, exchanged[1], tmp_path / "court")
    raw = bytearray((folder / "evidence.json").read_bytes())
    for place in range(7, len(raw), len(raw) // 4):
        changed = bytes(raw[:place]) + bytes([raw[place] ^ 1]) + bytes(raw[place + 1 :])
        (folder / "evidence.json").write_bytes(changed)
        said = verify(folder)
        assert said.code == 1
        assert "step " in said.err
        assert "Traceback" not in said.err


def test_a_reader_that_is_not_this_program_verifies_evidence_too(
    pair: tuple[Path, Path], exchanged: list[str], tmp_path: Path
) -> None:
    folder = evidence(pair, exchanged[1], tmp_path / "court")
    script = Path(__file__).parents[2] / "vectors" / "verify_parcel.py"
    wanted = [sys.executable, str(script), "evidence", "evidence.json", "--trust", "trust-root.pem"]
    done = subprocess.run(wanted, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert exchanged[1] in done.stdout and "accepted" in done.stdout
    raw = bytearray((folder / "evidence.json").read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / "evidence.json").write_bytes(raw)
    done = subprocess.run(wanted, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert re.search(r"NOT proven: step \d+", done.stdout)


def test_evidence_under_another_root_fails(
    pair: tuple[Path, Path], exchanged: list[str], tmp_path: Path
) -> None:
    folder = evidence(pair, exchanged[0], tmp_path / "court")
    assert command("init", "else.example", "--role", "agency", "--dir", tmp_path / "else").code == 0
    shutil.copy(tmp_path / "else" / "trust" / "trial-ca.pem", folder / "trust-root.pem")
    assert verify(folder).code == 1


def test_a_second_server_of_one_directory_is_refused(pair: tuple[Path, Path], exchanged: list[str]) -> None:
    with served(pair[0]):
        second = apart("serve", "--dir", pair[0])
    assert second.code == 1
    assert "served by another process" in second.err


def test_doctor_reaches_the_partner(pair: tuple[Path, Path], exchanged: list[str]) -> None:
    with served(pair[1]):
        findings = command("doctor", "--reach", "--dir", pair[0], "--json").json["findings"]
        assert {"check": f"reach {AGGREGATOR}", "state": "ok"}.items() <= findings[-1].items()
    report = command("doctor", "--reach", "--dir", pair[0], "--json")
    assert report.code == 1
    assert json.loads(report.out)["healthy"] is False
