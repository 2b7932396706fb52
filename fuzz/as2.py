"""AS2 as a stranger reaches it: whole posts, by keys that everybody has (vectors/as2_keys.json)."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from intertie.formats.as2 import mime
from intertie.formats.as2.message import read_message
from intertie.formats.as2.names import read_asked, read_names
from intertie.formats.as2.receipt import is_receipt, original_id, read_receipt
from intertie.formats.as2.terms import As2Terms, Quirk
from intertie.seal.smime_keys import SmimeKey

VECTORS = Path(__file__).parent.parent / "vectors"
LIMIT = 100_000


@cache
def key_of(name: str) -> SmimeKey:
    """A party of the vectors."""
    said = json.loads((VECTORS / "as2_keys.json").read_text(encoding="utf-8"))[name]
    key = load_pem_private_key(said["key"].encode(), None)
    return SmimeKey(key, load_pem_x509_certificate(said["certificate"].encode()))  # type: ignore[arg-type]


def read_post(data: bytes) -> object:
    """A message or a receipt, whichever it is, with every quirk allowed: nothing ends early because it is weak."""
    found = mime.entity(data)
    if is_receipt(found):
        original_id(found)
        return read_receipt(found, (key_of("utility").certificate,), frozenset(Quirk))
    pem = key_of("aggregator").pem.decode()
    terms = As2Terms(name="A", url="https://a.example", certificates=(pem,), quirks=frozenset(Quirk))
    got = read_message(found, [key_of("utility")], terms, (key_of("aggregator").certificate,), LIMIT)
    if len(got.file.content) > LIMIT + len(data):
        raise AssertionError("more than the limit")
    return got.mic(read_asked(found).digests, terms.quirks), read_names(found)


def posts() -> list[bytes]:
    """Those of vectors/."""
    cases = [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted((VECTORS / "as2").glob("*.json"))
    ]
    return [mime.write(case["headers"].items(), base64.b64decode(case["body"])) for case in cases]
