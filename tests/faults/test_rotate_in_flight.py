"""Keys of both sides rotate, and a signing certificate is revoked, while messages flow both ways: none is lost, none is
doubled, none that was signed under the revoked certificate is taken after the revocation was seen, nothing is restarted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.ports import free_port

from intertie.cli import run as command
from intertie.exchange.outbound import State
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import Query
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.model.documents import example
from intertie.model.errors import Code
from intertie.model.ids import AgreementId, DocumentName, InterfaceCode, MessageId, PartyId
from intertie.model.message import Mode
from intertie.run import open_gateway
from intertie.seal.certificates import thumbprint
from intertie.seal.generations import read_chain, read_generations
from intertie.seal.jws import read_jws
from intertie.seal.parcel import MANIFEST_BYTES_MAX, MANIFEST_TYP
from intertie.seal.trial_ca import TrialCa

MESSAGES = int(os.environ.get("INTERTIE_IN_FLIGHT", "5000"))  # half of them from each side
UTILITY, AGGREGATOR = PartyId("utility.example"), PartyId("aggregator.example")
ROTATE = ["keys", "rotate"]


def make_gateways(directory: Path) -> tuple[Path, Path]:
    places = directory / "utility", directory / "aggregator"
    for place, party, role in zip(
        places, (UTILITY, AGGREGATOR), ("distribution_utility", "der_aggregator"), strict=True
    ):
        url = f"https://127.0.0.1:{free_port()}"
        assert command(["init", party, "--role", role, "--dir", str(place), "--url", url]) == 0
        settings = (place / "intertie.toml").read_text()
        settings = settings.replace("# retry_first_seconds = 1.0", "retry_first_seconds = 0.05")
        settings = settings.replace("# retry_ceiling_seconds = 300.0", "retry_ceiling_seconds = 0.3")
        # Small parcels: many of them are on their way when the keys change.
        settings = settings.replace("# messages_per_parcel = 4096", "messages_per_parcel = 50")
        (place / "intertie.toml").write_text(settings)
    for ours, theirs in (places, places[::-1]):
        descriptor, root = str(theirs / "descriptor.json"), str(theirs / "trust" / "trial-ca.pem")
        arguments = ["partner", "add", descriptor, "--root", root, "--agreement", "A-1", "--dir", str(ours)]
        assert command(arguments) == 0
    return places


@contextmanager
def serving(*places: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    program = str(Path(sys.executable).with_name("intertie"))
    logs = [(place / "serve.log").open("ab") for place in places]
    processes = [
        subprocess.Popen([program, "serve", "--dir", str(place)], stdout=log, stderr=log)
        for place, log in zip(places, logs, strict=True)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)
        for log in logs:
            log.close()


def declare(gateway: Gateway, recipient: PartyId, count: int) -> list[MessageId]:
    name = "availability_declaration" if recipient == UTILITY else "outage_notice"
    _, body = example(DocumentName(name))
    now = datetime.now(UTC)
    outgoing = Outgoing(
        body=body,
        recipient=recipient,
        interface=InterfaceCode("DA"),
        mode=Mode.SCHEDULED if recipient == UTILITY else example(DocumentName(name))[0].mode,
        agreement=AgreementId("A-1"),
        expires=now + timedelta(hours=2),
    )
    return send(gateway, [outgoing] * count, now)


def count(gateway: Gateway, *states: State) -> int:
    counts = gateway.store.counts()
    return sum(counts.get((True, state.value), 0) for state in states)


def wait_for(true: object, seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, what
        time.sleep(0.05)


def events(place: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (place / "serve.log").read_text().splitlines() if line[:1] == "{"]


def revoke_newest(place: Path, *see: Path) -> set[bytes]:
    """The authority revokes the signing certificates in use, and everybody gets the list."""
    newest = read_generations(place / "keys")[-1]
    chains = [read_chain(place / "keys", newest, alg) for alg in newest.signing]
    now = datetime.now(UTC)
    ca = TrialCa.load(place / "ca")
    crl = ca.revocation_list([(chain[0], now) for chain in chains], now, now + timedelta(days=1))
    for trust in see:
        draft = trust / f".{place.name}.crl"
        draft.write_bytes(crl)
        draft.replace(trust / "revoked.pem")
    return {thumbprint(chain[0]) for chain in chains}


def marks_of(place: Path) -> set[bytes]:
    """The newest signing certificates of a gateway."""
    newest = read_generations(place / "keys")[-1]
    return {thumbprint(read_chain(place / "keys", newest, alg)[0]) for alg in newest.signing}


def under_newest(place: Path, recipient: Gateway) -> bool:
    """Whether a parcel under the newest keys has arrived."""
    wanted = marks_of(place)
    last = recipient.store.signed_parcels(after=0, limit=100_000)[-20:]
    return any(
        signature.thumbprint in wanted
        for parcel in last
        if not parcel.outgoing
        for signature in read_jws(parcel.manifest, MANIFEST_TYP, limit=MANIFEST_BYTES_MAX).signatures
    )


def test_rotation_and_revocation_in_flight(tmp_path: Path) -> None:
    utility, aggregator = make_gateways(tmp_path)
    ours = {place: open_gateway(place) for place in (utility, aggregator)}
    sent: dict[Path, list[MessageId]] = {utility: [], aggregator: []}
    # So many messages each side sends quickly; then a trickle until the revocation was seen; the rest when all has happened.
    early, stop = MESSAGES // 2 - MESSAGES // 20, threading.Event()

    def keep_sending(place: Path, recipient: PartyId) -> None:
        while not stop.is_set():
            left = early - len(sent[place])
            sent[place] += declare(
                ours[place], recipient, min(max(MESSAGES // 50, 1), left) if left > 0 else 1
            )
            time.sleep(0.1)

    senders = [
        threading.Thread(target=keep_sending, args=(utility, AGGREGATOR)),
        threading.Thread(target=keep_sending, args=(aggregator, UTILITY)),
    ]
    with serving(utility, aggregator) as processes:
        try:
            for sender in senders:
                sender.start()
            wait_for(lambda: count(ours[aggregator], State.ACCEPTED) > 0, 60, "nothing flows")
            turn(utility, aggregator)
            wait_for(lambda: ours[aggregator].store.announced(UTILITY) == 2, 30, "nobody took note")
            wait_for(lambda: under_newest(aggregator, ours[utility]), 60, "nothing flows under the new keys")
            revoked = revoke_newest(aggregator, utility / "trust" / AGGREGATOR, aggregator / "trust")
            wait_for(lambda: refusals(ours[utility], Code.CERTIFICATE_REVOKED), 30, "nothing was refused")
            seen = datetime.now(UTC)
            assert command([*ROTATE, "--only", "signing", "--overlap", "0s", "--dir", str(aggregator)]) == 0
            wait_for(lambda: all(len(ids) >= early for ids in sent.values()), 120, "too slow")
            stop.set()
            for sender in senders:
                sender.join(120)
            for place, recipient in ((utility, AGGREGATOR), (aggregator, UTILITY)):
                sent[place] += declare(ours[place], recipient, max(MESSAGES // 2 - len(sent[place]), 1))
            wait_for(
                lambda: not any(count(it, State.QUEUED, State.SENDING) for it in ours.values()),
                120,
                "messages are still under way",
            )
            assert [process.poll() for process in processes] == [None, None], "a gateway ended"
        finally:
            stop.set()
    check_delivered(ours[aggregator], ours[utility], sent[aggregator])
    check_delivered(ours[utility], ours[aggregator], sent[utility])
    check_none_under(ours[utility], AGGREGATOR, revoked, seen)
    for place in (utility, aggregator):
        assert sum(event["event"] == "listening" for event in events(place)) == 1, "it was restarted"
        assert verify_journal(ours[place].store).size >= MESSAGES
        ours[place].store.close()


def turn(*places: Path) -> None:
    for place in places:
        assert command([*ROTATE, "--overlap", "1h", "--dir", str(place)]) == 0


def refusals(gateway: Gateway, code: Code) -> int:
    return sum(refusal.code == code for _, refusal in gateway.store.refusals())


def check_delivered(sender: Gateway, recipient: Gateway, sent: list[MessageId]) -> None:
    """Each message exactly once, and its sender knows."""
    assert len(sent) >= MESSAGES // 2
    rows = sender.store.messages(Query(outgoing=True, limit=MESSAGES * 4))
    ends = Counter((row.state, row.detail) for row in rows)
    assert {state for state, _ in ends} <= {State.ACCEPTED, State.DUPLICATE}, ends
    received = recipient.store.messages(Query(outgoing=False, limit=MESSAGES * 4))
    assert sorted(row.id for row in received) == sorted(sent), "each exactly once"


def check_none_under(recipient: Gateway, sender: PartyId, revoked: set[bytes], seen: datetime) -> None:
    """No parcel that came after the revocation was seen is signed under a revoked certificate; some came after."""
    after = 0
    before = 0
    for row in recipient.store.messages(Query(outgoing=False, limit=MESSAGES * 4)):
        assert row.parcel is not None
        parcel = recipient.store.parcel(row.parcel, outgoing=False, partner=sender)
        assert parcel is not None
        signatures = read_jws(parcel.manifest, MANIFEST_TYP, limit=MANIFEST_BYTES_MAX).signatures
        under = any(signature.thumbprint in revoked for signature in signatures)
        before += under
        if parcel.at >= seen:
            after += 1
            assert not under, "a parcel under a revoked certificate was accepted"
    assert after > 0 and before > 0, (before, after)
