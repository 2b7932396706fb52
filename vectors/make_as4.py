"""Write the cases of vectors/as4 anew: AS4 messages and signals, each with one thing right or wrong. The keys are those of
as2_keys.json; signatures and encryption are random, so all files change; it is run only when the set of cases does.

    python vectors/make_as4.py --write
"""

from __future__ import annotations

import base64
import copy
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from lxml import etree

from intertie.formats.as2 import mime
from intertie.formats.as4.flaws import OTHER, As4Error, error_of
from intertie.formats.as4.message import (
    File,
    Post,
    Sent,
    open_post,
    read_message,
    verify_signal,
    without_file,
    write_message,
    write_signal,
)
from intertie.formats.as4.names import DS, WSU_ID, XENC, XENC11, eb
from intertie.formats.as4.signal import check_receipt, read_signal, write_error, write_receipt
from intertie.formats.as4.terms import As4Terms, Quirk
from intertie.formats.as4.user_message import Party
from intertie.seal.cms import CipherName, Digest
from intertie.seal.smime_keys import SmimeKey
from intertie.seal.xml_signature import Reference

HERE = Path(__file__).parent / "as4"
KEYS = Path(__file__).parent / "as2_keys.json"
NOW = datetime(2026, 11, 27, tzinfo=UTC)
LIMIT = 100_000
US, THEM = Party("utility", "urn:parties"), Party("aggregator", "urn:parties")
MESSAGE, SIGNAL = "case@aggregator.example", "signal@utility.example"
FILE = File(b"ISA*00*\r\nbytes \x00\xff\r\n", "application/edi-x12")
Change = Callable[[Any], object]


@cache
def keys() -> dict[str, SmimeKey]:
    """Of the parties: utility, aggregator, stranger."""
    said = json.loads(KEYS.read_text(encoding="utf-8"))
    return {
        name: SmimeKey(
            load_pem_private_key(one["key"].encode(), None),
            load_pem_x509_certificate(one["certificate"].encode()),
        )
        for name, one in said.items()
    }


def terms(party: Party, **changed: Any) -> As4Terms:
    """What both agreed; `party` is the other side."""
    pem = keys()[party.name].pem.decode()
    said = {"party_id": party.name, "party_type": party.kind, "certificates": (pem,)}
    return As4Terms(url="https://x.example", service="urn:service", action="submit", **(said | changed))


def verdict(case: dict[str, Any]) -> dict[str, str]:
    """What this program says of a case."""
    found = mime.of_http(case["headers"].items(), base64.b64decode(case["body"]))
    quirks = frozenset(Quirk(one) for one in case["quirks"])
    try:
        opened = open_post(found)
        if case["kind"] == "signal":
            pinned = [keys()["utility"].certificate]
            signal = read_signal(verify_signal(opened.envelope, pinned, quirks))
            check_receipt(signal, MESSAGE, references(case["sent"]))
            return {"verdict": "ok", "accepted": str(signal.accepted).lower(), "words": signal.words}
        agreed, pinned = terms(THEM, quirks=quirks), [keys()["aggregator"].certificate]
        got = read_message(opened, US, [keys()["utility"]], agreed, pinned, LIMIT)
    except As4Error as error:
        return {"verdict": error.flaw.value, "said": error_of(error.flaw).code}
    assert got.file is not None
    return {"verdict": "ok", "content": base64.b64encode(got.file.content).decode()}


def references(said: list[list[str]]) -> tuple[Reference, ...]:
    """Of the message that a signal is about."""
    return tuple(Reference(uri, Digest(name), base64.b64decode(value)) for uri, name, value in said)


def case(name: str, origin: str, post: Post, *quirks: Quirk, **more: Any) -> dict[str, Any]:
    body = base64.b64encode(post.body).decode()
    said = {"kind": "message", "name": name, "origin": origin, "headers": dict(post.headers), "body": body}
    return said | {"quirks": [one.value for one in quirks]} | more


def sent(by: str = "aggregator", to: str = "utility", file: File = FILE, **changed: Any) -> Sent:
    """From the aggregator to the utility."""
    return write_message(
        file,
        THEM,
        terms(US, **changed),
        keys()[by],
        encrypt_for=keys()[to].certificate,
        message_id=MESSAGE,
        conversation="talk",
        at=NOW,
    )


