"""Running a gateway: doors for operators, workers that die, an orderly end, status, stop flags. Real processes."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.command.gateways import (
    AGGREGATOR,
    AGREEMENT,
    PROGRAM,
    UTILITY,
    apart,
    command,
    here,
    make_pair,
    outage,
    served,
    wait_for_line,
)

from intertie.bindings.operations.serve_state import Serving, who_serves
from intertie.cli import run
from intertie.exchange.outbound import State
from intertie.gateway.ports import Query
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.run import opened

# In turn, under load.
ENDINGS = [signal.SIGTERM, signal.SIGINT] * (5 if os.environ.get("INTERTIE_SOAK") == "1" else 1)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_pair(tmp_path_factory.mktemp("pair"))


@contextmanager
def workers(directory: Path, count: int) -> Iterator[subprocess.Popen[bytes]]:
    """A gateway of several processes, once all of them listen."""
    log = directory / "serve.log"
    begun = log.stat().st_size if log.exists() else 0
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*PROGRAM, "serve", "--workers", str(count), "--dir", str(directory)], stderr=out
        )
    try:
        until(lambda: log.read_bytes()[begun:].count(b'"listening"') >= count, process)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)


def until(true: Callable[[], object], process: subprocess.Popen[bytes] | None = None) -> None:
    for _ in range(600):
        if true():
            return
        assert process is None or process.poll() is None
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


def serving(directory: Path) -> Serving:
    found = who_serves(directory)
    assert found is not None
    return found


def get(directory: Path, path: str) -> httpx.Response:
    return httpx.get(serving(directory).operations + path, timeout=10, trust_env=False)


def samples(directory: Path) -> dict[tuple[str, ...], float]:
    """Every sample: name and label values in order of the labels' names."""
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(get(directory, "/metrics").text)
        for sample in family.samples
    }


def send(directory: Path, to: str, file: Path, *more: str) -> None:
    said = command(
        "send", file, "--to", to, "--document", "outage_notice", "--mode", "scheduled",
        "--agreement", AGREEMENT, *more, "--dir", directory,
    )  # fmt: skip
    assert said.code == 0, said


def received(directory: Path) -> list[str]:
    with opened(directory) as it:
        rows = it.gateway.store.messages(Query(outgoing=False, limit=100_000, bodies=False))
        return [row.id for row in rows]


def test_the_operations_door(pair: tuple[Path, Path], tmp_path: Path) -> None:
    utility, aggregator = pair
    with served(utility), served(aggregator):
        send(utility, AGGREGATOR, outage(tmp_path / "o.json"), "--wait", "60")
        health, ready = get(utility, "/healthz"), get(utility, "/readyz")
        assert (health.status_code, health.json()["status"]) == (200, "ok")
        assert (ready.status_code, ready.json()) == (200, {"ready": True, "reasons": []})
        until(lambda: ("intertie_receipts_late_total", "DA/outage_notice.scheduled") in samples(utility))
        ours, theirs = samples(utility), samples(aggregator)
        assert get(utility, "/parcels").status_code == 404
    assert ours["intertie_parcels_total", "out", AGGREGATOR] == 1
    assert ours["intertie_messages_total", "out", "DA/outage_notice.scheduled", AGGREGATOR] == 1
    assert ours["intertie_receipts_total", "in", AGGREGATOR] == 1
    assert ours["intertie_tries_total", "answered", AGGREGATOR] == 1
    assert ours["intertie_circuit_state", AGGREGATOR] == 0
    assert ours["intertie_receipt_seconds_count", "DA/outage_notice.scheduled"] == 1
    assert 0 < ours["intertie_receipt_seconds_sum", "DA/outage_notice.scheduled"] < 60
    assert ours["intertie_journal_entries",] >= 3 and ours["intertie_store_bytes",] > 4096
    assert ours["intertie_certificate_days_left", "tls"] > 300
    assert ours["intertie_keys_past_period",] == 0
    assert theirs["intertie_messages_total", "in", "DA/outage_notice.scheduled", UTILITY] == 1
    assert theirs["intertie_receipts_total", "out", UTILITY] == 1


