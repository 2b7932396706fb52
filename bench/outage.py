"""An outage notice to every partner while billing is under way: `make bench ONLY=outage`. Every receipt within 2 s is the aim.

One utility delivers as `intertie serve` does, from a durable store, over mutual TLS; the partners are gateways of their own,
with keys, store and door each, a few processes for all of them. Billing waits for some of the partners, more than their
parcels can carry at once; when the first of it is receipted, one notice is queued for every partner. Three times: with nothing
else to do and no connection yet, during billing over connections that are there, and during billing without any.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from bench.gateways import QUOTA, add_settings, free_port
from bench.messages import AGREEMENT
from intertie.bindings.operations.metrics import Meter
from intertie.bindings.operations.telemetry import Tracer
from intertie.cli import run as command
from intertie.exchange.outbound import State
from intertie.gateway.sending.send_message import Outgoing, queue, send
from intertie.model.documents import example
from intertie.model.ids import ConversationId, InterfaceCode, MessageId, ParcelId, PartyId, new_message_id
from intertie.model.message import Mode, utc, write_message
from intertie.run import Opened, opened
from intertie.run.deliveries import Deliveries
from intertie.run.serving import SWITCH_SECONDS

UTILITY = PartyId("utility.bench")
DA = InterfaceCode("DA")
BILL, NOTICE = "invoice", "outage_notice"
# Messages queued in one call while the backlog is made.
CHUNK = 1000
LIFE = timedelta(hours=12)
# The longest a run may take: one that hangs is a finding.
PATIENCE_SECONDS = 240.0
AIM_SECONDS = 2.0


class Scale(NamedTuple):
    """How many partners, how many of them are billed, and with how many messages together."""

    partners: int = 200
    billed: int = 40
    messages: int = 100_000
    processes: int = 2  # of partners
    per_parcel: int | None = None  # messages of a parcel at most; None: as a gateway comes


FULL = Scale()
TENTH = Scale(partners=20, billed=4, messages=10_000, processes=1, per_parcel=500)
QUICK = Scale(partners=3, billed=2, messages=60, processes=1, per_parcel=10)


class Take(NamedTuple):
    """What a delivery took for a parcel to one partner, in the order of going: was the notice queued and not sealed yet when
    it began to take, and is the notice what goes first?"""

    partner: PartyId
    notice_waited: bool
    notice_first: bool


class Round(NamedTuple):
    """A notice to every partner: in what state of things, seconds from queueing to the receipt of each, and billing messages
    without a receipt when they were queued, and when the last notice had its own."""

    name: str
    seconds: dict[PartyId, float]
    waiting_before: int
    waiting_after: int


class Found(NamedTuple):
    """The rounds, what was taken for parcels, and how fast billing was over all."""

    rounds: list[Round]
    takes: list[Take]
    billed: int  # messages, of both backlogs


class Watch:
    """Looks on at a store: what is taken, sealed and receipted, and when. The store does its work as ever."""

    def __init__(self, store: Any) -> None:
        self._take, self._add, self._close = store.take_outgoing, store.add_parcel, store.close_parcel
        store.take_outgoing, store.add_parcel, store.close_parcel = self._taken, self._added, self._closed
        self._lock = threading.Lock()
        self._notices: dict[MessageId, PartyId] = {}
        self._waiting: set[MessageId] = set()  # queued for certain, and not sealed yet
        self._sealed: set[MessageId] = set()
        self.bills = 0  # queued so far
        self.takes: list[Take] = []
        self.receipted: dict[PartyId, float] = {}
        self.billed, self.begun_at, self.billed_at_last_notice = 0, 0, 0
        self.begun, self.noticed, self.ended = threading.Event(), threading.Event(), threading.Event()

    def bill(self, count: int) -> None:
        """So many billing messages are about to be queued."""
        with self._lock:
            self.bills += count
            self.begun_at = self.billed
            self.begun.clear()
            self.ended.clear()

    def expect(self, notices: dict[MessageId, PartyId]) -> None:
        """These are about to be queued."""
        with self._lock:
            self._notices, self.receipted = notices, {}
            self.noticed.clear()

    def queued(self) -> None:
        """They are."""
        with self._lock:
            self._waiting = set(self._notices) - self._sealed

    def _taken(self, partner: PartyId, *rest: Any, **named: Any) -> Any:
        with self._lock:
            waited = {message for message in self._waiting if self._notices[message] == partner}
        rows = self._take(partner, *rest, **named)
        if rows:
            with self._lock:
                waited &= self._waiting
                self.takes.append(Take(partner, bool(waited), rows[0].document == NOTICE))
        return rows

    def _added(self, parcel: Any, messages: Sequence[MessageId], now: datetime) -> Any:
        with self._lock:
            self._waiting -= set(messages)
            self._sealed |= set(messages)
        return self._add(parcel, messages, now)

    def _closed(
        self, parcel: ParcelId, receipt: Any, outcomes: Sequence[Any], *rest: Any, **named: Any
    ) -> Any:
        result = self._close(parcel, receipt, outcomes, *rest, **named)
        tick = time.perf_counter()
        with self._lock:
            for message, state, detail in outcomes:
                if state is not State.ACCEPTED:
                    raise SystemExit(f"{message} ended as {state}: {detail}")
                partner = self._notices.get(message)
                if partner is None:
                    self.billed += 1
                else:
                    self.receipted[partner] = tick
                    self.billed_at_last_notice = self.billed
            for event, happened in (
                (self.begun, self.bills > self.billed > self.begun_at),
                (self.noticed, len(self.receipted) == len(self._notices)),
                (self.ended, self.billed == self.bills),
            ):
                if happened:
                    event.set()
        return result


def run(console: Console, *, scale: Scale) -> None:
    """Measure, and say how long the receipts took."""
    said = f"outage: {scale.partners} partners and two backlogs are made, then delivered"
    with console.status(said), tempfile.TemporaryDirectory(prefix="intertie-bench-") as name:
        found = measured(Path(name), scale)
    show(console, scale, found)


def show(console: Console, scale: Scale, found: Found) -> None:
    """A line for each state of things."""
    said = f"{scale.messages:,} billing messages to {scale.billed} of them"
    title = f"outage: seconds to the receipts of a notice to {scale.partners} partners; {said}"
    table = Table(title=title, title_justify="left", header_style="bold", pad_edge=False)
    late = f"later than {AIM_SECONDS:g} s"
    for heading in ("", "first", "p50", "p95", "last", late, "billing waits before", "after"):
        table.add_column(heading, justify="right" if heading else "left")
    for one in found.rounds:
        took = sorted(one.seconds.values())
        cuts = statistics.quantiles(took, n=100, method="inclusive")
        figures = [f"{seconds:.2f}" for seconds in (took[0], cuts[49], cuts[94], took[-1])]
        over = sum(seconds > AIM_SECONDS for seconds in took)
        table.add_row(one.name, *figures, str(over), f"{one.waiting_before:,}", f"{one.waiting_after:,}")
    console.print(table)


def measured(folder: Path, scale: Scale) -> Found:
    """Make everything, and let it happen."""
    partners = [PartyId(f"aggregator-{number:03}.bench") for number in range(scale.partners)]
    make(folder, partners, scale)
    places = [folder / party for party in partners]
    with ExitStack() as stack:
        for number in range(scale.processes):
            stack.enter_context(doors(places[number :: scale.processes]))
        it = stack.enter_context(opened(folder / UTILITY))
        it.store.unlock()
        return _happens(it, partners, scale)


def make(folder: Path, partners: Sequence[PartyId], scale: Scale) -> None:
    """The directories, as `intertie init` and `intertie partner add` make them."""
    command_quietly("init", UTILITY, "--role", "distribution_utility", "--dir", folder / UTILITY)
    if scale.per_parcel is not None:
        add_settings(folder / UTILITY, "limits", f"messages_per_parcel = {scale.per_parcel}\n")
    ca = folder / UTILITY / "ca"
    for party in partners:
        place, url = folder / party, f"https://127.0.0.1:{free_port()}"
        command_quietly("init", party, "--role", "der_aggregator", "--dir", place, "--url", url, "--ca", ca)
        add_settings(place, "quota", QUOTA)
        for here, there in ((place, folder / UTILITY), (folder / UTILITY, place)):
            command_quietly(
                "partner", "add", there / "descriptor.json", "--agreement", AGREEMENT, "--dir", here
            )


def command_quietly(*words: object) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        code = command([str(word) for word in words])
    if code:
        raise SystemExit(f"intertie {' '.join(map(str, words))} failed")


@contextmanager
def doors(places: Sequence[Path]) -> Iterator[None]:
    """Partners that listen, in one process."""
    words = [sys.executable, "-m", "bench.outage_doors", *map(str, places)]
    root = Path(__file__).parent.parent
    with subprocess.Popen(words, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        said = process.stdout.readline()
        if said != b"ready\n":
            raise SystemExit(f"the partners' doors did not open: {said!r}, {process.wait(60)}")
        try:
            yield
        finally:
            process.stdin.close()
            process.wait(60)


def _happens(it: Opened, partners: Sequence[PartyId], scale: Scale) -> Found:
    sys.setswitchinterval(SWITCH_SECONDS)
    watch = Watch(it.store)
    with delivering(it):
        rounds = [_round("idle, no connections", it, watch, partners)]
        _queue_bills(it, watch, partners, scale)
        _wait(watch.begun, "billing did not begin")
        rounds.append(_round("during billing, over connections", it, watch, partners))
        _wait(watch.ended, "billing did not end")
    _queue_bills(it, watch, partners, scale)
    with delivering(it):
        _wait(watch.begun, "billing did not begin")
        rounds.append(_round("during billing, no connections", it, watch, partners))
        _wait(watch.ended, "billing did not end")
    return Found(rounds, watch.takes, watch.billed)


@contextmanager
def delivering(it: Opened) -> Iterator[None]:
    """Deliveries as `serve` has them, in a thread of their own; their connections are new."""
    deliveries = Deliveries(it, Meter(it.gateway.catalogue, Tracer()))
    thread = threading.Thread(target=deliveries.run)
    thread.start()
    try:
        yield
    finally:
        deliveries.stop()
        thread.join()


def _queue_bills(it: Opened, watch: Watch, partners: Sequence[PartyId], scale: Scale) -> None:
    bills = [_bill(it, partners[number % scale.billed], number) for number in range(scale.messages)]
    watch.bill(len(bills))
    for start in range(0, len(bills), CHUNK):
        queue(it.gateway, bills[start : start + CHUNK], datetime.now(UTC))


def _round(name: str, it: Opened, watch: Watch, partners: Sequence[PartyId]) -> Round:
    now = datetime.now(UTC)
    notices = {new_message_id(now): party for party in partners}
    outgoing = [_notice(id, party) for id, party in notices.items()]
    before = watch.bills - watch.billed
    watch.expect(notices)
    start = time.perf_counter()
    send(it.gateway, outgoing, now)
    watch.queued()
    _wait(watch.noticed, "a notice has no receipt")
    seconds = {party: tick - start for party, tick in watch.receipted.items()}
    return Round(name, seconds, before, watch.bills - watch.billed_at_last_notice)


def _wait(event: threading.Event, otherwise: str) -> None:
    if not event.wait(PATIENCE_SECONDS):
        raise SystemExit(f"{otherwise} after {PATIENCE_SECONDS:.0f} s")


def _bill(it: Opened, recipient: PartyId, number: int) -> bytes:
    header, body = example(BILL)
    now = datetime.now(UTC)
    header = msgspec.structs.replace(
        header,
        id=new_message_id(now),
        sender=UTILITY,
        recipient=recipient,
        agreement=AGREEMENT,
        conversation=ConversationId(f"bill-{number}"),
        in_reply_to=None,
        created=utc(now),
        expires=utc(now + LIFE),
    )
    partner = it.partners.find(recipient)
    assert partner is not None
    flow = it.gateway.catalogue.admit(header, it.gateway.party.roles, partner.roles)
    return write_message(msgspec.structs.replace(header, priority=flow.priority), body)


def _notice(id: MessageId, recipient: PartyId) -> Outgoing:
    _, body = example(NOTICE)
    return Outgoing(
        id=id, body=body, recipient=recipient, interface=DA, mode=Mode.REAL_TIME, agreement=AGREEMENT
    )
