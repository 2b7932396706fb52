"""UFTP with shapeshifter-uftp: a DSO asks an aggregator for flexibility. Messages are signed (Ed25519) and not encrypted: the
library leaves that to TLS before it. It keeps nothing. See load.py for how it is called.

An exchange is whole when the aggregator's signed answer has come to the DSO's own door, the nearest to a signed receipt that
there is. `--unsigned` ends it with HTTP 200 instead, which nobody signs.
"""

from __future__ import annotations

import base64
import logging
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import load
from nacl.signing import SigningKey
from shapeshifter_uftp import transport
from shapeshifter_uftp.client.dso_agr_client import ShapeshifterDsoAgrClient
from shapeshifter_uftp.service.agr_service import ShapeshifterAgrService
from shapeshifter_uftp.service.dso_service import ShapeshifterDsoService
from shapeshifter_uftp.uftp import (
    AcceptedRejected,
    FlexRequest,
    FlexRequestISP,
    FlexRequestResponse,
    UsefRole,
)
from xsdata.models.datatype import XmlDate, XmlDuration

PATH = "/shapeshifter/api/v3/message"
SENDER, RECIPIENT = "dso.example.com", "agr.example.com"
# So long an answer may take.
PATIENCE_SECONDS = 30.0
UNSIGNED = load.flag("unsigned")
logging.disable(logging.CRITICAL)


def prepare(folder: Path) -> None:
    """Keys of both, and the port of the sender's own door."""
    for name in (SENDER, RECIPIENT):
        (folder / name).write_bytes(SigningKey.generate().encode())
    (folder / "port").write_text(str(load.free_port()))


def keys_of(folder: Path, name: str) -> tuple[str, str]:
    """Private and public, as the library wants them."""
    key = SigningKey((folder / name).read_bytes())
    public = key.verify_key.encode()
    return base64.b64encode(key.encode() + public).decode(), base64.b64encode(public).decode()


def service(kind: type, folder: Path, name: str, port: int, elsewhere: str, acts: dict[str, Any]) -> Any:
    """A door of the library's; what it must have and we do not need does nothing."""
    methods = {method: lambda *_: None for method in kind.__abstractmethods__}  # type: ignore[attr-defined]
    made = type("Door", (kind,), methods | acts)(
        sender_domain=name,
        signing_key=keys_of(folder, name)[0],
        key_lookup_function=lambda domain, role: keys_of(folder, domain)[1],
        endpoint_lookup_function=lambda domain, role: elsewhere,
        host="127.0.0.1",
        port=port,
    )
    made.server.config.log_level, made.server.config.access_log = "critical", False
    made.server.config.configure_logging()
    return made


def serve(folder: Path, port: int) -> None:
    """The aggregator: takes what is asked, and says so, signed."""

    def process_flex_request(self: Any, message: FlexRequest) -> None:
        if UNSIGNED:
            return
        answer = FlexRequestResponse(
            flex_request_message_id=message.message_id,
            conversation_id=message.conversation_id,
            result=AcceptedRejected.ACCEPTED,
        )
        self._get_client(message.sender_domain, UsefRole.DSO)._send_message(answer)

    elsewhere = f"http://127.0.0.1:{(folder / 'port').read_text()}{PATH}"
    acts = {"process_flex_request": process_flex_request}
    service(ShapeshifterAgrService, folder, RECIPIENT, port, elsewhere, acts).run()


class Dso:
    """The sender's door, and who waits for which answer."""

    def __init__(self, folder: Path, port: int) -> None:
        self.waiting: dict[str, threading.Event] = {}

        def process_flex_request_response(door: Any, message: FlexRequestResponse) -> None:
            if message.result == AcceptedRejected.ACCEPTED:  # a plain string, when it was read
                self.waiting.pop(message.conversation_id).set()

        acts = {"process_flex_request_response": process_flex_request_response}
        elsewhere = f"http://127.0.0.1:{port}{PATH}"
        own = int((folder / "port").read_text())
        service(ShapeshifterDsoService, folder, SENDER, own, elsewhere, acts).run_in_thread()


DSO: dict[Path, Dso] = {}


def connect(folder: Path, port: int, size: int) -> load.Exchange:
    """Request by request. The library makes a connection for each."""
    dso = DSO.get(folder) or DSO.setdefault(folder, Dso(folder, port))
    client = ShapeshifterDsoAgrClient(
        sender_domain=SENDER,
        signing_key=keys_of(folder, SENDER)[0],
        recipient_domain=RECIPIENT,
        recipient_endpoint=f"http://127.0.0.1:{port}{PATH}",
        recipient_signing_key=keys_of(folder, RECIPIENT)[1],
    )
    quarters = 1
    while len(transport.to_xml(request(quarters, ""))) < size:
        quarters += 1 + quarters // 50

    def exchange() -> None:
        conversation, answered = str(uuid4()), threading.Event()
        dso.waiting[conversation] = answered
        client.send_flex_request(request(quarters, conversation))
        if not UNSIGNED and not answered.wait(PATIENCE_SECONDS):
            raise RuntimeError("no answer")

    return exchange


def request(quarters: int, conversation: str) -> FlexRequest:
    """So many quarter hours of flexibility, to be had on one day."""
    return FlexRequest(
        isp_duration=XmlDuration("PT15M"),
        time_zone="America/New_York",
        period=XmlDate(2027, 7, 1),
        congestion_point="ean.123456789012345678",
        revision=1,
        expiration_date_time="2027-07-01T00:00:00-04:00",
        isps=[
            FlexRequestISP(min_power=0, max_power=100_000 + place, start=place + 1)
            for place in range(quarters)
        ],
        conversation_id=conversation or str(uuid4()),
    )


if __name__ == "__main__":
    load.main(load.Peer(prepare, serve, connect))