def changed(post: Post, change: Change) -> Post:
    """The same file under a changed envelope."""
    found = mime.of_http(post.headers, post.body)
    soap, *files = mime.parts(found)
    root = etree.fromstring(soap.content())
    change(root)
    fresh = mime.write([("Content-Type", "application/soap+xml; charset=UTF-8")], etree.tostring(root))
    return Post(
        post.headers, mime.multipart(found.parameter("boundary"), [fresh, *(one.raw for one in files)])
    )


def find(root: Any, name: str) -> Any:
    """The first element of this local name."""
    return next(one for one in root.iter(etree.Element) if etree.QName(one).localname == name)


def evil(root: Any) -> Any:
    """A messaging header that says something else under the same id."""
    made = copy.deepcopy(find(root, "Messaging"))
    find(made, "MessageId").text = "evil@aggregator.example"
    return made


def wrapped(root: Any) -> None:
    """The signed header moves into an element that nobody reads."""
    messaging = find(root, "Messaging")
    parent, fresh = messaging.getparent(), evil(root)
    parent.replace(messaging, fresh)
    etree.SubElement(parent, "{urn:evil}Wrapper").append(messaging)


def in_object(root: Any) -> None:
    """The signed header moves into an Object of the signature, under another name."""
    messaging = find(root, "Messaging")
    messaging.getparent().replace(messaging, evil(root))
    messaging.tag = "{urn:evil}Messaging"
    etree.SubElement(find(root, "Signature"), f"{{{DS}}}Object").append(messaging)


def renamed_id(root: Any) -> None:
    """The one that is read has the id in an attribute of another name."""
    messaging = find(root, "Messaging")
    fresh = evil(root)
    fresh.set("ID", fresh.attrib.pop(WSU_ID))
    messaging.getparent().replace(messaging, fresh)
    messaging.tag = "{urn:evil}Messaging"
    find(root, "Header").append(messaging)


def drop(name: str) -> Change:
    def change(root: Any) -> None:
        element = find(root, name)
        element.getparent().remove(element)

    return change


def algorithm(path: str, name: str, uri: str) -> Change:
    return lambda root: find(find(root, path), name).set("Algorithm", uri)


def messages() -> Iterator[dict[str, Any]]:
    for cipher in (CipherName.AES128_GCM, CipherName.AES256_GCM):
        yield case(f"{cipher} under rsa oaep", "AS4 profile s.5.1.7", sent(cipher=cipher).post)
    yield case("signed by sha 512", "AS4 profile s.5.1.4", sent(digest=Digest.SHA512).post)
    yield case("not compressed", "AS4 profile s.3.1", sent(compress=False).post)
    yield case("signed by a stranger", "WSS 1.1.1 s.8", sent(by="stranger").post)
    yield case("encrypted for a stranger", "WSS 1.1.1 s.9", sent(to="stranger").post)
    good = sent().post
    place = len(good.body) - 70
    flipped = good.body[:place] + bytes([good.body[place] ^ 1]) + good.body[place + 1 :]
    yield case("a bit of the file is another", "XML Encryption 1.1 s.5.2.4", Post(good.headers, flipped))
    other = changed(good, lambda root: setattr(find(root, "Action"), "text", "cancel"))
    yield case("another action than the signed one", "XML Signature s.3.2", other)
    for name, change in (
        ("wrapped", wrapped),
        ("wrapped in an object", in_object),
        ("an id renamed", renamed_id),
    ):
        yield case(f"a signature {name}", "XML Signature best practices s.2.5", changed(good, change))
    second = changed(good, lambda root: find(root, "Messaging").addprevious(evil(root)))
    yield case("two messaging headers", "ebMS 3.0 s.5.1", second)
    yield case("not signed", "AS4 profile s.5.1.4", changed(good, drop("Signature")))
    yield case("a line taken out of the signature", "AS4 profile s.5.1.5", _body_not_signed(good))
    weak = changed(good, algorithm("SignedInfo", "SignatureMethod", f"{DS}rsa-sha1"))
    yield case("a signature by sha 1", "SP 800-131A", weak)
    yield case(
        "a key under rsa 1 5",
        "RFC 8017 s.7.2",
        changed(good, algorithm("EncryptedKey", "EncryptionMethod", f"{XENC}rsa-1_5")),
    )
    yield case(
        "a cipher in cbc",
        "XML Encryption 1.1 s.5.2.2",
        changed(good, algorithm("EncryptedData", "EncryptionMethod", f"{XENC}aes128-cbc")),
    )
    yield case(
        "oaep by sha 1",
        "XML Encryption 1.1 s.5.5.2",
        changed(good, algorithm("EncryptedKey", "MGF", f"{XENC11}mgf1sha1")),
    )
    yield case("a transform by xpath", "XML Signature s.6.6.3", changed(good, _xpath))
    yield case(
        "more than the limit when decompressed",
        "AS4 profile s.3.1",
        sent(file=File(bytes(LIMIT + 1), "x/y")).post,
    )
    yield case("for another service", "ebMS 3.0 s.5.2.2.8", sent(service_type="urn:other").post)
    found = mime.of_http(good.headers, good.body)
    soap, file = (one.raw for one in mime.parts(found))
    boundary = found.parameter("boundary")
    yield case("without its file", "AS4 profile s.2.1", Post(good.headers, mime.multipart(boundary, [soap])))
    typed = soap.replace(b"<S12:Envelope", b'<!DOCTYPE x [<!ENTITY a "b">]><S12:Envelope', 1)
    yield case(
        "with a document type", "SOAP 1.2 s.5", Post(good.headers, mime.multipart(boundary, [typed, file]))
    )


