"""Two organisations, two processes: who rewrote a journal is convicted by a file; time is stamped; evidence is renewed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import msgspec
import pytest
from tests.command.gateways import AGGREGATOR, UTILITY, command, here, make_pair, outage, served
from tests.exchange.witness_world import entries_of, rebuild
from tests.tsa import Tsa, needs_openssl, tsa_server

OUTAGE = ("--to", AGGREGATOR, "--document", "outage_notice", "--mode", "scheduled", "--agreement", "BASE-1")


class Two:
    """A utility that sent two messages to an aggregator; neither is served."""

    def __init__(self, base: Path) -> None:
        self.utility, self.aggregator = make_pair(base)
        with served(self.utility), served(self.aggregator):
            files = [outage(base / f"{n}.json", f"OUT-{n}") for n in (1, 2)]
            said = command("send", *files, *OUTAGE, "--dir", self.utility, "--wait", "60", "--json").json
        assert [m["state"] for m in said["messages"]] == ["accepted"] * 2
        self.messages = [m["id"] for m in said["messages"]]
        self.roots = self.utility / "trust" / "trial-ca.pem"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Two:
    return Two(tmp_path_factory.mktemp("two"))


@pytest.fixture
def partner_up(two: Two) -> Iterator[None]:
    with served(two.aggregator):
        yield


def test_an_honest_partner(two: Two, partner_up: None, capsys: pytest.CaptureFixture[str]) -> None:
    said = here(capsys, "journal", "audit", "--dir", two.utility, "--json").json
    assert said["sound"] is True
    assert (said["own"]["state"], said["partners"][0]["state"]) == ("consistent", "consistent")
    assert (said["partners"][0]["party"], said["evidence"], said["silent"]) == (AGGREGATOR, {}, {})
    for more in (("--partner", AGGREGATOR), ("--everything",)):
        text = here(capsys, "journal", "audit", *more, "--dir", two.utility)
        assert text.code == 0
        assert "consistent" in text.out and AGGREGATOR in text.out


def test_a_message_is_in_the_partners_journal(
    two: Two, partner_up: None, capsys: pytest.CaptureFixture[str]
) -> None:
    said = here(capsys, "journal", "prove", two.messages[0], "--dir", two.utility, "--json").json
    assert said["partner"] == AGGREGATOR
    assert [e["entry"]["kind"] for e in said["entries"]] == ["message_in", "receipt_out"]
    assert "message_in" in here(capsys, "journal", "prove", two.messages[0], "--dir", two.utility).out
    nobody = here(capsys, "journal", "prove", "019aab5c-1c00-7000-8000-000000000001", "--dir", two.utility)
    assert (nobody.code, "no message" in nobody.err) == (1, True)


def test_a_partner_that_cannot_be_reached_leaves_it_open(
    two: Two, capsys: pytest.CaptureFixture[str]
) -> None:
    said = here(capsys, "journal", "audit", "--dir", two.utility)
    assert said.code == 1
    assert "unreachable" in said.out
    unknown = here(capsys, "journal", "audit", "--partner", "nobody.example", "--dir", two.utility)
    assert (unknown.code, "no partner here" in unknown.err) == (1, True)


def test_a_rewritten_journal_is_proven_to_a_third_person(
    two: Two, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = two.aggregator / "store.db"
    kept = tmp_path / "kept.db"
    shutil.copy(store, kept)
    entries = entries_of(store)
    entries[0] = msgspec.structs.replace(entries[0], note="as if")
    rebuild(store, entries)
    try:
        assert here(capsys, "journal", "verify", "--dir", two.aggregator).code == 0  # sound in itself
        with served(two.aggregator):
            said = command("journal", "audit", "--dir", two.utility, "--to", tmp_path / "found", "--json")
            command("journal", "audit", "--dir", two.utility, "--to", tmp_path / "found")
        found = json.loads(said.out)
        assert (said.code, found["sound"], found["partners"][0]["state"]) == (1, False, "rewritten")
        file = Path(found["evidence"][AGGREGATOR])
        own = here(capsys, "journal", "audit", "--dir", two.aggregator, "--json")
        assert json.loads(own.out)["own"]["state"] == "rewritten"
    finally:
        shutil.copy(kept, store)
        for suffix in ("-wal", "-shm"):
            Path(f"{store}{suffix}").unlink(missing_ok=True)
    court = tmp_path / "court"
    court.mkdir()
    shutil.copy(file, court / "evidence.json")
    shutil.copy(two.roots, court / "roots.pem")
    verdict = command("evidence", "verify", "evidence.json", "--trust", "roots.pem", cwd=court)
    assert verdict.code == 0, verdict.err
    for part in (AGGREGATOR, "cannot both be true", "checkpoint", "ML-DSA-65"):
        assert part in verdict.out
    report = command("evidence", "verify", "evidence.json", "--trust", "roots.pem", "--json", cwd=court).json
    assert (report["report"]["kind"], report["report"]["party"]) == ("equivocation", AGGREGATOR)


@needs_openssl
def test_time_stamps_and_evidence_with_one(
    two: Two, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tsa = Tsa(tmp_path / "tsa")
    empty = here(capsys, "journal", "stamps", "--dir", two.utility)
    assert "No time stamp" in empty.out
    with tsa_server(tsa) as url:
        strange = here(capsys, "journal", "stamp", "--tsa", url, "--dir", two.utility)
        assert (strange.code, "no root" in strange.err) == (1, True)
        (two.utility / "tsa").mkdir()
        shutil.copy(tsa.root, two.utility / "tsa" / "root.pem")
        online = here(capsys, "journal", "stamp", "--tsa", url, "--dir", two.utility, "--json").json
    assert (online["authority"], online["verified"]) == ("CN=Test TSA", True)
    query = tmp_path / "query.tsq"
    assert here(capsys, "journal", "stamp", "--request", query, "--dir", two.utility).code == 0
    reply = tmp_path / "reply.tsr"
    reply.write_bytes(tsa.reply(query.read_bytes()))
    assert "CN=Test TSA says" in here(capsys, "journal", "stamp", "--reply", reply, "--dir", two.utility).out
    listed = here(capsys, "journal", "stamps", "--dir", two.utility, "--json").json["stamps"]
    assert [(s["size"] >= online["size"], s["verified"]) for s in listed] == [(True, True)] * 2
    assert "CN=Test TSA" in here(capsys, "journal", "stamps", "--dir", two.utility).out
    wrong = here(capsys, "journal", "stamp", "--dir", two.utility)
    assert (wrong.code, "Give one of" in wrong.err) == (1, True)

    file = tmp_path / "evidence.json"
    assert here(capsys, "evidence", "export", two.messages[0], "-o", file, "--dir", two.utility).code == 0
    checked = here(capsys, "evidence", "verify", file, "--trust", two.roots, "--tsa", tsa.root)
    assert "stamped    the receipt was there at" in checked.out
    assert "not checked" in here(capsys, "evidence", "verify", file, "--trust", two.roots).out
    other = Tsa(tmp_path / "other")
    said = here(capsys, "evidence", "verify", file, "--trust", two.roots, "--tsa", other.root)
    assert (said.code, "step 13" in said.err) == (1, True)


def test_evidence_is_renewed(two: Two, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    assert here(capsys, "evidence", "export", two.messages[1], "-o", old, "--dir", two.utility).code == 0
    renewed = here(
        capsys, "evidence", "renew", old, "-o", new, "--profile", "hybrid-high", "--dir", two.utility
    )
    assert "renewed" in renewed.out, renewed.err
    said = here(capsys, "evidence", "verify", new, "--trust", two.roots)
    for part in ("renewed    by " + UTILITY, "hybrid-high", "inside", "outage_notice"):
        assert part in said.out
    assert (
        here(capsys, "evidence", "renew", old, "-o", new, "--dir", two.utility).code == 1
    )  # it is there already
    damaged = tmp_path / "damaged.json"
    damaged.write_bytes(old.read_bytes()[:-1])
    refused = here(capsys, "evidence", "renew", damaged, "-o", tmp_path / "no.json", "--dir", two.utility)
    assert (refused.code, "step 1" in refused.err) == (1, True)
    assert not (tmp_path / "no.json").exists()


def test_what_lapses(
    two: Two, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    none = here(capsys, "evidence", "lapsing", "--within", "365d", "--dir", two.utility)
    assert "No proof ends within 365 days" in none.out
    monkeypatch.setattr(
        "intertie.gateway.proving.renew_evidence.proof_until", lambda profile: date(2035, 12, 31)
    )
    listed = here(capsys, "evidence", "lapsing", "--within", "9000d", "--dir", two.utility, "--json").json[
        "messages"
    ]
    assert sorted(m["id"] for m in listed) == sorted(two.messages)
    assert {m["until"] for m in listed} == {"2035-12-31"}
    assert (
        two.messages[0] in here(capsys, "evidence", "lapsing", "--within", "9000d", "--dir", two.utility).out
    )
    many = (
        "evidence",
        "renew",
        "--all",
        "--within",
        "9000d",
        "--to",
        tmp_path / "renewed",
        "--dir",
        two.utility,
    )
    assert len(here(capsys, *many, "--json").json["renewed"]) == 2
    files = sorted(path.name for path in (tmp_path / "renewed").iterdir())
    assert files == sorted(f"{m}-to-{AGGREGATOR}.json" for m in two.messages)
    assert here(capsys, "evidence", "verify", tmp_path / "renewed" / files[0], "--trust", two.roots).code == 0
    assert "Nothing to renew" in here(capsys, *many).out
    for wrong in (("--within", "9000"), ("--within", "x")):
        assert here(capsys, "evidence", "lapsing", *wrong, "--dir", two.utility).code == 2
    assert here(capsys, "evidence", "renew", "--all", "--dir", two.utility).code == 1
