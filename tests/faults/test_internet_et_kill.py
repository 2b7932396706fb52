"""`kill -9` of a gateway that speaks Internet ET, at random moments: taking packages, what was receipted is there, once, and each
receipt is the one that was kept; sending, each message has one effect at the partner. `INTERTIE_SOAK=1` kills twenty times."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
from tests.command.as2_houses import notices
from tests.exchange.et_world import BOUNDARY, key_of
from tests.faults.killing import kill_and_wait, open_messages, serve
from tests.interop.et_house import THEM, US, legacy_text, make_house
from tests.interop.sftp_house import table
from tests.ports import free_port

from intertie.bindings.internet_et.client import SECURITY
from intertie.bindings.internet_et.kept import KeptAnswers, KeptReceipt, read_kept
from intertie.cli import run
from intertie.exchange.outbound import State
from intertie.formats.internet_et import receipt as receipts
from intertie.formats.internet_et.fields import REPORT
from intertie.formats.internet_et.form import read_form, write_form
from intertie.formats.internet_et.package import read_package, write_inside, write_package
from intertie.formats.internet_et.signed import read_signed, write_signed
from intertie.formats.upload_terms import hash_secret
from intertie.gateway.ports import Query
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.run import Opened
from intertie.seal.pgp import open_package, verify_detached

ROUNDS = 20 if os.environ.get("INTERTIE_SOAK") else 2
FILES = 5  # in a round
KEY = key_of("partner")
HTTP = 'listen = "127.0.0.1:6304"\ncode = "006982359"\n'


def make(tmp_path: Path, there: int = 0) -> tuple[Path, int, str]:
    """The gateway, its port, and its public key; it sends, if its partner is at a port `there`."""
    place, port = tmp_path / "gateway", free_port()
    make_house(place, port, HTTP, writes=bool(there))
    file = tmp_path / "them.file"
    text = legacy_text(KEY.public, hash_secret(""), writes=not there)
    text = text.replace("https://et.sunwind.example:6304/", f"http://127.0.0.1:{there}/")
    file.write_text("\n".join(line for line in text.splitlines() if not line.startswith("their_")))
    assert run(["partner", "legacy", US if there else THEM, str(file), "--dir", str(place)]) == 0
    it = Opened(place)
    try:
        assert it.internet_et is not None
        return place, port, it.internet_et.public_key()
    finally:
        it.close()


class Partner(threading.Thread):
    """Sends files one after the other, each until it has a receipt, as the standard has it: a new refnum each time."""

    def __init__(self, port: int, theirs: str, count: int) -> None:
        super().__init__()
        self.url, self.theirs, self.count = f"http://127.0.0.1:{port}/internet-et", theirs, count
        self.receipts: dict[int, bytes] = {}
        self.refnum = 0

    def run(self) -> None:
        with httpx.Client(timeout=20, trust_env=False) as http:
            for number in range(self.count):
                inside = write_inside(table(f"OUT-{number}"), "text/csv")
                first = self.refnum + 1
                while number not in self.receipts:
                    self.refnum += 1
                    answer = self._answer(http, first, inside)
                    if answer is not None:
                        self.receipts[number] = answer

    def _answer(self, http: httpx.Client, first: int, inside: bytes) -> bytes | None:
        fields = elements("123456789", "006982359") | {"refnum": str(self.refnum), "refnum-orig": str(first)}
        kind, data = write_package(KEY.seal(inside, self.theirs, datetime.now(UTC)), "--p")
        body = write_form(fields, "x.pgp", kind, data, BOUNDARY)
        headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
        try:
            answer = http.post(self.url, content=body, headers=headers)
        except httpx.HTTPError:
            time.sleep(0.1)
            return None
        if answer.status_code != 200:
            return None
        report = read_signed(answer.headers["content-type"], answer.content, (self.theirs,))
        said = receipts.read(report.body)
        assert report.signed is not None and said is not None and said.status == "ok", said
        return answer.content


def elements(sender: str, recipient: str) -> dict[str, str]:
    return {
        "from": sender,
        "to": recipient,
        "version": "1.6",
        "receipt-disposition-to": sender,
        "receipt-report-type": REPORT,
        "input-format": "FF",
        "receipt-security-selection": SECURITY,
    }


class Server(BaseHTTPRequestHandler):
    """The partner's door: it opens what comes, notes it, and gives a receipt."""

    theirs: str
    came: ClassVar[list[tuple[str, str, bytes]]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        form = read_form(self.headers["content-type"], body)
        opened = open_package(read_package(form.kind, form.data or b""), [KEY], 10**6)
        verify_detached(opened.content, opened.signatures[0], [self.theirs])
        self.came.append((form.fields["refnum"], form.fields["refnum-orig"], opened.content))
        at = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
        report = receipts.report(receipts.Receipt(at, "ok", "partner", str(len(self.came))), "NAESB1")
        kind, answer = write_signed(report, REPORT, "NAESB1", "--s", KEY.sign)
        with contextlib.suppress(OSError):
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        return


@pytest.mark.timeout(300 if ROUNDS < 20 else 1800)
def test_what_was_receipted_is_there_once(tmp_path: Path) -> None:
    place, port, theirs = make(tmp_path)
    chance = random.Random(7)
    taker = serve(place)
    partner = Partner(port, theirs, ROUNDS * FILES)
    partner.start()
    try:
        for _ in range(ROUNDS):
            seen = len(partner.receipts)
            deadline = time.monotonic() + 60
            while len(partner.receipts) == seen and partner.is_alive() and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(chance.uniform(0.0, 0.4))
            taker = kill_and_wait(taker, place)
        partner.join(240)
        assert not partner.is_alive() and len(partner.receipts) == partner.count
    finally:
        taker.send_signal(signal.SIGTERM)
        taker.wait(30)
    it = Opened(place)
    try:
        rows = list(it.store.messages(Query(outgoing=False, limit=1000)))
        assert len(rows) == partner.count and len({row.parcel for row in rows}) == partner.count
        kept = set()
        for row in rows:
            parcel = it.store.parcel(row.parcel, outgoing=False)  # type: ignore[arg-type]
            assert parcel is not None and parcel.receipt is not None
            found = read_kept(parcel.receipt)
            receipt = found.receipt if isinstance(found, KeptAnswers) else found
            assert isinstance(receipt, KeptReceipt)
            kept.add(receipt.body)
        assert set(partner.receipts.values()) == kept, "each receipt that went is the one that was kept"
        verify_journal(it.store)
    finally:
        it.close()


@pytest.mark.timeout(300 if ROUNDS < 20 else 1800)
def test_what_was_sent_has_one_effect_at_the_partner(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    place, _, Server.theirs = make(tmp_path, server.server_address[1])
    Server.came = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    chance = random.Random(11)
    it = Opened(place)
    sender = serve(place)
    try:
        for count in range(ROUNDS):
            seen = len(Server.came)
            notices(it, FILES, count * FILES)
            deadline = time.monotonic() + 60
            while len(Server.came) == seen and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(chance.uniform(0.0, 0.2))
            sender = kill_and_wait(sender, place)
        deadline = time.monotonic() + 120
        while open_messages(it.gateway) and time.monotonic() < deadline:
            time.sleep(0.1)
        rows = list(it.store.messages(Query(outgoing=True, limit=1000)))
        assert {row.state for row in rows} == {State.ACCEPTED} and len(rows) == ROUNDS * FILES
        effects: dict[str, bytes] = {}
        for _, first, content in Server.came:
            assert effects.setdefault(first, content) == content, "a resend is what was sent"
        numbers = [refnum for refnum, _, _ in Server.came]
        assert len(set(numbers)) == len(numbers), "no refnum twice"
        assert len(effects) == len(rows)
        verify_journal(it.store)
    finally:
        sender.send_signal(signal.SIGTERM)
        sender.wait(30)
        it.close()
        server.shutdown()
        server.server_close()
