"""Evidence of messages in a partner's own protocol, by the numbered steps of docs/evidence.md; of protocols, UFTP."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reading.base import (
    HEX64,
    PARTY,
    TIME,
    VECTORS,
    b64,
    included,
    instant,
    leaf_hash,
    need,
    parse,
    profile_of,
    read_jws,
    shape,
)
from reading.evidence import Step, Trust, check_end, check_signed, dump, read_chains, read_header, step
from reading.signed import SIZE, load

FILE = {"v", "kind", "message", "statement", "chains", "lines"}
STATEMENT = {
    "v": (1, 1),
    "by": PARTY,
    "at": TIME,
    "binding": r"[a-z][a-z0-9_]{1,63}",
    "partner": PARTY,
    "leaf": HEX64,
}
ID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


class Facts(NamedTuple):
    names: set[str]
    sender: str
    recipient: str
    answers: set[str]


def judge(path: Path) -> tuple[str, str]:
    case = load(path)
    roots = x509.load_pem_x509_certificates((VECTORS / "translated_roots.pem").read_bytes())
    try:
        verify(b64(case["file"], "bad_case"), Trust(roots, [], []), instant(case["now"]))
    except Step as failed:
        return case["expect"], f"step {failed.number}"
    return case["expect"], "ok"


def verify(raw: bytes, trust: Trust, now: datetime) -> list[str]:
    """What a file proves, in lines for people; Step if it does not."""
    with step(40):
        file = parse(raw, "form")
        need(isinstance(file, dict) and set(file) - {"answer"} == FILE, "members")
        need(type(file["v"]) is int and (file["v"], file["kind"]) == (1, "translated"), "version")
        message, chains = b64(file["message"], "message"), read_chains(file["chains"])
        need(isinstance(file["lines"], list) and len(file["lines"]) <= 2, "lines")
        lines = [read_line(line) for line in file["lines"]]
        answer = b64(file["answer"], "answer") if "answer" in file else None
    with step(41):
        payload, signatures = read_jws(dump(file["statement"]), "intertie-translated+jws", 64 * 1024)
        said = read_statement(payload)
        profile = profile_of(signatures)
        need(profile != "classical", "too weak")
    check_signed(signatures, chains, said["by"], trust, instant(said["at"]), (42, 43))
    header, original = read_message(message, said)
    if said["binding"] != "uftp":
        raise Step(45, "nothing here verifies it")
    with step(46):
        try:
            signed = base64.b64decode(original["signed"], validate=True)
        except binascii.Error:
            need(False, "not base64")
        facts = check_uftp(signed, said["author"]["key"])
    with step(47):
        need(header["id"] in facts.names, "another message")
    with step(48):
        check_answer(answer, said, header, facts)
    with step(49):
        check_lines(lines, said, message, signed, answer, header["from"] == said["by"])
    check_end(["classical", profile], now, 50)
    return [
        f"message    {header['id']}: {header['document']}, in uftp",
        f"stated     by {said['by']} at {said['at']}",
    ]


def read_line(line: Any) -> tuple[int, bytes, list[bytes]]:
    need(isinstance(line, dict) and set(line) == {"index", "entry", "proof"}, "line")
    need(type(line["index"]) is int and SIZE[0] <= line["index"] <= SIZE[1], "index")
    need(isinstance(line["proof"], list) and len(line["proof"]) <= 53, "proof")
    proof = [b64(node, "proof") for node in line["proof"]]
    need(all(len(node) == 32 for node in proof), "proof")
    return line["index"], b64(line["entry"], "entry"), proof


def read_statement(payload: bytes) -> dict[str, Any]:
    said = parse(payload, "statement")
    need(isinstance(said, dict), "statement")
    rest = {name: said.pop(name, None) for name in ("author", "journal", "answer", "answerer")}
    shape(said, STATEMENT, "statement")
    shape(rest["journal"], {"size": SIZE, "root": HEX64}, "journal")
    need((rest["answer"] is None) == (rest["answerer"] is None), "an answer and its key go together")
    for key in (rest["author"], rest["answerer"] or rest["author"]):
        need(isinstance(key, dict) and set(key) == {"key", "source"}, "key")
        need(all(isinstance(text, str) for text in key.values()) and key["key"], "key")
    need(rest["answer"] is None or re.fullmatch(HEX64, rest["answer"]), "answer")
    return said | rest


def read_message(message: bytes, said: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header, as of any message, and what its author signed."""
    with step(44):
        try:
            envelope = json.loads(message)
        except (ValueError, RecursionError):
            envelope = None
        need(isinstance(envelope, dict), "not a message")
        original = envelope.pop("translated", None)
        header = read_header(json.dumps(envelope).encode())
        need(leaf_hash(message).hex() == said["leaf"], "another message")
        need({header["from"], header["to"]} == {said["by"], said["partner"]}, "of others")
        need(isinstance(original, dict) and original.get("binding") == said["binding"], "no original")
        need(original.get("key", "") in ("", said["author"]["key"]), "kept with another key")
    return header, original


