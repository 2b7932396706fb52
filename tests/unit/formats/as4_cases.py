"""Messages of AS4 between two keys, and ways to change them on their way."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from lxml import etree

from intertie.formats.as2 import mime
from intertie.formats.as4.flaws import As4Error, Flaw
from intertie.formats.as4.message import (
    File,
    Post,
    Received,
    Sent,
    open_post,
    read_message,
    write_message,
)
from intertie.formats.as4.terms import As4Terms, Quirk
from intertie.formats.as4.user_message import Party
from intertie.seal.smime_keys import SmimeKey

NOW = datetime(2026, 11, 27, tzinfo=UTC)
US, THEM, STRANGER = (SmimeKey.generate(name, NOW) for name in ("us", "them", "stranger"))
WE, THEY = Party("us", "urn:type"), Party("them", "urn:type")
FILE = File(b"ISA*00*          *" * 50, "application/edi-x12")
LIMIT = 100_000
# A change of the envelope, in place.
Change = Callable[[Any], None]


def terms(party: Party = THEY, key: SmimeKey = THEM, *quirks: Quirk, **changed: Any) -> As4Terms:
    said: dict[str, Any] = {
        "party_id": party.name,
        "party_type": party.kind,
        "url": "https://them.example/as4",
        "certificates": (key.pem.decode(),),
        "service": "urn:service",
        "service_type": "urn:services",
        "action": "submit",
        "agreement": "urn:agreement",
        "quirks": frozenset(quirks),
    }
    return As4Terms(**(said | changed))


def sent(
    file: File = FILE, *, by: SmimeKey = US, to: SmimeKey = THEM, us: Party = WE, **changed: Any
) -> Sent:
    """A message of ours."""
    return write_message(
        file,
        us,
        terms(**changed),
        by,
        encrypt_for=to.certificate,
        message_id="m1@us",
        conversation="talk",
        at=NOW,
    )


def taken(post: Post, *quirks: Quirk, limit: int = LIMIT, pinned: SmimeKey = US, **changed: Any) -> Received:
    """As the other side reads it."""
    agreed = terms(WE, US, *quirks, **changed)
    return read_message(
        open_post(mime.of_http(post.headers, post.body)), THEY, [THEM], agreed, [pinned.certificate], limit
    )


def flaw(post: Post, *quirks: Quirk, **changed: Any) -> Flaw:
    """Why it is not taken."""
    try:
        taken(post, *quirks, **changed)
    except As4Error as error:
        return error.flaw
    raise AssertionError("it was taken")


def envelope_of(post: Post) -> Any:
    """The envelope of a post."""
    pieces = mime.parts(mime.of_http(post.headers, post.body))
    return etree.fromstring(pieces[0].content())


def with_envelope(post: Post, raw: bytes) -> Post:
    """The same attachment under another envelope."""
    found = mime.of_http(post.headers, post.body)
    pieces = mime.parts(found)
    soap = mime.write([("Content-Type", "application/soap+xml; charset=UTF-8")], raw)
    return Post(
        post.headers, mime.multipart(found.parameter("boundary"), [soap, *(p.raw for p in pieces[1:])])
    )


def changed(post: Post, change: Change) -> Post:
    """The same with another envelope."""
    root = envelope_of(post)
    change(root)
    return with_envelope(post, etree.tostring(root))


def find(root: Any, name: str) -> Any:
    """The first element of this local name."""
    return next(one for one in root.iter(etree.Element) if etree.QName(one).localname == name)


def clone(element: Any) -> Any:
    """A copy of its own."""
    return copy.deepcopy(element)
