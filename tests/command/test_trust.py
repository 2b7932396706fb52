"""`intertie trust`, and a serving gateway that fetches lists by itself."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.command.gateways import AGGREGATOR, PROGRAM, here, make_pair, served
from tests.ports import free_port

from intertie.seal.certificates import load_trust
from intertie.stores.partner_files import PartnerFiles
from intertie.stores.trust_files import TrustFiles

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def gateway(tmp_path: Path, capsys: Capsys) -> Path:
    made = here(capsys, "init", "utility.example", "--role", "distribution_utility", "--dir", tmp_path / "g")
    assert made.code == 0, made.err
    return tmp_path / "g"


def test_list_shows_roots_lists_and_their_age(gateway: Path, capsys: Capsys) -> None:
    assert here(capsys, "ca", "crl", "--ca", gateway / "ca").code == 0
    for family in ("ec", "mldsa"):
        said = here(capsys, "trust", "add", gateway / "ca" / f"{family}.crl.pem", "--dir", gateway)
        assert said.code == 0, said.err
    told = here(capsys, "trust", "list", "--dir", gateway, "--json").json
    assert told["require"] == "if_listed"
    kinds = [(line["kind"], line["state"]) for line in told["trust"]]
    assert sorted(kinds) == [("list", "fresh")] * 2 + [("root", "valid")] * 2
    table = here(capsys, "trust", "list", "--dir", gateway).out
    assert "number 1, 0 revoked" in table
    assert "everybody" in table


def test_add_for_one_party_and_remove(gateway: Path, tmp_path: Path, capsys: Capsys) -> None:
    here(capsys, "ca", "init", "--ca", tmp_path / "theirs", "--name", "Theirs")
    root = tmp_path / "theirs" / "roots.pem"
    added = here(capsys, "trust", "add", root, "--party", AGGREGATOR, "--dir", gateway, "--json").json
    assert added["file"] == f"{AGGREGATOR}/roots.pem"
    again = here(capsys, "trust", "add", root, "--party", AGGREGATOR, "--dir", gateway)
    assert again.code == 1
    only = [line["only"] for line in here(capsys, "trust", "list", "--dir", gateway, "--json").json["trust"]]
    assert only.count(AGGREGATOR) == only.count(None) == 2
    assert here(capsys, "trust", "remove", added["file"], "--dir", gateway).code == 0
    assert len(load_trust(gateway / "trust").roots) == 2
    last = here(capsys, "trust", "remove", "trial-ca.pem", "--dir", gateway)
    assert last.code == 1
    assert "no trusted root" in last.err


def test_refresh_without_addresses_and_with_one_that_is_down(gateway: Path, capsys: Capsys) -> None:
    said = here(capsys, "trust", "refresh", "--dir", gateway)
    assert said.code == 0
    assert "No certificate in use says" in said.out
    settings = gateway / "intertie.toml"
    text = settings.read_text()
    settings.write_text(text.replace("# crls = []  ", 'crls = ["http://127.0.0.1:1/x.crl"]  '))
    said = here(capsys, "trust", "refresh", "--dir", gateway, "--json")
    assert said.code == 1
    (line,) = json.loads(said.out)["fetched"]
    assert "no answer" in line["why"]


def test_the_doctor_names_lists_that_are_out_of_date(gateway: Path, capsys: Capsys) -> None:
    here(capsys, "ca", "crl", "--ca", gateway / "ca", "--days", "0")
    here(capsys, "trust", "add", gateway / "ca" / "ec.crl.pem", "--dir", gateway)
    settings = gateway / "intertie.toml"
    settings.write_text(settings.read_text().replace("# clock_skew_seconds = 30", "clock_skew_seconds = 1"))
    time.sleep(2.1)
    found = here(capsys, "doctor", "--dir", gateway, "--json").out
    findings = [one for one in json.loads(found)["findings"] if one["check"] == "revocation"]
    assert any("out of date" in one["what"] for one in findings)
    assert any("revocation_unknown" in one["what"] for one in findings if one["state"] == "fail")


@contextmanager
def responder(ca: Path, port: int) -> Iterator[None]:
    command = [*PROGRAM, "ca", "ocsp", "--listen", f"127.0.0.1:{port}", "--ca", str(ca)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert b"lists at" in process.stdout.readline()
        yield
    finally:
        process.terminate()
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()


def reissue(capsys: Capsys, directory: Path, ca: Path, port: int, base: Path) -> str:
    """New keys whose certificates say where their status is; the serial number of ES256's."""
    assert here(capsys, "keys", "rotate", "--csr", base / "r", "--dir", directory).code == 0
    named = [part for file in sorted((base / "r").glob("*.pem")) for part in ("--csr", str(file))]
    url = f"http://127.0.0.1:{port}/"
    more = ("--crl-url", url + "{family}.crl", "--ocsp-url", url, "--out", base / "c", "--json")
    chains = here(capsys, "ca", "issue", "--ca", ca, "--party", AGGREGATOR, *named, *more).json["chains"]
    files = [line["file"] for line in chains]
    done = here(capsys, "keys", "install", *files, "--overlap", "0s", "--dir", directory)
    assert done.code == 0, done.err
    return next(line["serial"] for line in chains if "ES256" in line["file"])


def test_a_serving_gateway_fetches_and_a_revoked_partner_is_out(tmp_path: Path, capsys: Capsys) -> None:
    utility, aggregator = make_pair(tmp_path)
    ca, port = utility / "ca", free_port()
    serial = reissue(capsys, aggregator, ca, port, tmp_path)
    assert here(capsys, "partner", "add", aggregator / "descriptor.json", "--dir", utility).code == 0
    settings = utility / "intertie.toml"
    settings.write_text(settings.read_text().replace("# refresh_seconds = 3600.0", "refresh_seconds = 10.0"))
    with responder(ca, port), served(utility), served(aggregator):
        wait_until(lambda: len(list((utility / "trust").glob("fetched-*.crl.pem"))) == 2)
        wait_until(lambda: len(list((utility / "trust" / "ocsp").glob("*.der"))) == 4)
        assert here(capsys, "ca", "revoke", serial, "--reason", "key_compromise", "--ca", ca).code == 0
        wait_until(lambda: revoked(utility), seconds=30)
    log = (utility / "serve.log").read_text()
    assert "status of certificates" in log


def revoked(directory: Path) -> bool:
    """Whether the folder that the serving gateway keeps knows of the revocation."""
    trust = TrustFiles(directory / "trust", time.monotonic)
    partners = PartnerFiles(directory / "partners", trust, time.monotonic)
    (chain,) = partners.all()[0].keys.signing["ES256"]
    return trust.present().is_revoked(chain[0], datetime.now(UTC))


def wait_until(is_so: Callable[[], bool], *, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)
