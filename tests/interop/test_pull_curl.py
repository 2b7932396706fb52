"""A partner without a door whose client is `curl`: token, long poll, receipt, by nothing but HTTP and a client certificate."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from tests.exchange.https_world import (
    AGGREGATOR,
    UTILITY,
    Door,
    ca_text,
    make_ca,
    make_house,
    now,
    queue_one,
    wait_until,
)
from tests.exchange.pull_world import Pair, make_pair

from intertie.exchange.outbound import State
from intertie.gateway.gateway import Peer
from intertie.gateway.receiving.accept_parcel import accept

CURL = shutil.which("curl") or ""
pytestmark = pytest.mark.skipif(not CURL, reason="the program curl is not installed")


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    ca = make_ca()
    return make_pair(make_house(tmp_path / "u", ca, UTILITY), make_house(tmp_path / "a", ca, AGGREGATOR))


class Curl:
    """curl with the aggregator's certificate, at one door."""

    def __init__(self, pair: Pair, door: Door) -> None:
        self.url, folder = door.url, pair.aggregator.directory
        self.roots = folder / "root.crt"
        self.roots.write_text(ca_text(pair.utility))
        self.keys = folder / "keys"
        form = f"grant_type=client_credentials&client_id={AGGREGATOR}&scope=PULL/parcels"
        said = self("/oauth/token", "--data", form)
        self.token = json.loads(said)["access_token"]

    def __call__(self, path: str, *more: str) -> bytes:
        key, chain = self.keys / "tls.key.pem", self.keys / "tls.crt.pem"
        command = [CURL, "-sS", "--cacert", self.roots, "--cert", chain, "--key", key, *more, self.url + path]
        done = subprocess.run(command, capture_output=True, timeout=40, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def authorized(self, path: str, *more: str) -> bytes:
        return self(path, "-H", f"Authorization: Bearer {self.token}", *more)


def test_curl_waits_for_a_parcel_and_confirms_it(pair: Pair, tmp_path: Path) -> None:
    with pair.door() as door:
        curl = Curl(pair, door)
        head, body, receipt = tmp_path / "head", tmp_path / "parcel", tmp_path / "receipt"
        asked = "/parcels/next?wait=10", "-D", str(head), "-o", str(body)
        waiting = threading.Thread(target=curl.authorized, args=asked, daemon=True)
        waiting.start()
        wait_until(lambda: door.app._pull.waiting.open[AGGREGATOR] == 1)
        message = queue_one(pair.utility, pair.aggregator)
        waiting.join(20)
        lines = dict(line.split(": ", 1) for line in head.read_text().splitlines() if ": " in line)
        assert lines["content-type"] == "application/vnd.intertie.parcel"
        receipt.write_bytes(accept(pair.aggregator.gateway, body.read_bytes(), peer=Peer(UTILITY), now=now()))
        code = curl.authorized(
            f"{lines['content-location']}/receipt",
            *("-H", "content-type: application/jose+json", "--data-binary", f"@{receipt}"),
            *("-w", "%{http_code}"),
        )
        assert code == b"204"
        empty = curl.authorized("/parcels/next", "-w", "%{http_code}")
        assert empty == b"204"
    assert pair.state(message) is State.ACCEPTED
    assert pair.received() == [message]


def test_curl_refuses_a_parcel_with_a_problem(pair: Pair, tmp_path: Path) -> None:
    message = queue_one(pair.utility, pair.aggregator)
    with pair.door() as door:
        curl = Curl(pair, door)
        head = tmp_path / "head"
        curl.authorized("/parcels/next", "-D", str(head), "-o", str(tmp_path / "parcel"))
        place = next(
            line.split(": ")[1] for line in head.read_text().splitlines() if "content-location" in line
        )
        refusal = json.dumps(
            {"status": 422, "code": "cannot_open", "detail": "it does not open", "retry": False}
        )
        code = curl.authorized(
            f"{place}/receipt",
            *("-H", "content-type: application/problem+json", "--data-binary", refusal),
            *("-w", "%{http_code}"),
        )
        assert code == b"204"
    assert pair.state(message) is State.REFUSED
