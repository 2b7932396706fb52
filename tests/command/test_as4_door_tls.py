"""The door for AS4 as it is served: over TLS by the certificate of the settings, in a process."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
from tests.command.as2_houses import AGGREGATOR, UTILITY
from tests.command.as4_houses import NAMES, certificate_of, legacy_text, speak
from tests.command.gateways import served
from tests.command.test_as2_door_tls import tls_pair
from tests.command.test_onboarding import wait_open
from tests.exchange.test_as4 import notice_file
from tests.ports import free_port

from intertie.bindings.clock import system_clock
from intertie.cli import run
from intertie.formats.as4.message import File, verify_signal, write_message
from intertie.formats.as4.signal import check_receipt, read_signal
from intertie.formats.as4.terms import As4Terms
from intertie.formats.as4.user_message import Party
from intertie.formats.as4.xml import parse_envelope
from intertie.gateway.ports import Query
from intertie.run import Opened
from intertie.seal.smime_keys import SmimeKey, read_certificate


def test_a_message_over_tls_is_kept_and_receipted_once(tmp_path: Path) -> None:
    place, port = tmp_path / "aggregator", free_port()
    url = f"https://127.0.0.1:{free_port()}"
    assert run(["init", AGGREGATOR, "--role", "der_aggregator", "--url", url, "--dir", str(place)]) == 0
    tls_pair(place)
    speak(place, AGGREGATOR, f'listen = "127.0.0.1:{port}"\ncertificate = "as2.pem"\nkey = "as2.key"')
    theirs, file = SmimeKey.generate("utility", system_clock()), tmp_path / "them.file"
    file.write_text(legacy_text(UTILITY, 9, theirs.pem.decode()))
    assert run(["partner", "legacy", UTILITY, str(file), "--dir", str(place)]) == 0
    ours = read_certificate(certificate_of(place))
    terms = As4Terms(
        party_id=NAMES[AGGREGATOR],
        party_type="urn:own",
        url="https://a.example",
        certificates=(theirs.pem.decode(),),
        service="urn:intertie:files",
        action="exchange",
    )
    sent = write_message(
        File(notice_file(), "application/edi-x12"),
        Party(NAMES[UTILITY], "urn:own"),
        terms,
        theirs,
        encrypt_for=ours,
        message_id="tls@utility.example",
        conversation="x",
        at=system_clock(),
    )
    trust = ssl.create_default_context(cafile=str(place / "as2.pem"))
    with served(place), httpx.Client(verify=trust, trust_env=False) as client:
        wait_open(port)  # the street door, which `served` waits for, may open first
        door = f"https://127.0.0.1:{port}/as4"
        answers = [
            client.post(door, headers=dict(sent.post.headers), content=sent.post.body) for _ in range(2)
        ]
        assert client.get(door).status_code == 405
        assert client.post(door, content=b"x" * 6_000_000).status_code == 413
        assert client.post(door, content=b"x").status_code == 400
    assert [one.status_code for one in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    signal = read_signal(verify_signal(parse_envelope(answers[0].content), [ours], frozenset()))
    check_receipt(signal, "tls@utility.example", sent.references)
    assert signal.accepted
    it = Opened(place)
    try:
        assert len(list(it.store.messages(Query(outgoing=False)))) == 1
    finally:
        it.close()
