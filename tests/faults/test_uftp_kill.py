"""kill -9 of a serving gateway at random moments while a partner speaks UFTP with it, both ways: what was acknowledged is there,
once, and what was queued arrives, once. `INTERTIE_SOAK=1` kills it twenty times."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from tests.command.gateways import served
from tests.exchange.uftp_world import POINT, TEXT, ZONE
from tests.interop.test_uftp import DAY, FIRST, NEED
from tests.interop.uftp_house import OURS, SEED, THEIRS, legacy_text
from tests.ports import free_port

from intertie.cli import run
from intertie.exchange.outbound import State
from intertie.formats.uftp import messages as m
from intertie.formats.uftp.forms import Role
from intertie.gateway.ports import Query
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.model.availability import LoadPrognosis
from intertie.model.documents import read_message
from intertie.model.ids import ConversationId, InterfaceCode
from intertie.model.message import Mode
from intertie.run import Opened
from intertie.seal.sodium_sign import SodiumKey, open_signed

KILLS = 20 if os.environ.get("INTERTIE_SOAK") == "1" else 3
# What is under way between two kills.
EACH = 6
# As long as a loaded machine may need for all that is left.
PATIENCE = 90.0
KEY = SodiumKey.of_seed(SEED.encode())
PATH = "/shapeshifter/api/v3/message"


class Aggregator:
    """A partner's program: it posts until it is told 200, and answers until its answer is taken."""

    def __init__(self, door: int, our_key: bytes) -> None:
        self._url, self._our_key = f"http://127.0.0.1:{door}{PATH}", our_key
        self.acknowledged: dict[str, int] = {}  # our prognoses: revision by id
        self.requests: dict[str, set[bytes]] = {}  # theirs, by id: all that ever came
        self.answers: dict[str, set[bytes]] = {}  # theirs to our prognoses
        self._lock, self.stopped = threading.Lock(), threading.Event()
        self._threads: list[threading.Thread] = []
        outer = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer._take(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _take(self, raw: bytes) -> None:
        signed = m.read_signed(raw).body
        message = m.read_payload(open_signed(signed, self._our_key))
        with self._lock:
            if isinstance(message, m.FlexRequest):
                self.requests.setdefault(message.message_id, set()).add(signed)
                said = m.FlexRequestResponse(
                    **self._meta(message.conversation_id), reference=message.message_id
                )
                self._start(said)
            else:
                assert isinstance(message, m.DPrognosisResponse) and message.result == "Accepted", message
                self.answers.setdefault(str(message.answers), set()).add(signed)

    def _meta(self, conversation: str) -> dict[str, Any]:
        return {
            "sender_domain": THEIRS,
            "recipient_domain": OURS,
            "time_stamp": datetime.now(UTC),
            "message_id": str(uuid.uuid4()),
            "conversation_id": conversation,
        }

    def prognosis(self, revision: int) -> None:
        said = m.DPrognosis(
            **self._meta(str(uuid.uuid4())),
            isp_duration=timedelta(minutes=15),
            time_zone=ZONE,
            period=DAY,
            congestion_point=POINT,
            revision=revision,
            isps=(m.Isp(power=revision, start=FIRST, duration=2),),
        )
        self._start(said, revision)

    def _start(self, said: m.Payload, revision: int | None = None) -> None:
        thread = threading.Thread(target=self._post, args=(said, revision), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _post(self, said: m.Payload, revision: int | None) -> None:
        raw = m.write(
            m.SignedMessage(sender_domain=THEIRS, sender_role=Role.AGR, body=KEY.sign(m.write(said)))
        )
        while not self.stopped.is_set():
            with contextlib.suppress(httpx.HTTPError):
                answer = httpx.post(self._url, content=raw, headers={"content-type": "text/xml"}, timeout=10)
                if answer.status_code == 200:
                    if revision is not None:
                        with self._lock:
                            self.acknowledged[said.message_id] = revision
                    return
            time.sleep(0.05)

    def wait(self, done: Any) -> None:
        end = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < end, (len(self.acknowledged), len(self.answers), len(self.requests))
            time.sleep(0.05)


@contextlib.contextmanager
def partners(base: Path) -> Iterator[tuple[Path, Opened, Aggregator]]:
    """A utility's gateway that is not served yet, and an aggregator that its file knows."""
    directory, door = base / "ours", free_port()
    url = f"https://127.0.0.1:{free_port()}"
    assert run(["init", OURS, "--role", "distribution_utility", "--url", url, "--dir", str(directory)]) == 0
    path = directory / "intertie.toml"
    text = path.read_text().replace("[uftp]", f'[uftp]\ndomain = "{OURS}"\nlisten = "127.0.0.1:{door}"')
    assert "# retry_ceiling_seconds = 300.0" in text
    path.write_text(text.replace("# retry_ceiling_seconds = 300.0", "retry_ceiling_seconds = 0.5"))
    it = Opened(directory)
    assert it.uftp is not None
    partner = Aggregator(door, it.uftp.public_key(datetime.now(UTC)))
    contract = replace(TEXT, buyer=OURS, seller=THEIRS, effective=datetime.now(UTC) - timedelta(days=1))
    legacy = base / "theirs.legacy"
    legacy.write_text(legacy_text("der_aggregator", "AGR", partner.port, contract))
    assert run(["partner", "legacy", THEIRS, str(legacy), "--dir", str(directory)]) == 0
    try:
        yield directory, it, partner
    finally:
        partner.stopped.set()
        partner.server.shutdown()
        partner.server.server_close()
        it.close()


def ask(it: Opened, name: str) -> str:
    """A need of ours is queued, whether or not anybody serves."""
    out = Outgoing(
        body=replace(NEED, need=name),
        recipient=THEIRS,
        interface=InterfaceCode("DA"),
        mode=Mode.SCHEDULED,
        agreement=TEXT.agreement,
        conversation=ConversationId(str(uuid.uuid4())),
    )
    return send(it.gateway, [out], datetime.now(UTC))[0]


@pytest.mark.timeout(1200 if KILLS > 3 else 240)
def test_nothing_acknowledged_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    chance = random.Random(5)
    with partners(tmp_path) as (directory, it, partner):
        queued, revision = [], 0
        for number in range(KILLS + 1):
            last = number == KILLS
            with served(directory, ending=signal.SIGTERM if last else signal.SIGKILL):
                for _ in range(EACH):
                    revision += 1
                    partner.prognosis(revision)
                    queued.append(ask(it, f"N{revision}"))
                    if not last:
                        time.sleep(chance.uniform(0, 0.08))
                if last:
                    partner.wait(lambda: len(partner.answers) == (KILLS + 1) * EACH)
                    partner.wait(lambda: all(it.store.message(q, outgoing=True).done_at for q in queued))  # type: ignore[union-attr, arg-type]
        check(it, partner, queued, revision)


def check(it: Opened, partner: Aggregator, queued: list[str], revision: int) -> None:
    """Each way: all of it, once, and always in the same bytes."""
    came = it.store.messages(Query(outgoing=False, limit=1000))
    bodies = [read_message(row.body)[1] for row in came]
    revisions = sorted(body.revision for body in bodies if isinstance(body, LoadPrognosis))
    assert revisions == sorted(partner.acknowledged.values()) == list(range(1, revision + 1))
    assert partner.answers.keys() == partner.acknowledged.keys()
    assert all(len(one) == 1 for one in partner.answers.values()), "two answers to one message"
    went = {row.id: row.state for row in it.store.messages(Query(outgoing=True, limit=1000))}
    assert went == dict.fromkeys(queued, State.ACCEPTED)
    assert partner.requests.keys() == set(queued)
    assert all(len(one) == 1 for one in partner.requests.values()), "one message in two forms"
    needs = it.gateway.books.of(it.store, THEIRS).ledger.book.offers.needs
    assert len(needs) == len(queued)
    assert verify_journal(it.gateway.store) == it.store.head()