def test_what_waits_is_seen_in_metrics_and_status(tmp_path: Path) -> None:
    utility, _ = make_pair(tmp_path)
    send(utility, AGGREGATOR, outage(tmp_path / "o.json"))
    idle = command("status", "--dir", utility, "--json").json
    assert idle["serving"] is None
    (queue,) = idle["status"]["queues"]
    assert (queue[0], queue[2] + queue[3]) == (AGGREGATOR, 1)
    assert "intertie serve" in command("status", "--dir", utility).out
    with served(utility):  # nobody answers at the other end
        until(lambda: samples(utility).get(("intertie_circuit_state", AGGREGATOR)) == 2)
        found = samples(utility)
        assert found["intertie_tries_total", "unanswered", AGGREGATOR] >= 1
        assert found["intertie_queue_oldest_seconds", AGGREGATOR, str(queue[1])] > 0
        said = command("status", "--dir", utility, "--json").json
        screen = command("status", "--dir", utility).out
    assert said["live"]["ready"] and said["live"]["circuits"][AGGREGATOR] in ("open", "half open")
    assert len(said["serving"]["workers"]) == 1
    for text in (AGGREGATOR, "circuit", "Queues", "ready", "certificates", "MiB"):
        assert text in screen, screen
    assert command("status", "--dir", utility, "--json").json["serving"] is None


def test_status_can_be_watched(pair: tuple[Path, Path]) -> None:
    screen, given = pty.openpty()
    watching = subprocess.Popen(
        [*PROGRAM, "status", "--watch", "--every", "0.2", "--dir", str(pair[0])], stdout=given, stderr=given
    )
    os.close(given)
    try:
        seen = b""
        while UTILITY.encode() not in seen:
            seen += os.read(screen, 65_536)
    finally:
        watching.send_signal(signal.SIGINT)
        code = watching.wait(30)
        os.close(screen)
    assert code == 130


def test_off_loopback_only_if_it_is_said(tmp_path: Path) -> None:
    utility, _ = make_pair(tmp_path)
    settings = utility / "intertie.toml"
    text = settings.read_text()
    settings.write_text(text.replace('# listen = "127.0.0.1:0" ', 'listen = "0.0.0.0:0" '))
    said = apart("serve", "--dir", utility)
    assert said.code == 1 and "anywhere = true" in said.err


