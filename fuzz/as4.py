"""AS4 as a stranger reaches it: whole posts, by keys that everybody has (vectors/as2_keys.json)."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path

from fuzz.as2 import key_of
from intertie.formats.as2 import mime
from intertie.formats.as4.flaws import in_words
from intertie.formats.as4.message import open_post, read_message, verify_signal
from intertie.formats.as4.signal import is_signal, read_signal
from intertie.formats.as4.terms import As4Terms, Quirk
from intertie.formats.as4.user_message import Party

VECTORS = Path(__file__).parent.parent / "vectors"
LIMIT = 100_000


@cache
def terms() -> As4Terms:
    """With every quirk allowed: nothing ends early because it is weak."""
    return As4Terms(
        party_id="aggregator",
        party_type="urn:parties",
        url="https://a.example",
        certificates=(key_of("aggregator").pem.decode(),),
        service="urn:service",
        action="submit",
        quirks=frozenset(Quirk),
    )


def read_as4_post(data: bytes) -> object:
    """A message or a signal, whichever it is."""
    with in_words():
        found = mime.entity(data)
    opened = open_post(found)
    if is_signal(opened.envelope.messaging):
        messaging = verify_signal(opened.envelope, [key_of("utility").certificate], frozenset(Quirk))
        return read_signal(messaging, sha1=True)
    pinned = [key_of("aggregator").certificate]
    us = Party("utility", "urn:parties")
    got = read_message(opened, us, [key_of("utility")], terms(), pinned, LIMIT)
    if got.file is not None and len(got.file.content) > LIMIT:
        raise AssertionError("more than the limit")
    return got


def as4_posts() -> list[bytes]:
    """Those of vectors/."""
    cases = [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted((VECTORS / "as4").glob("*.json"))
    ]
    return [mime.write(case["headers"].items(), base64.b64decode(case["body"])) for case in cases]
