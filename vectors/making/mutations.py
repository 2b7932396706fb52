"""What can be wrong with any signed object, after the manner of Project Wycheproof: its JSON, its protected header, its
signatures. Each mutation says where it is caught, so that receipts, descriptors and evidence can name their own verdict."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from intertie.seal.encoding import write_canonical
from intertie.seal.keys import PrivateKeys

from .people import (
    OTHER_KEYS,
    P256,
    Edit,
    Signed,
    b64,
    ecdsa_key,
    mldsa_key,
    mldsa_under_ec,
    other_curve,
    unb64,
    wrong_certificates,
)

# Where a mutation is caught.
JSON = "json"  # the text is not the one spelling of any JSON
FORM = "form"  # it is, but not of a JWS of this kind
MISSING = "missing"  # an algorithm of the profile is not there
ALGORITHMS = "algorithms"  # the algorithms are those of no profile
UNKNOWN = "unknown"  # it names a certificate that the party is not known by
SIGNATURE = "signature"  # it does not verify
# or the code of a certificate's refusal

Line = dict[str, Any]


class Mutation(NamedTuple):
    name: str
    caught: str
    raw: bytes
    origin: str


def edit_json(change: Callable[[Any], Any]) -> Edit:
    return lambda raw: write_canonical(change(json.loads(raw)))


def edit_line(number: int, change: Callable[[Line], Line]) -> Edit:
    """Change one signature of a JWS, and put the lines in order again."""

    def edit(jws: Any) -> Any:
        jws["signatures"][number] = change(jws["signatures"][number])
        return jws

    return edit_json(edit)


def edit_head(
    change: Callable[[dict[str, Any]], dict[str, Any]], number: int = 0, *, order: bool = True
) -> Edit:
    """Change one protected header; its signature stays."""

    def edit(jws: Any) -> Any:
        line = jws["signatures"][number]
        line["protected"] = b64(write_canonical(change(json.loads(unb64(line["protected"])))))
        if order:
            jws["signatures"].sort(key=lambda one: str(json.loads(unb64(one["protected"])).get("alg")))
        return jws

    return edit_json(edit)


def raw_head(change: Callable[[bytes], bytes]) -> Edit:
    return edit_line(0, lambda line: line | {"protected": b64(change(unb64(line["protected"])))})


def edit_value(change: Callable[[bytes], bytes], number: int = 0) -> Edit:
    """Change the bytes of one signature."""
    return edit_line(number, lambda line: line | {"signature": b64(change(unb64(line["signature"])))})


def signed_anew(sign: Callable[[bytes, bytes], bytes], number: int = 0) -> Edit:
    """Another signature over (signing input, payload)."""

    def edit(jws: Any) -> Any:
        line = jws["signatures"][number]
        value = sign(f"{line['protected']}.{jws['payload']}".encode(), unb64(jws["payload"]))
        line["signature"] = b64(value)
        return jws

    return edit_json(edit)


def flip(at: int) -> Edit:
    def edit(raw: bytes) -> bytes:
        place = at % len(raw)
        return raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]

    return edit


def number_pair(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def rs(change: Callable[[int, int], tuple[int, int]]) -> Edit:
    return lambda raw: number_pair(*change(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")))


def fixed(der: bytes, *, low: bool = True) -> bytes:
    r, s = decode_dss_signature(der)
    return number_pair(r, min(s, P256 - s) if low else s)


def to_der(raw: bytes) -> bytes:
    def integer(part: bytes) -> bytes:
        body = part.lstrip(b"\0") or b"\0"
        body = (b"\0" if body[0] & 0x80 else b"") + body
        return b"\x02" + bytes([len(body)]) + body

    inside = integer(raw[:32]) + integer(raw[32:])
    return b"\x30" + bytes([len(inside)]) + inside


def spare_bits(text: str) -> str:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(text) % 4
    return text[:-1] + letters[letters.index(text[-1]) | 1]


def texts(good: bytes) -> Iterator[Mutation]:
    """The text of the JWS."""
    page = "docs/parcel.md, Encodings"
    members = json.loads(good)
    payload, lines = write_canonical(members["payload"]), write_canonical(members["signatures"])
    yield Mutation("blank in JSON", JSON, good.replace(b":", b": ", 1), page)
    yield Mutation("line end after JSON", JSON, good + b"\n", page)
    yield Mutation("byte order mark", JSON, b"\xef\xbb\xbf" + good, page)
    yield Mutation("truncated", JSON, good[:-1], page)
    yield Mutation("two objects", JSON, good + good, page)
    yield Mutation("not UTF-8", JSON, good.replace(b"payload", b"payloa\xff", 1), page)
    twice = b'{"payload":' + payload + b',"payload":' + payload + b',"signatures":' + lines + b"}"
    yield Mutation("payload twice", JSON, twice, page)
    twice = good[:-1] + b',"signatures":' + lines + b"}"
    yield Mutation("signatures twice", JSON, twice, page)
    turned = b'{"signatures":' + lines + b',"payload":' + payload + b"}"
    yield Mutation("members out of order", JSON, turned, page)
    escaped = good.replace(b'"payload"', b'"\\u0070ayload"', 1)
    yield Mutation("escaped letter", JSON, escaped, page)
    yield Mutation("nested deep", JSON, b"[" * 5_000, "RFC 8259 s.9")


def forms(signed: Signed) -> Iterator[Mutation]:
    """The form of the JWS, and its base64."""
    page = "docs/parcel.md, Signatures"
    encodings = "docs/parcel.md, Encodings"

    def made(edit: Edit) -> bytes:
        return signed.jws(edit).raw()

    for name, change in {
        "unknown member": lambda jws: jws | {"zzz": 1},
        "no payload": lambda jws: {"signatures": jws["signatures"]},
        "no signatures member": lambda jws: {"payload": jws["payload"]},
        "signatures empty": lambda jws: jws | {"signatures": []},
        "signatures null": lambda jws: jws | {"signatures": None},
        "signature repeated": lambda jws: jws | {"signatures": [jws["signatures"][0], *jws["signatures"]]},
        "signatures more than any profile has": lambda jws: jws | {"signatures": jws["signatures"] * 5},
        "flattened serialization": lambda jws: {"payload": jws["payload"]} | jws["signatures"][0],
        "an array": lambda jws: [jws],
    }.items():
        yield Mutation(name, FORM, made(edit_json(change)), page)
    compact = edit_json(
        lambda jws: ".".join(
            (jws["signatures"][0]["protected"], jws["payload"], jws["signatures"][0]["signature"])
        )
    )
    yield Mutation("compact serialization", FORM, made(compact), page)
    header = edit_line(0, lambda line: line | {"header": {"kid": "x"}})
    yield Mutation("unprotected header", FORM, made(header), page)
    for name, change in {
        "signature padded": lambda text: text + "==",
        "signature with spare bits": spare_bits,
        "signature with a line end": lambda text: text[:8] + "\n" + text[8:],
        "signature in the standard alphabet": lambda text: "+/" + text[2:],
        "signature of an impossible length": lambda text: text[: len(text) - len(text) % 4] + "A",
    }.items():
        edit = edit_line(0, lambda line, change=change: line | {"signature": change(line["signature"])})
        yield Mutation(name, FORM, made(edit), encodings)
    padded = edit_json(lambda jws: jws | {"payload": jws["payload"] + "="})
    yield Mutation("payload padded", FORM, made(padded), encodings)


def heads(signed: Signed, other_typ: str) -> Iterator[Mutation]:
    """The protected header: what it names, and what it must not."""
    page, jose = "docs/parcel.md, Signatures", "RFC 8725 s.3"

    def made(change: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
        return signed.jws(edit_head(change)).raw()

    yield Mutation("typ of another object", FORM, replace(signed, typ=other_typ).raw(), jose + ".11")
    for typ in ("JWT", "JOSE", signed.typ.upper(), "application/" + signed.typ):
        yield Mutation(f"typ {typ}", FORM, replace(signed, typ=typ).raw(), page)
    url = "https://other.example/keys"
    for name, value in {
        "jku": url,
        "x5u": url,
        "jwk": {"kty": "EC"},
        "x5c": ["AA=="],
        "kid": "0123456789abcdef",
        "crit": ["exp"],
        "b64": False,
        "cty": "json",
        "x5t": "AAAA",
        "alg2": "ES256",
    }.items():
        more = made(lambda head, name=name, value=value: head | {name: value})
        yield Mutation(f"protected {name}", FORM, more, jose + ".10" if name in {"jku", "x5u"} else page)
    for name in ("alg", "typ", "x5t#S256"):
        less = made(lambda head, name=name: {k: v for k, v in head.items() if k != name})
        yield Mutation(f"protected without {name}", FORM, less, page)
    yield Mutation("protected alg a number", FORM, made(lambda head: head | {"alg": 7}), page)
    yield Mutation(
        "protected x5t 31 bytes", FORM, made(lambda head: head | {"x5t#S256": b64(bytes(31))}), page
    )
    in_hex = made(lambda head: head | {"x5t#S256": unb64(head["x5t#S256"]).hex()})
    yield Mutation("protected x5t in hex", FORM, in_hex, page)
    for name, change in {
        "blank": lambda raw: raw.replace(b",", b", ", 1),
        "alg twice": lambda raw: raw.replace(b'"alg":"ES256"', b'"alg":"ES256","alg":"ES256"', 1),
        "alg twice, none first": lambda raw: raw.replace(b'"alg":"ES256"', b'"alg":"none","alg":"ES256"', 1),
        "cut": lambda raw: raw[:-1],
        "empty": lambda raw: b"",
    }.items():
        yield Mutation(f"protected {name}", FORM, signed.jws(raw_head(change)).raw(), page)
    zero = made(lambda head: head | {"x5t#S256": b64(bytes(32))})
    yield Mutation("protected x5t of nothing", UNKNOWN, zero, page)


def algorithms(signed: Signed) -> Iterator[Mutation]:
    """Algorithms that no profile has: the classical object relabelled."""
    jose = "RFC 8725 s.3.1"
    for alg in (
        "none",
        "nOnE",
        "ES384",
        "ES512",
        "ES256K",
        "RS256",
        "PS256",
        "EdDSA",
        "es256",
        "ML-DSA-44",
        "",
    ):
        edit = edit_head(lambda head, alg=alg: head | {"alg": alg})
        name = {"": "empty", "nOnE": "none in capitals", "es256": "ES256 in small letters"}.get(alg, alg)
        half = MISSING if alg == "ES384" else ALGORITHMS  # half of hybrid-high
        yield Mutation(f"alg {name}", half, signed.jws(edit).raw(), jose)
    bare = edit_json(
        lambda jws: (
            jws
            | {
                "signatures": [
                    json.loads(edit_head(lambda head: head | {"alg": "none"})(write_canonical(jws)))[
                        "signatures"
                    ][0]
                    | {"signature": ""}
                ]
            }
        )
    )
    yield Mutation("alg none without a signature", ALGORITHMS, signed.jws(bare).raw(), jose)
    secret = (
        ecdsa_key(signed.signers[0])
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    hs256 = edit_head(lambda head: head | {"alg": "HS256"})

    def keyed(raw: bytes) -> bytes:
        return signed_anew(lambda data, _: hmac.new(secret, data, hashlib.sha256).digest())(hs256(raw))

    yield Mutation("alg HS256 keyed with the public key", ALGORITHMS, signed.jws(keyed).raw(), jose)


def ecdsa(signed: Signed) -> Iterator[Mutation]:
    """ES256 signatures that must not verify."""
    page, rfc = "docs/parcel.md, Signatures: r and s", "RFC 7518 s.3.4"
    key = ecdsa_key(signed.signers[0])
    sha256, sha384 = ec.ECDSA(hashes.SHA256()), ec.ECDSA(hashes.SHA384())

    def made(edit: Edit) -> bytes:
        return signed.jws(edit).raw()

    for name, change in {
        "r first bit": flip(0),
        "r last bit": flip(31),
        "s first bit": flip(32),
        "s last bit": flip(63),
        "high s": rs(lambda r, s: (r, P256 - s)),
        "other r": rs(lambda r, s: (P256 - r, s)),
        "r zero": rs(lambda r, s: (0, s)),
        "s zero": rs(lambda r, s: (r, 0)),
        "r and s zero": rs(lambda r, s: (0, 0)),
        "r is the order": rs(lambda r, s: (P256, s)),
        "s is the order": rs(lambda r, s: (r, P256)),
        "r one more than the order": rs(lambda r, s: (P256 + 1, s)),
        "r and s one": rs(lambda r, s: (1, 1)),
        "r and s swapped": rs(lambda r, s: (s, r)),
        "all ones": lambda raw: b"\xff" * 64,
        "DER": to_der,
        "63 bytes": lambda raw: raw[1:],
        "65 bytes": lambda raw: b"\0" + raw,
        "no bytes": lambda raw: b"",
        "r alone": lambda raw: raw[:32],
        "twice": lambda raw: raw + raw,
        "48 byte halves": lambda raw: bytes(16) + raw[:32] + bytes(16) + raw[32:],
    }.items():
        yield Mutation(f"ES256 {name}", SIGNATURE, made(edit_value(change)), rfc if "bytes" in name else page)
    anew = {
        "over the payload alone": lambda data, payload: fixed(key.sign(payload, sha256)),
        "over SHA-384": lambda data, payload: fixed(key.sign(data, sha384)),
        "over an empty text": lambda data, payload: fixed(key.sign(b"", sha256)),
        "over other JSON": lambda data, payload: fixed(key.sign(data + b" ", sha256)),
        "by another key": lambda data, payload: fixed(
            ecdsa_key(OTHER_KEYS.signing["ES256"]).sign(data, sha256)
        ),
    }
    for name, sign in anew.items():
        yield Mutation(f"ES256 {name}", SIGNATURE, made(signed_anew(sign)), page)
    altered = edit_json(
        lambda jws: jws | {"payload": b64(unb64(jws["payload"]).replace(b":00Z", b":01Z", 1))}
    )
    yield Mutation("payload altered after signing", SIGNATURE, made(altered), "RFC 7515 s.5.2")


def pairs(signed: Signed, keys: PrivateKeys) -> Iterator[Mutation]:
    """A hybrid object: two signatures, both needed."""
    page = "docs/parcel.md, Profiles: exactly the profile's, each once"
    es256, es384, ml65, ml87 = (keys.signing[alg] for alg in ("ES256", "ES384", "ML-DSA-65", "ML-DSA-87"))
    yield Mutation("ES256 removed", MISSING, signed.by(ml65).raw(), page)
    yield Mutation("ES256 with ML-DSA-87", ALGORITHMS, signed.by(es256, ml87).raw(), page)
    yield Mutation("ES384 with ML-DSA-65", ALGORITHMS, signed.by(es384, ml65).raw(), page)
    yield Mutation("ES384 alone", MISSING, signed.by(es384).raw(), page)
    yield Mutation("three signatures", ALGORITHMS, signed.by(es256, es384, ml65).raw(), page)
    turned = edit_json(lambda jws: jws | {"signatures": jws["signatures"][::-1]})
    yield Mutation("signatures out of order", FORM, signed.jws(turned).raw(), page)

    def swap(jws: Any) -> Any:
        one, two = jws["signatures"]
        one["signature"], two["signature"] = two["signature"], one["signature"]
        return jws

    yield Mutation("signatures swapped", SIGNATURE, signed.jws(edit_json(swap)).raw(), page)
    mark = json.loads(unb64(json.loads(signed.raw())["signatures"][0]["protected"]))["x5t#S256"]
    crossed = edit_head(lambda head: head | {"x5t#S256": mark}, 1)
    yield Mutation("ML-DSA names the ES256 certificate", UNKNOWN, signed.jws(crossed).raw(), page)
    yield Mutation("hybrid, ES256 bit", SIGNATURE, signed.jws(edit_value(flip(5))).raw(), page)
    yield from post_quantum(signed, ml87)


def post_quantum(signed: Signed, ml87: Any) -> Iterator[Mutation]:
    """ML-DSA-65 signatures that must not verify, beside an ES256 one that does."""
    key, fips = mldsa_key(signed.signers[1]), "FIPS 204 s.5.3"

    def made(edit: Edit) -> bytes:
        return signed.jws(edit).raw()

    for name, change in {
        "challenge bit": flip(0),
        "response bit": flip(1000),
        "hint bit": flip(-1),
        "hint count beyond its limit": lambda raw: raw[:-1] + b"\xff",
        "response out of range": lambda raw: raw[:48] + b"\0" * 640 + raw[688:],
        "one byte less": lambda raw: raw[:-1],
        "one byte more": lambda raw: raw + b"\0",
        "no bytes": lambda raw: b"",
        "all zero": lambda raw: bytes(len(raw)),
        "all ones": lambda raw: b"\xff" * len(raw),
    }.items():
        yield Mutation(f"ML-DSA-65 {name}", SIGNATURE, made(edit_value(change, 1)), fips)
    small = mldsa.MLDSA44PrivateKey.generate()
    for name, sign in {
        "with a context": lambda data, payload: key.sign(data, b"intertie"),
        "over the payload alone": lambda data, payload: key.sign(payload),
        "over a hash": lambda data, payload: key.sign(hashlib.sha256(data).digest()),
        "by another key": lambda data, payload: mldsa_key(OTHER_KEYS.signing["ML-DSA-65"]).sign(data),
        "of ML-DSA-44": lambda data, payload: small.sign(data),
        "of ML-DSA-87": lambda data, payload: ml87.key.sign(data),
    }.items():
        yield Mutation(f"ML-DSA-65 {name}", SIGNATURE, made(signed_anew(sign, 1)), fips)


def certificates(signed: Signed, keys: PrivateKeys) -> Iterator[tuple[Mutation, tuple[Any, ...]]]:
    """Signed under a certificate that is wrong, and the keys that were used."""
    page = "docs/parcel.md, Certificates"
    for name, (key, code) in wrong_certificates(keys).items():
        yield Mutation(f"certificate {name}", code, signed.by(key).raw(), page), (key,)
    curve = other_curve(keys)
    yield (
        Mutation("certificate with a key of another curve", SIGNATURE, signed.by(curve).raw(), page),
        (curve,),
    )
    both = (keys.signing["ES256"], mldsa_under_ec(keys))
    mixed = signed.by(*both).raw()
    yield Mutation("certificate of ML-DSA under the EC root", "certificate_untrusted", mixed, page), both


def classical(signed: Signed, other_typ: str) -> Iterator[Mutation]:
    """All that one ES256 signature can have wrong."""
    yield from texts(signed.raw())
    yield from forms(signed)
    yield from heads(signed, other_typ)
    yield from algorithms(signed)
    yield from ecdsa(signed)


# A file has several signed objects; in each but the first these are enough to show that it is looked at.
FEW = {
    "blank in JSON", "unknown member", "signature repeated", "unprotected header", "typ of another object",
    "protected jku", "protected x5t of nothing", "alg none", "alg HS256 keyed with the public key", "ES256 high s",
    "ES256 r first bit", "ES256 DER", "ES256 by another key", "payload altered after signing",
}  # fmt: skip


def few(mutations: Iterator[Mutation]) -> Iterator[Mutation]:
    return (one for one in mutations if one.name in FEW)
