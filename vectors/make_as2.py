"""Write the cases of vectors/as2 anew: AS2 messages and receipts, each with one thing right or wrong. Keys, signatures and
envelopes are random, so all files change; it is run only when the set of cases does.

    python vectors/make_as2.py --write
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509 import load_pem_x509_certificate

from intertie.formats.as2 import mime
from intertie.formats.as2.flaws import As2Error
from intertie.formats.as2.message import File, Post, read_message, signed_entity, write_message
from intertie.formats.as2.names import Names
from intertie.formats.as2.receipt import Fields, check_receipt, read_receipt, write_receipt
from intertie.formats.as2.terms import As2Terms, Compress, Quirk
from intertie.seal import cms
from intertie.seal.cms import CipherName, Digest, Transport
from intertie.seal.smime_keys import SmimeKey

HERE = Path(__file__).parent / "as2"
KEYS = Path(__file__).parent / "as2_keys.json"
NOW = datetime(2026, 11, 26, tzinfo=UTC)
LIMIT = 100_000
NAMES = Names("AGGREGATOR", "UTILITY", "<case@aggregator.example>")
BACK = Names("UTILITY", "AGGREGATOR", "<receipt@utility.example>")
FILE = File(b"ISA*00*\r\nbytes \x00\xff\r\n", "application/edi-x12", "file.x12")
INNER = b"Content-Type: text/plain\r\n\r\nhello"
SMIME = b"Content-Type: application/pkcs7-mime\r\n\r\n"


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


def verdict(case: dict[str, Any]) -> dict[str, str]:
    """What this program says of a case."""
    party = keys()
    found = mime.of_http(case["headers"].items(), base64.b64decode(case["body"]))
    quirks = frozenset(Quirk(one) for one in case["quirks"])
    try:
        if case["kind"] == "receipt":
            got = read_receipt(found, (party["utility"].certificate,), quirks)
            check_receipt(
                got, Names(*case["sent"]["names"]), base64.b64decode(case["sent"]["mic"]), Digest.SHA256
            )
            return {"verdict": "ok", "accepted": str(got.fields.accepted).lower()}
        terms = As2Terms(name=NAMES.sender, url="https://a.example", certificates=(PEM,), quirks=quirks)
        key, pinned = party["utility"], (party["aggregator"].certificate,)
        message = read_message(found, [key], terms, pinned, LIMIT)
    except As2Error as error:
        return {"verdict": error.flaw.value, "said": error.shown.value}
    mic = message.mic((Digest.SHA256,), quirks)[0]
    content = base64.b64encode(message.file.content).decode()
    return {"verdict": "ok", "content": content, "mic": base64.b64encode(mic).decode()}


PEM = "-----BEGIN CERTIFICATE-----"


def case(name: str, origin: str, post: Post, *quirks: Quirk, **more: Any) -> dict[str, Any]:
    body = base64.b64encode(post.body).decode()
    said = {"kind": "message", "name": name, "origin": origin, "headers": dict(post.headers), "body": body}
    return said | {"quirks": [one.value for one in quirks]} | more


def messages(party: dict[str, SmimeKey]) -> Iterator[dict[str, Any]]:
    aggregator, utility, stranger = (party[name] for name in ("aggregator", "utility", "stranger"))

    def sent(by: SmimeKey = aggregator, to: SmimeKey = utility, file: File = FILE, **changed: Any) -> Post:
        terms = As2Terms(name="UTILITY", url="https://u.example", certificates=(PEM,), **changed)
        return write_message(file, NAMES, by, terms, encrypt_for=to.certificate).post

    def smime(raw: bytes) -> Post:
        return Post((("Content-Type", "application/pkcs7-mime"),), raw)

    def sealed(inner: bytes) -> Post:
        return smime(cms.encrypt(inner, utility.certificate, CipherName.AES256_GCM, Transport.OAEP))

    def signed(inner: bytes) -> bytes:
        return signed_entity(inner, aggregator, Digest.SHA256)

    def flipped(post: Post, at: int) -> Post:
        return Post(post.headers, post.body[:at] + bytes([post.body[at] ^ 1]) + post.body[at + 1 :])

    for cipher in (one for one in CipherName if one is not CipherName.TRIPLE_DES):
        for way in Transport:
            yield case(f"{cipher} under {way}", "RFC 5652, RFC 5084", sent(cipher=cipher, key_transport=way))
    yield case("compressed before it was signed", "RFC 5402 s.4", sent(compress=Compress.BEFORE_SIGNING))
    yield case("compressed after it was signed", "RFC 5402 s.4", sent(compress=Compress.AFTER_SIGNING))
    yield case("signed by a stranger", "RFC 4130 s.5.2", sent(by=stranger))
    yield case("encrypted for a stranger", "RFC 4130 s.5.2", sent(to=stranger))
    post = sent()
    yield case("a bit of the content is another under gcm", "RFC 5084", flipped(post, len(post.body) - 60))
    yield case("signed by a stranger under cbc", "RFC 3218", sent(by=stranger, cipher=CipherName.AES128_CBC))
    other = signed(INNER).replace(b"hello", b"Hello")
    yield case("another content than the signed one", "RFC 5652 s.5.4", sealed(other))
    yield case("not signed", "RFC 4130 s.2.4", sealed(INNER))
    yield case("not signed and allowed", "RFC 4130 s.2.4", sealed(INNER), Quirk.UNSIGNED)
    entity = mime.entity(signed(INNER))
    plain = Post((("Content-Type", str(entity.headers["content-type"])),), entity.body)
    yield case("not encrypted", "RFC 4130 s.2.4", plain)
    yield case("not encrypted and allowed", "RFC 4130 s.2.4", plain, Quirk.UNENCRYPTED)
    yield case("signed twice", "RFC 5402 s.3", sealed(signed(signed(INNER))))
    yield case("encrypted twice", "RFC 5402 s.3", sealed(SMIME + sealed(INNER).body))
    bomb = SMIME + cms.compress(INNER + bytes(LIMIT))
    yield case("more than the limit when decompressed", "RFC 3274", sealed(bomb))
    broken = SMIME + cms.compress(INNER + b"x" * 500)[:-8] + b"\0" * 8
    yield case("a compressed stream that ends wrongly", "RFC 3274", sealed(broken))
    nested = INNER
    for _ in range(5):
        nested = SMIME + cms.compress(nested)
    yield case("compressed five times", "RFC 5402 s.3", sealed(nested))
    yield case("not a structure of cms", "RFC 5652 s.3", smime(b"\x30\x80" * 200))
    cut = signed(INNER)
    yield case("a multipart without an end", "RFC 2046 s.5.1.1", sealed(cut[: cut.rindex(b"--")]))


def receipts(party: dict[str, SmimeKey]) -> Iterator[dict[str, Any]]:
    mic = cms.digest_of(INNER, Digest.SHA256)
    good = Fields(NAMES.message_id, True, "", mic, Digest.SHA256, "taken")
    about = {"names": list(NAMES), "mic": base64.b64encode(mic).decode()}

    def one(
        name: str, origin: str, fields: Fields, *quirks: Quirk, by: str = "utility", signed: bool = True
    ) -> dict[str, Any]:
        post = write_receipt(fields, BACK, party[by], Digest.SHA256 if signed else None)
        return case(name, origin, post, *quirks, kind="receipt", sent=about)

    yield one("a receipt", "RFC 4130 s.7", good)
    yield one("a receipt by a stranger", "RFC 4130 s.7", good, by="stranger")
    yield one("a receipt that is not signed", "RFC 4130 s.7.3", good, signed=False)
    yield one(
        "a receipt that is not signed and allowed",
        "RFC 4130 s.7.3",
        good,
        Quirk.UNSIGNED_RECEIPT,
        signed=False,
    )
    yield one("a receipt over other bytes", "RFC 4130 s.7.4.3", good._replace(mic=b"\0" * 32))
    yield one("a receipt without a mic", "RFC 4130 s.7.4.3", good._replace(mic=b"", digest=None))
    yield one("a receipt for another message", "RFC 4130 s.7.4.3", good._replace(original_id="<other@x>"))
    failed = Fields(NAMES.message_id, True, "error: authentication-failed", text="no")
    yield one("a receipt that says that it failed", "RFC 4130 s.7.5", failed)
    again = Fields(NAMES.message_id, True, "warning: duplicate-document", text="again")
    yield one("a receipt for a duplicate", "RFC 4130 s.7.5", again)


def main() -> None:
    """Write keys and cases."""
    fresh = {name: SmimeKey.generate(name, NOW) for name in ("utility", "aggregator", "stranger")}
    said = {
        name: {
            "key": one.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "certificate": one.pem.decode(),
        }
        for name, one in fresh.items()
    }
    KEYS.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    HERE.mkdir(exist_ok=True)
    for old in HERE.glob("*.json"):
        old.unlink()
    for each in (*messages(fresh), *receipts(fresh)):
        name = "".join(c if c.isalnum() else "_" for c in each["name"])
        (HERE / f"{name}.json").write_text(
            json.dumps(each | {"expect": verdict(each)}, indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    main()
