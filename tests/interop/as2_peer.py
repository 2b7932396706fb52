"""`pyas2lib`, unchanged, as a process: it builds AS2 messages, takes them, and reads receipts, as standard input asks.

Started with the folder of keys, its own AS2 name and its partner's. Each line of input is one of
    {"do": "build", "id", "content", "kind", "name", "terms": {...}}     -> {"headers", "body", "mic"}
    {"do": "take", "headers", "body"}                                    -> {"status", "error", "content", "receipt"}
    {"do": "receipt", "id", "headers", "body"}                           -> {"status", "detail"}
Bytes are base64.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import sys
from pathlib import Path

FOLDER, US, THEM = Path(sys.argv[1]), sys.argv[2], sys.argv[3]


def _any_version(search):
    """oscrypto 1.3.0 (2022) finds no version in "OpenSSL 3.0.19": its pattern has one digit in each place, and then it cannot
    be imported at all. While it is, the pattern has more."""
    narrow = r"\b(\d\.\d\.\d[a-z]*)\b"
    return lambda pattern, *rest: search(
        r"\b(\d+\.\d+\.\d+[a-z]*)\b" if pattern == narrow else pattern, *rest
    )


_search, re.search = re.search, _any_version(re.search)
import oscrypto.asymmetric  # noqa: E402, F401

re.search = _search
from pyas2lib import Mdn, Message, Organization, Partner  # noqa: E402

logging.disable(logging.CRITICAL)
OWN = (FOLDER / "them.p12").read_bytes()
SENT: dict[str, Message] = {}
TAKEN: set[str] = set()


def house() -> Organization:
    return Organization(
        as2_name=US,
        sign_key=OWN,
        sign_key_pass="interop",
        decrypt_key=OWN,
        decrypt_key_pass="interop",
        mdn_url="https://peer.example/receipts",
    )


def partner(**terms: object) -> Partner:
    certificate = (FOLDER / "us.pem").read_bytes()
    said = {
        "sign": True,
        "digest_alg": "sha256",
        "encrypt": True,
        "enc_alg": "aes_256_cbc",
        "mdn_mode": "SYNC",
        "mdn_digest_alg": "sha256",
    }
    return Partner(as2_name=THEM, verify_cert=certificate, encrypt_cert=certificate, **(said | terms))


def whole(asked: dict) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in asked["headers"])
    return lines.encode() + b"\r\n" + base64.b64decode(asked["body"])


def post(message) -> dict:
    body = message.content
    return {"headers": list(message.headers.items()), "body": base64.b64encode(body).decode()}


def build(asked: dict) -> dict:
    message = Message(house(), partner(**asked["terms"]))
    content = base64.b64decode(asked["content"])
    message.build(content, filename=asked["name"], content_type=asked["kind"], message_id=asked["id"])
    SENT[message.message_id] = message
    return post(message) | {"mic": message.mic.decode() if message.mic else "", "id": message.message_id}


def take(asked: dict) -> dict:
    message = Message()
    status, (error, _), receipt = message.parse(
        whole(asked), lambda _: house(), lambda _: partner(), lambda identity, _: identity in TAKEN
    )
    TAKEN.add(message.message_id)
    content = message.content if status == "processed" else b""
    return {
        "status": status,
        "error": str(error or ""),
        "content": base64.b64encode(content).decode(),
        "receipt": post(receipt) if receipt is not None else None,
    }


def receipt(asked: dict) -> dict:
    mdn = Mdn()
    status, detail = mdn.parse(whole(asked), lambda identity, _: SENT.get(identity))
    return {"status": status, "detail": detail or ""}


for line in sys.stdin:
    asked = json.loads(line)
    try:
        said = {"build": build, "take": take, "receipt": receipt}[asked["do"]](asked)
    except Exception as error:  # noqa: BLE001 - whatever the library says is the answer
        said = {"failed": f"{type(error).__name__}: {error}"}
    print(json.dumps(said), flush=True)
