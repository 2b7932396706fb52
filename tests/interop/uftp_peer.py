"""`shapeshifter-uftp`, unchanged, as a process: it says on standard output what arrives, and sends what standard input asks for.

Started with its role, its ports' numbers and keys as JSON. Each line of input is one of
    {"send": "FlexRequest(...)"}        an expression over the library's own types
    {"send": ..., "key": SEED}          signed by another key
    {"result": "Rejected", "reason": "..."}       what is answered from now on
    {"disposition": "Disputed", "dispute": "..."}  what is said to the orders of a settlement
Each line of output is {"type", "fields"} of a message that arrived, {"ready"}, {"sent": status} or {"failed": text}.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import sys
import threading
from dataclasses import asdict
from decimal import Decimal

from nacl.signing import SigningKey
from shapeshifter_uftp import uftp
from shapeshifter_uftp.exceptions import ClientTransportException
from shapeshifter_uftp.service.agr_service import ShapeshifterAgrService
from shapeshifter_uftp.service.dso_service import ShapeshifterDsoService
from xsdata.models.datatype import XmlDate, XmlDuration

SETTINGS = json.loads(sys.argv[1])
ANSWERS = {"result": "Accepted", "reason": None}
WORDS = {**vars(uftp), "Decimal": Decimal, "XmlDate": XmlDate, "XmlDuration": XmlDuration}
LOCK = threading.Lock()


def say(**said: object) -> None:
    with LOCK:
        print(json.dumps(said, default=str), flush=True)


def full_key(seed: str) -> str:
    key = SigningKey(seed.encode())
    return base64.b64encode(key.encode() + key.verify_key.encode()).decode()


def snake(name: str) -> str:
    return re.sub(r"(.)([A-Z][a-z])", r"\1_\2", name).lower()


def arrived(service, message, *_):
    kind = type(message)
    say(type=kind.__name__, fields=asdict(message))
    answer = uftp.request_response_map.get(kind)
    if answer is None:
        return
    fields = {
        "conversation_id": message.conversation_id,
        "result": uftp.AcceptedRejected(ANSWERS["result"]),
        "rejection_reason": ANSWERS["reason"],
        f"{snake(kind.__name__)}_message_id": message.message_id,
    }
    if kind is uftp.FlexSettlement:
        fields["flex_order_settlement_statuses"] = [
            uftp.FlexOrderSettlementStatus(
                order_reference=one.order_reference,
                disposition=uftp.AcceptedDisputed(ANSWERS.get("disposition", "Accepted")),
                dispute_reason=ANSWERS.get("dispute"),
            )
            for one in message.flex_order_settlements
        ]
    client(service)._send_message(answer(**fields))


def client(service):
    role = "DSO" if SETTINGS["role"] == "AGR" else "AGR"
    return service._get_client(SETTINGS["partner"]["domain"], role)


def make(base):
    methods = {
        name: arrived for name in dir(base) if name.startswith("process_") and "test_message" not in name
    }
    methods["process_test_message_response"] = arrived
    service = type("Peer", (base,), methods)(
        SETTINGS["domain"],
        full_key(SETTINGS["seed"]),
        lambda domain, role: SETTINGS["partner"]["key"],
        lambda domain, role: SETTINGS["partner"]["url"],
        host="127.0.0.1",
        port=SETTINGS["port"],
    )
    service.server.config.log_level = "critical"
    return service


def main() -> None:
    logging.disable(logging.CRITICAL)
    base = ShapeshifterAgrService if SETTINGS["role"] == "AGR" else ShapeshifterDsoService
    with make(base) as service:
        say(ready=True)
        for line in sys.stdin:
            asked = json.loads(line)
            if "send" not in asked:
                ANSWERS.update(asked)
                continue
            out = client(service)
            if "key" in asked:
                out.signing_key = full_key(asked["key"])
            if "domain" in asked:
                out.sender_domain = asked["domain"]
            try:
                out._send_message(eval(asked["send"], WORDS))  # the test's own words
                say(sent=200)
            except ClientTransportException as error:
                say(sent=error.response.status_code)
            except (TypeError, ValueError, OSError) as error:
                say(failed=f"{type(error).__name__}: {error}")


main()