def check_uftp(signed: bytes, key: str) -> Facts:
    """docs/uftp.md: Ed25519 as libsodium's crypto_sign has it; then what the XML says of itself."""
    need(key.startswith("cs1."), "no key")
    try:
        public = base64.b64decode(key[4:], validate=True)
        need(len(public) in (32, 64), "no key")
        Ed25519PublicKey.from_public_bytes(public[:32]).verify(signed[:64], signed[64:])
        root = ElementTree.fromstring(signed[64:])
    except (binascii.Error, InvalidSignature, ElementTree.ParseError, ValueError):
        need(False, "not signed by it")
    said = root.attrib
    need(re.fullmatch(ID, said.get("MessageID", "")), "no message of UFTP")
    reference = said.get("ReferenceMessageID")
    return Facts(
        names(said["MessageID"]),
        said.get("SenderDomain", ""),
        said.get("RecipientDomain", ""),
        names(reference) if reference is not None else set(),
    )


def names(foreign: str) -> set[str]:
    """Its own, and the one that is derived from it: docs/evidence.md."""
    digest = hashlib.sha256(f"uftp:{foreign}".encode()).digest()
    bits = int.from_bytes(digest[6:16], "big") >> 6  # 74 of them
    head, tail = int.from_bytes(digest[:6], "big"), bits & (1 << 62) - 1
    return {foreign, str(uuid.UUID(int=head << 80 | 7 << 76 | bits >> 62 << 64 | 2 << 62 | tail))}


def check_answer(answer: bytes | None, said: dict[str, Any], header: dict[str, Any], facts: Facts) -> None:
    need((answer is None) == (said["answer"] is None), "an answer without its statement")
    if answer is None:
        return
    need(hashlib.sha256(answer).hexdigest() == said["answer"], "another answer")
    back = check_uftp(answer, said["answerer"]["key"])
    need(header["id"] in back.answers, "to another message")
    need((back.sender, back.recipient) == (facts.recipient, facts.sender), "the wrong way")


def check_lines(
    lines: list[tuple[int, bytes, list[bytes]]],
    said: dict[str, Any],
    message: bytes,
    signed: bytes,
    answer: bytes | None,
    outgoing: bool,
) -> None:
    found = set()
    for index, entry, proof in lines:
        head = said["journal"]
        need(included(leaf_hash(entry), index, head["size"], proof, bytes.fromhex(head["root"])), "no proof")
        try:
            one = json.loads(entry)
            found.add((one["kind"], one["digest"]))
        except (ValueError, KeyError, TypeError):
            need(False, "no entry")
    digest: Callable[[bytes], str] = lambda data: hashlib.sha256(data).hexdigest()  # noqa: E731
    wanted = {("parcel_out", digest(signed)) if outgoing else ("message_in", leaf_hash(message).hex())}
    if answer is not None:
        wanted.add(("receipt_in" if outgoing else "receipt_out", digest(answer)))
    need(wanted <= found, "no line about it")
