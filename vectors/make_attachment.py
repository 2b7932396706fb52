"""Write the cases of vectors/attachment anew: sealed files, each with one thing right or wrong. Keys and ids are fixed, so that
running it twice writes the same files.

    python vectors/make_attachment.py --write
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from intertie.model.attachment import AttachmentId
from intertie.seal.attachment import (
    CHUNK_BYTES,
    TAG_BYTES,
    AttachmentError,
    Sealed,
    make_ref,
    open_file,
    seal_file,
)

HERE = Path(__file__).parent / "attachment"
IDS = [AttachmentId(f"01941f29-7c00-7000-8000-00000000000{n}") for n in (1, 2)]
FULL = CHUNK_BYTES + TAG_BYTES
PATTERN = "2026-01-15T12:00:00Z,0.125,measured\n"


def key(number: int) -> str:
    raw = hashlib.sha256(f"attachment vector {number}".encode()).digest()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sealed(plain: bytes, id: AttachmentId = IDS[0], number: int = 1) -> bytes:
    out = io.BytesIO()
    seal_file(io.BytesIO(plain), out, id, key(number))
    return out.getvalue()


def changed(raw: bytes, steps: list[dict[str, Any]]) -> bytes:
    """What the steps of a case make of a sealed file; README.md says what each does."""
    for step in steps:
        if "cut_to" in step:
            raw = raw[: step["cut_to"]]
        elif "flip" in step:
            place = step["flip"]
            raw = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        elif "append" in step:
            raw += bytes.fromhex(step["append"])
        else:
            chunks = [raw[at : at + FULL] for at in range(0, len(raw), FULL)]
            raw = b"".join(chunks[place] for place in step["chunks"])
    return raw


def cases() -> Iterator[dict[str, Any]]:
    three = 2 * CHUNK_BYTES + 100
    yield case("one byte", 1)
    yield case("a few lines", 1000)
    yield case("one byte less than a chunk", CHUNK_BYTES - 1)
    yield case("exactly one chunk", CHUNK_BYTES)
    yield case("one byte more than a chunk", CHUNK_BYTES + 1)
    yield case("three chunks", three)
    yield case("exactly two chunks", 2 * CHUNK_BYTES)
    yield case("the last byte is missing", 1000, {"cut_to": 1000 + TAG_BYTES - 1})
    yield case("nothing came", 1000, {"cut_to": 0})
    yield case("the last chunk is missing", three, {"chunks": [0, 1]})
    yield case("the first chunk is missing", three, {"chunks": [1, 2]})
    yield case("a chunk comes twice", three, {"chunks": [0, 1, 1, 2]})
    yield case("two chunks change places", three, {"chunks": [1, 0, 2]})
    yield case("a bit of a chunk is another", three, {"flip": CHUNK_BYTES + 500})
    yield case("a bit of a tag is another", 1000, {"flip": 1000})
    yield case("a byte follows", 1000, {"append": "00"})
    yield case("a chunk follows", 2 * CHUNK_BYTES, {"chunks": [0, 1, 0]})
    yield case("the message says a byte less", 1000, size=999)
    yield case("the message says a byte more", 1000, size=1001)
    short = hashlib.sha256(content(CHUNK_BYTES)).hexdigest()
    yield case("a shorter file of whole chunks", three, {"chunks": [0]}, size=CHUNK_BYTES, sha256=short)
    yield case("another id", 1000, id=IDS[1])
    yield case("another key", 1000, key=key(2))
    yield case("another digest", 1000, sha256=hashlib.sha256(b"").hexdigest())


def content(size: int) -> bytes:
    return (PATTERN.encode() * (size // len(PATTERN) + 1))[:size]


def case(name: str, size: int, /, *steps: dict[str, Any], **said: Any) -> dict[str, Any]:
    plain = content(size)
    raw = sealed(plain)
    ref = {"id": IDS[0], "key": key(1), "size": size, "sha256": hashlib.sha256(plain).hexdigest()} | said
    return {
        "name": name,
        "sealed_for": {"id": IDS[0], "key": key(1), "pattern": PATTERN, "size": size},
        "sealed_sha256": hashlib.sha256(raw).hexdigest(),
        **({"sealed": base64.urlsafe_b64encode(raw).rstrip(b"=").decode()} if size < 2000 else {}),
        "steps": list(steps),
        "attachment": {"name": "readings.csv", "media_type": "text/csv", "cipher": "A256GCM-STREAM-1M"} | ref,
        "expect": verdict(changed(raw, list(steps)), ref),
    }


def verdict(raw: bytes, said: dict[str, Any]) -> str:
    """How this program reads it; the tests hold the independent reader to it."""
    one = make_ref(said["id"], said["key"], Sealed(said["size"], said["sha256"]), "readings.csv", "text/csv")
    try:
        for _ in open_file(io.BytesIO(raw), one):
            pass
    except AttachmentError as error:
        return error.flaw.value
    return "ok"


def main() -> None:
    if sys.argv[1:] != ["--write"]:
        print(__doc__)
        return
    HERE.mkdir(exist_ok=True)
    for one in cases():
        file = "".join(c if c.isalnum() else "_" for c in one["name"])
        (HERE / f"{file}.json").write_text(json.dumps(one, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