def _body_not_signed(post: Post) -> Post:
    """Its reference to the body is gone."""

    def change(root: Any) -> None:
        body = find(root, "Body").get(WSU_ID)
        line = next(one for one in root.iter(f"{{{DS}}}Reference") if one.get("URI") == f"#{body}")
        line.getparent().remove(line)

    return changed(post, change)


def _xpath(root: Any) -> None:
    line = next(root.iter(f"{{{DS}}}Reference"))
    find(line, "Transform").set("Algorithm", "http://www.w3.org/TR/1999/REC-xpath-19991116")


def signals() -> Iterator[dict[str, Any]]:
    made = sent()
    opened = open_post(mime.of_http(made.post.headers, made.post.body))
    got = read_message(
        opened, US, [keys()["utility"]], terms(THEM), [keys()["aggregator"].certificate], LIMIT
    )
    about = [[one.uri, one.digest.value, base64.b64encode(one.value).decode()] for one in made.references]
    raw = got.verified.raw

    def one(
        name: str, origin: str, messaging: Any, by: str = "utility", change: Change | None = None
    ) -> dict[str, Any]:
        whole = write_signal(messaging, SIGNAL, keys()[by])
        if change is not None:
            root = etree.fromstring(whole)
            change(root)
            whole = etree.tostring(root)
        return case(name, origin, without_file(whole), kind="signal", sent=about)

    def receipt(id: str = MESSAGE, lines: tuple[bytes, ...] = raw) -> Any:
        return write_receipt(SIGNAL, NOW, id, lines)

    yield one("a receipt", "AS4 profile s.5.1.8", receipt())
    yield one("a receipt by a stranger", "AS4 profile s.5.1.8", receipt(), by="stranger")
    yield one("a receipt that is not signed", "AS4 profile s.5.1.8", receipt(), change=drop("Signature"))
    yield one(
        "a receipt that is changed",
        "XML Signature s.3.2",
        receipt(),
        change=lambda root: setattr(find(root, "RefToMessageId"), "text", "x@y"),
    )
    yield one("a receipt for another message", "ebMS 3.0 s.5.2.3.3", receipt("x@y"))
    yield one("a receipt without one digest", "AS4 profile s.5.1.8", receipt(lines=raw[:-1]))
    mixed = tuple(line.replace(b"<ds:DigestValue>", b"<ds:DigestValue>AAAA") for line in raw)
    yield one("a receipt for other digests", "AS4 profile s.5.1.8", receipt(lines=mixed))
    yield one("an error", "ebMS 3.0 s.6.2", write_error(SIGNAL, NOW, MESSAGE, OTHER, "no"))
    warning = write_error(SIGNAL, NOW, MESSAGE, OTHER, "careful")
    warning.find(f".//{eb('Error')}").set("severity", "warning")
    yield one("a warning", "ebMS 3.0 s.6.2.5", warning)


def main() -> None:
    """Write the cases."""
    HERE.mkdir(exist_ok=True)
    for old in HERE.glob("*.json"):
        old.unlink()
    for each in (*messages(), *signals()):
        name = "".join(c if c.isalnum() else "_" for c in each["name"])
        (HERE / f"{name}.json").write_text(
            json.dumps(each | {"expect": verdict(each)}, indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    main()