def test_workers_share_the_door_and_one_that_is_killed_is_replaced(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    utility, aggregator = pair
    before = set(received(aggregator))
    with served(utility), workers(aggregator, 2) as supervisor:
        first = serving(aggregator)
        assert [w.number for w in first.workers] == [0, 1]
        send(utility, AGGREGATOR, outage(tmp_path / "a.json", "W-1"), "--wait", "60")
        for number in (0, 1):
            old = serving(aggregator).workers[number].pid
            os.kill(old, signal.SIGKILL)
            until(lambda number=number, old=old: serving(aggregator).workers[number].pid != old)  # type: ignore[misc]
        send(utility, AGGREGATOR, outage(tmp_path / "b.json", "W-2"), "--wait", "60")
        until(lambda: get(aggregator, "/healthz").status_code == 200)
        found = samples(aggregator)
        assert found["intertie_messages_total", "in", "DA/outage_notice.scheduled", UTILITY] == 2
        assert sum(w.starts for w in serving(aggregator).workers) == 4
        assert apart("serve", "--dir", aggregator).code == 1  # served already
        supervisor.terminate()
        assert supervisor.wait(60) == 0
    assert len(set(received(aggregator)) - before) == 2
    assert who_serves(aggregator) is None


def test_workers_end_when_their_supervisor_is_killed(pair: tuple[Path, Path]) -> None:
    _, aggregator = pair
    with workers(aggregator, 2) as supervisor:
        pids = [w.pid for w in serving(aggregator).workers]
        supervisor.kill()
        supervisor.wait(10)
        until(lambda: not any(alive(pid) for pid in pids))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def queue_many(directory: Path, count: int, tmp_path: Path) -> None:
    """Messages in the outbox, without a process each."""
    for number in range(count):
        arguments = [
            "send", str(outage(tmp_path / "many.json", f"M-{number}")), "--to", AGGREGATOR,
            "--document", "outage_notice", "--mode", "scheduled", "--agreement", AGREEMENT,
            "--dir", str(directory),
        ]  # fmt: skip
        assert run(arguments) == 0


def test_an_end_under_load_loses_nothing(tmp_path: Path) -> None:
    """The receiver is told to stop while parcels come; everything arrives once, before or after."""
    utility, aggregator = make_pair(tmp_path)
    count = 10 + 25 * len(ENDINGS)
    queue_many(utility, 10, tmp_path)
    with served(utility):
        for ending in ENDINGS:
            with workers(aggregator, 2) as supervisor:
                queue_many(utility, 20, tmp_path)
                supervisor.send_signal(ending)
                queue_many(utility, 5, tmp_path)
                assert supervisor.wait(60) == 0
        with workers(aggregator, 2):
            until(lambda: len(received(aggregator)) >= count)
    with opened(utility) as it:
        sent = it.gateway.store.messages(Query(outgoing=True, limit=1000, bodies=False))
    assert {row.state for row in sent} <= {State.ACCEPTED, State.DUPLICATE}
    assert sorted(received(aggregator)) == sorted(row.id for row in sent) and len(sent) == count
    with opened(aggregator) as it:
        verify_journal(it.gateway.store)
    log = (aggregator / "serve.log").read_text()
    assert log.count('"stopped"') >= 2 * len(ENDINGS) + 2 and '"did not end' not in log


def test_a_partner_is_asked_to_stop_and_to_go_on(tmp_path: Path) -> None:
    utility, aggregator = make_pair(tmp_path)
    body = tmp_path / "bulk.json"
    body.write_text(json.dumps(command("example", "invoice").json), encoding="utf-8")
    with served(utility), served(aggregator):
        said = command("partner", "pause", AGGREGATOR, "--minutes", "5", "--dir", utility)
        assert said.code == 0 and "nothing that can wait" in said.out, said
        bulk = command(
            "send", body, "--to", UTILITY, "--document", "invoice", "--mode", "scheduled",
            "--agreement", AGREEMENT, "--dir", aggregator,
        )  # fmt: skip
        assert bulk.code == 0, bulk
        asset = tmp_path / "asset.json"
        asset.write_text(json.dumps(command("example", "asset_outage").json), encoding="utf-8")
        urgent = command(
            "send", asset, "--to", UTILITY, "--document", "asset_outage", "--mode", "real_time",
            "--agreement", AGREEMENT, "--wait", "60", "--dir", aggregator,
        )  # fmt: skip
        assert urgent.code == 0, urgent
        assert len(received(utility)) == 1
        screen = command("status", "--dir", aggregator).out
        assert f"{UTILITY} asked us to stop" in screen
        assert f"{AGGREGATOR} was asked to stop" in command("status", "--dir", utility).out
        assert command("partner", "resume", AGGREGATOR, "--dir", utility).code == 0
        until(lambda: len(received(utility)) == 2)
    for directory in (utility, aggregator):
        with opened(directory) as it:
            notes = [raw for _, raw, _ in it.gateway.store.entries()]
            assert any(b"stop asked for" in raw for raw in notes) and any(
                b"stop ended" in raw for raw in notes
            )
            verify_journal(it.gateway.store)


def test_logs_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    utility, _ = make_pair(tmp_path)
    settings = utility / "intertie.toml"
    settings.write_text(settings.read_text().replace('# format = "json"', 'format = "text"'))
    log = utility / "text.log"
    with log.open("ab") as out:
        process = subprocess.Popen([*PROGRAM, "serve", "--dir", str(utility)], stderr=out)
    wait_for_line(log, 0, "listening", process)
    process.terminate()
    assert process.wait(30) == 0
    first = next(line for line in log.read_text().splitlines() if " listening " in line)
    assert " info " in first and f"party={UTILITY}" in first and not first.startswith("{")
    assert here(capsys, "status", "--dir", utility).code == 0
