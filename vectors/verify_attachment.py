"""An independent reader of sealed files (docs/attachments.md): standard library and `cryptography`, one file, none of the
program's code.

    python vectors/verify_attachment.py            its verdict for each case of vectors/attachment
    python vectors/verify_attachment.py CASE.json  for these
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import uuid
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MIB, TAG = 1 << 20, 16
HERE = Path(__file__).parent / "attachment"


def unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def cipher_of(said: dict[str, Any]) -> tuple[AESGCM, bytes]:
    return AESGCM(unbase64(said["key"])), b"intertie-attachment-1" + uuid.UUID(said["id"]).bytes


def chunk_sizes(size: int) -> list[int]:
    return [min(MIB, size - at) for at in range(0, size, MIB)]


def nonce(place: int, count: int) -> bytes:
    return place.to_bytes(11, "big") + (b"\1" if place == count - 1 else b"\0")


def seal(said: dict[str, Any]) -> bytes:
    """The sealed file of a case, before its steps."""
    pattern = said["pattern"].encode()
    plain = (pattern * (said["size"] // len(pattern) + 1))[: said["size"]]
    gcm, associated = cipher_of(said)
    sizes, out = chunk_sizes(said["size"]), b""
    for place, size in enumerate(sizes):
        out += gcm.encrypt(nonce(place, len(sizes)), plain[place * MIB : place * MIB + size], associated)
    return out


def step(raw: bytes, what: dict[str, Any]) -> bytes:
    if "cut_to" in what:
        return raw[: what["cut_to"]]
    if "append" in what:
        return raw + bytes.fromhex(what["append"])
    if "flip" in what:
        out = bytearray(raw)
        out[what["flip"]] ^= 1
        return bytes(out)
    chunks = [raw[at : at + MIB + TAG] for at in range(0, len(raw), MIB + TAG)]
    return b"".join(chunks[place] for place in what["chunks"])


def read(raw: bytes, said: dict[str, Any]) -> str:
    """`ok`, or the flaw: the first that a reader meets who goes through the chunks in order."""
    gcm, associated = cipher_of(said)
    sizes, digest, at = chunk_sizes(said["size"]), hashlib.sha256(), 0
    for place, size in enumerate(sizes):
        end = at + size + TAG
        if len(raw) < end:
            return "cut_off"
        if place == len(sizes) - 1 and len(raw) > end:
            return "too_long"
        try:
            digest.update(gcm.decrypt(nonce(place, len(sizes)), raw[at:end], associated))
        except InvalidTag:
            return "chunk"
        at = end
    return "ok" if digest.hexdigest() == said["sha256"] else "digest"


def verdict(path: Path) -> tuple[str, str]:
    """What it says, and what the case expects."""
    case = json.loads(path.read_text(encoding="utf-8"))
    raw = seal(case["sealed_for"])
    if hashlib.sha256(raw).hexdigest() != case["sealed_sha256"]:
        return "sealed otherwise", case["expect"]
    if "sealed" in case and unbase64(case["sealed"]) != raw:
        return "other bytes", case["expect"]
    for what in case["steps"]:
        raw = step(raw, what)
    return read(raw, case["attachment"]), case["expect"]


def main(names: list[str]) -> int:
    wrong = 0
    for path in map(Path, names) if names else sorted(HERE.glob("*.json")):
        said, expected = verdict(path)
        wrong += said != expected
        print(f"{'same' if said == expected else 'OTHER'}  {path.stem}: {said}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
