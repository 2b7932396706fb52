"""Cases of files that prove something: one message, with and without a time stamp; an equivocation; a renewed file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from intertie.seal.checkpoint import CHECKPOINT_TYP, stamped_bytes
from intertie.seal.encoding import write_canonical
from intertie.seal.keys import PrivateKeys, SigningKey
from intertie.seal.parcel import MANIFEST_TYP
from intertie.seal.receipt import RECEIPT_TYP
from intertie.seal.renewal import RENEWAL_TYP
from intertie.seal.tree import inclusion_proof, leaf_hash, root

from . import mutations as m
from .people import (
    AGG,
    AGG_KEYS,
    BELOW,
    CA,
    DAY,
    END,
    LATE_KEYS,
    NOW,
    OTHER,
    OTHER_KEYS,
    START,
    UTIL,
    UTIL_KEYS,
    Edit,
    Signed,
    as_it_is,
    b64,
    serial,
    signers,
    stamp,
    text,
)
from .receipts import BODY as RECEIPT_BODY
from .receipts import PARCEL

PAGE = "docs/evidence.md, "
AFTER = datetime(2036, 1, 2, tzinfo=UTC)  # classical signatures prove nothing any more
HOUR = timedelta(hours=1)


def message(number: int, **header: Any) -> bytes:
    members = {
        "id": f"019aab5c-1c00-7000-8000-0000000000{number:02x}",
        "verb": "create",
        "document": "invoice",
        "version": 1,
        "interface": "DA",
        "mode": "scheduled",
        "from": AGG,
        "to": UTIL,
        "created": text(NOW),
        "expires": text(NOW + DAY),
    } | header
    kept = {name: value for name, value in members.items() if value is not ...}
    return json.dumps({"header": kept, "body": {"n": number}}).encode()  # with blanks: only its bytes count


MESSAGES = tuple(message(n) for n in range(3))


def chains(signers_: Sequence[SigningKey]) -> dict[str, list[str]]:
    return {key.alg: [b64(der) for der in key.chain] for key in signers_}


def manifest(messages: Sequence[bytes], **body: Any) -> Signed:
    members = {"v": 1, "parcel": PARCEL, "from": AGG, "to": UTIL, "seq": 7, "created": text(NOW)}
    members |= {"count": len(messages), "root": root([leaf_hash(one) for one in messages]).hex()}
    return Signed(members | body, MANIFEST_TYP, signers(AGG_KEYS, "classical"))


def receipt(messages: Sequence[bytes], **body: Any) -> Signed:
    leaves = [leaf_hash(one) for one in messages]
    outcomes = [{"leaf": leaf.hex(), "status": "accepted"} for leaf in leaves]
    members = RECEIPT_BODY | {"root": root(leaves).hex(), "outcomes": outcomes, "received": text(NOW + HOUR)}
    return Signed(members | body, RECEIPT_TYP, signers(UTIL_KEYS, "classical"))


@dataclass(frozen=True)
class File:
    """An evidence file of one message, of which any part can be made wrong."""

    messages: Sequence[bytes] = MESSAGES
    place: int = 1
    manifest: Signed | None = None
    receipt: Signed | None = None
    bare: bool = False  # without a receipt
    members: dict[str, Any] = field(default_factory=dict)
    edit: Edit = as_it_is
    manifest_raw: bytes | None = None
    receipt_raw: bytes | None = None

    def raw(self) -> bytes:
        leaves = [leaf_hash(one) for one in self.messages]
        said = self.manifest or manifest(self.messages)
        got = self.receipt or receipt(self.messages)
        first = said.raw() if self.manifest_raw is None else self.manifest_raw
        second = got.raw() if self.receipt_raw is None else self.receipt_raw
        members: dict[str, Any] = {
            "v": 1,
            "message": b64(self.messages[self.place]),
            "index": self.place,
            "proof": [b64(node) for node in inclusion_proof(leaves, self.place)],
            "manifest": "@1",
            "sender_chains": chains(said.signers),
            "receipt": None if self.bare else "@2",
            "receiver_chains": {} if self.bare else chains(got.signers),
        }
        return self.edit(place(members | self.members, {"@1": first, "@2": second}))


def place(members: dict[str, Any], parts: dict[str, bytes]) -> bytes:
    """Canonical JSON with signed objects put in as the bytes they are."""
    raw = write_canonical({name: value for name, value in members.items() if value is not ...})
    for mark, part in parts.items():
        raw = raw.replace(b'"' + mark.encode() + b'"', part, 1)
    return raw


def case(
    name: str, expect: str | int, raw: bytes | File, origin: str = "A message", **more: Any
) -> dict[str, Any]:
    found = f"step {expect}" if isinstance(expect, int) else expect
    base = {"name": name, "origin": PAGE + origin, "expect": found, "now": text(NOW + DAY), "revoked": []}
    base |= {"tsa": False} | more
    return base | {"file": b64(raw.raw() if isinstance(raw, File) else raw)}


def steps(file: int, form: int, certificate: int, signature: int) -> dict[str, int]:
    """The step in which each kind of mutation is caught."""
    at_form = dict.fromkeys((m.FORM, m.MISSING, m.ALGORITHMS), form)
    return {m.JSON: file, m.UNKNOWN: certificate, m.SIGNATURE: signature} | at_form


GOOD = File()
BARE = File(bare=True)
HYBRID = File(
    manifest=manifest(MESSAGES).by(*signers(AGG_KEYS, "hybrid")),
    receipt=receipt(MESSAGES).by(*signers(UTIL_KEYS, "hybrid")),
)


def messages() -> Iterator[dict[str, Any]]:
    yield from valid()
    yield from files()
    yield from envelopes()
    caught = steps(1, 3, 4, 5)
    said = manifest(MESSAGES)
    skipped = {"byte order mark", "not UTF-8"}
    for one in m.classical(said, RECEIPT_TYP):
        if one.name not in skipped:
            yield case(f"manifest {one.name}", caught[one.caught], replace(BARE, manifest_raw=one.raw))
    for one in m.few(m.pairs(said.by(*signers(AGG_KEYS, "hybrid")), AGG_KEYS)):
        file = replace(BARE, manifest=said.by(*signers(AGG_KEYS, "hybrid")), manifest_raw=one.raw)
        yield case(f"manifest {one.name}", caught[one.caught], file)
    yield from manifests()
    yield from sender_chains()
    yield from trees()
    caught = steps(1, 8, 9, 10)
    for one in m.few(m.classical(receipt(MESSAGES), MANIFEST_TYP)):
        yield case(f"receipt {one.name}", caught[one.caught], replace(GOOD, receipt_raw=one.raw))
    yield from receipts()
    yield from lifetimes()


def valid() -> Iterator[dict[str, Any]]:
    yield case("valid", "ok", GOOD)
    yield case("valid without a receipt", "ok", BARE)
    yield case("valid hybrid", "ok", HYBRID)
    high = replace(HYBRID, manifest=manifest(MESSAGES).by(*signers(AGG_KEYS, "hybrid-high")), bare=True)
    yield case("valid hybrid-high", "ok", high)
    stronger = replace(GOOD, receipt=receipt(MESSAGES).by(*signers(UTIL_KEYS, "hybrid")))
    yield case("valid with a stronger receipt", "ok", stronger)
    one = File(messages=MESSAGES[:1], place=0)
    yield case("valid one message alone", "ok", one)
    many = tuple(message(n) for n in range(21))
    for number in (0, 15, 20):
        yield case(f"valid message {number} of 21", "ok", File(messages=many, place=number, bare=True))
    refused = receipt(MESSAGES)
    refused = refused.but(
        outcomes=[line | {"status": "refused", "code": "schema"} for line in refused.body["outcomes"]]
    )
    yield case("valid, and refused by its recipient", "ok", replace(GOOD, receipt=refused))
    below = under(BELOW.issue_signing(AGG, AGG_KEYS.signing["ES256"].key, START, END))
    yield case("valid with an intermediate", "ok", replace(BARE, manifest=manifest(MESSAGES).by(below)))
    page = "What it proves: revoked later does not undo"
    since = [{"serial": serial(AGG_KEYS.signing["ES256"]), "since": text(NOW + HOUR)}]
    yield case("valid, revoked after sealing", "ok", GOOD, page, revoked=since)
    yield case("valid, certificates have ended", "ok", GOOD, page, now=text(END + 90 * DAY))
    early = replace(GOOD, receipt=receipt(MESSAGES, received=text(NOW - HOUR)))
    yield case("valid, received before it was sealed", "ok", early, "What it proves: the report notes it")


def under(chain: tuple[bytes, ...]) -> SigningKey:
    return replace(AGG_KEYS.signing["ES256"], chain=chain)


def files() -> Iterator[dict[str, Any]]:
    """Step 1: the file itself."""
    step = "A message, step 1"
    for name, edit in {
        "blank": lambda raw: raw.replace(b":", b": ", 1),
        "line end": lambda raw: raw + b"\n",
        "byte order mark": lambda raw: b"\xef\xbb\xbf" + raw,
        "cut": lambda raw: raw[:-1],
        "empty": lambda raw: b"",
        "not JSON": lambda raw: b"ITP1" + raw,
        "an array": lambda raw: b"[" + raw + b"]",
        "member twice": lambda raw: raw.replace(b'"index":1', b'"index":1,"index":1', 1),
        "other index first": lambda raw: raw.replace(b'"index":1', b'"index":2,"index":1', 1),
        "index with a fraction of zero": lambda raw: raw.replace(b'"index":1', b'"index":1.0', 1),
        "escaped letter": lambda raw: raw.replace(b'"index"', b'"\\u0069ndex"', 1),
    }.items():
        yield case(f"file {name}", 1, replace(GOOD, edit=edit), step)
    proof = json.loads(GOOD.raw())["proof"]
    wrong: dict[str, dict[str, Any]] = {
        "unknown member": {"note": "x"},
        "kind null": {"kind": None},
        "kind unknown": {"kind": "message"},
        "kind a number": {"kind": 1},
        "stamp null": {"stamp": None},
        "version 0": {"v": 0},
        "version 2": {"v": 2},
        "version missing": {"v": ...},
        "message missing": {"message": ...},
        "message padded": {"message": b64(MESSAGES[1]) + "="},
        "message null": {"message": None},
        "index missing": {"index": ...},
        "index negative": {"index": -1},
        "index of 2^16": {"index": 65_536},
        "index as text": {"index": "1"},
        "index true": {"index": True},
        "proof missing": {"proof": ...},
        "proof hash of 31 bytes": {"proof": [b64(bytes(31)), proof[1]]},
        "proof hash in hex": {"proof": ["ab" * 32, proof[1]]},
        "proof of 17 hashes": {"proof": [b64(bytes(32))] * 17},
        "proof null": {"proof": None},
        "manifest missing": {"manifest": ...},
        "receipt missing": {"receipt": ...},
        "sender chains missing": {"sender_chains": ...},
        "sender chains null": {"sender_chains": None},
        "sender chains a list": {"sender_chains": []},
        "sender chain empty": {"sender_chains": {"ES256": []}},
        "sender chain of four": {
            "sender_chains": {"ES256": list(chains(AGG_KEYS.signing.values())["ES256"]) * 4}
        },
        "sender chain padded": {"sender_chains": {"ES256": ["AA=="]}},
    }
    for name, members in wrong.items():
        yield case(f"file {name}", 1, replace(GOOD, members=members), step)


def envelopes() -> Iterator[dict[str, Any]]:
    """Step 2: messages that have no header to be read, well signed."""
    step = "A message, step 2"
    bad = {
        "not JSON": b"hello",
        "no header": b'{"body":{}}',
        "no body": message(1).replace(b'"body"', b'"corpse"'),
        "with more": message(1)[:-1] + b', "more": 1}',
        "header with more": message(1, zzz=1),
        "id no UUIDv7": message(1, id="1"),
        "verb unknown": message(1, verb="destroy"),
        "mode unknown": message(1, mode="fast"),
        "version 0": message(1, version=0),
        "time without a zone": message(1, created=text(NOW).replace("Z", "")),
        "expires before it was created": message(1, expires=text(NOW - DAY)),
        "priority 10": message(1, priority=10),
        "sender no party": message(1, **{"from": "Agg Example"}),
        "recipient missing": message(1, to=...),
    }
    for name, raw in bad.items():
        yield case(f"message {name}", 2, File(messages=(MESSAGES[0], raw), bare=True), step)


def manifests() -> Iterator[dict[str, Any]]:
    """Step 3: signed, but no manifest."""
    step = "A message, step 3"
    for name, change in {
        "version 2": {"v": 2},
        "count 0": {"count": 0},
        "count beyond 2^16": {"count": 65_537},
        "root short": {"root": "ab"},
        "root with a line end": {"root": root([leaf_hash(one) for one in MESSAGES]).hex() + "\n"},
        "seq 0": {"seq": 0},
        "unknown member": {"note": "x"},
        "time in another zone": {"created": text(NOW).replace("Z", "+01:00")},
    }.items():
        yield case(f"manifest body {name}", 3, replace(BARE, manifest=manifest(MESSAGES).but(**change)), step)
    twice = manifest(MESSAGES).written('"seq":7', '"seq":7,"seq":7')
    yield case("manifest body member twice", 3, replace(BARE, manifest=twice), step)
    quoted = replace(BARE, manifest_raw=write_canonical(manifest(MESSAGES).raw().decode()))
    yield case("manifest as a text", 3, quoted, step)
    yield case("manifest null", 3, replace(BARE, manifest_raw=b"null"), step)


def sender_chains() -> Iterator[dict[str, Any]]:
    """Step 4: whose certificates, and when."""
    step = "A message, step 4"
    said = manifest(MESSAGES)
    for one, keys in m.certificates(said, AGG_KEYS):
        found = 5 if one.caught == m.SIGNATURE else 4
        file = replace(BARE, manifest=said.by(*keys), manifest_raw=one.raw)
        yield case(f"manifest {one.name}", found, file, step)
    extra = chains(signers(AGG_KEYS, "hybrid"))
    renewed = CA.issue_signing(AGG, AGG_KEYS.signing["ES256"].key, START, END)
    for name, members in {
        "missing": {},
        "one that no signature needs": extra,
        "under another algorithm": {"ES384": extra["ES256"]},
        "of another certificate of the same key": {"ES256": [b64(der) for der in renewed]},
        "of another party": {"ES256": chains(OTHER_KEYS.signing.values())["ES256"]},
        "not a certificate": {"ES256": [b64(b"certificate")]},
        "bytes after the certificate": {"ES256": [b64(AGG_KEYS.signing["ES256"].chain[0] + b"\0")]},
        "the root in it": {"ES256": [*extra["ES256"], b64(root_der())]},
    }.items():
        yield case(f"sender chains {name}", 4, replace(BARE, members={"sender_chains": members}), step)
    pair = replace(HYBRID, bare=True)
    less = {"sender_chains": {"ES256": extra["ES256"]}}
    yield case("sender chains one missing", 4, replace(pair, members=less), step)
    crossed = {"sender_chains": {"ES256": extra["ML-DSA-65"], "ML-DSA-65": extra["ES256"]}}
    yield case("sender chains exchanged", 4, replace(pair, members=crossed), step)
    since = [{"serial": serial(AGG_KEYS.signing["ES256"]), "since": text(NOW)}]
    yield case("sender revoked when it sealed", 4, GOOD, step, revoked=since)
    for name, at in (
        ("before its certificate began", START - DAY),
        ("after its certificate ended", END + DAY),
    ):
        file = replace(BARE, manifest=manifest(MESSAGES, created=text(at)))
        yield case(f"sealed {name}", 4, file, step, now=text(END + 2 * DAY))
    stranger = replace(BARE, manifest=manifest(MESSAGES, **{"from": OTHER}))
    yield case("manifest in the name of another party", 4, stranger, step)


def root_der() -> bytes:
    return CA.trust().roots[0].public_bytes(Encoding.DER)


def trees() -> Iterator[dict[str, Any]]:
    """Steps 6 and 7: place and parties."""
    step = "A message, step 6"
    proof = json.loads(GOOD.raw())["proof"]
    for name, members in {
        "cut": {"proof": proof[:1]},
        "none": {"proof": []},
        "one hash more": {"proof": [*proof, b64(bytes(32))]},
        "first hash twice": {"proof": [proof[0], *proof]},
        "hashes exchanged": {"proof": proof[::-1]},
        "hash altered": {"proof": [b64(m.flip(3)(hashlib.sha256(b"").digest())), proof[1]]},
        "its own leaf in it": {"proof": [b64(leaf_hash(MESSAGES[1])), proof[1]]},
    }.items():
        yield case(f"proof {name}", 6, replace(GOOD, members=members), step)
    for number in (0, 2, 3, 7, 65_535):
        yield case(f"index {number} of message 1", 6, replace(GOOD, members={"index": number}), step)
    for name, other in {
        "another of the parcel": MESSAGES[0],
        "with a blank more": MESSAGES[1] + b" ",
        "with another amount": MESSAGES[1].replace(b'{"n": 1}', b'{"n": 9}'),
        "of another parcel": message(9),
    }.items():
        yield case(f"message {name}", 6, replace(GOOD, members={"message": b64(other)}), step)
    lower = manifest(MESSAGES, count=1)
    yield case("manifest count too low", 6, replace(BARE, manifest=lower), step)
    for name, header in {"from another party": {"from": OTHER}, "to another party": {"to": OTHER}}.items():
        file = File(messages=(MESSAGES[0], message(1, **header)), bare=True)
        yield case(f"message {name}", 7, file, "A message, step 7")
    turned = message(1, **{"from": UTIL, "to": AGG})
    yield case(
        "message in the other direction",
        7,
        File(messages=(MESSAGES[0], turned), bare=True),
        "A message, step 7",
    )


def receipts() -> Iterator[dict[str, Any]]:
    """Steps 8 to 10."""
    step = "A message, step 8"
    got = receipt(MESSAGES)
    lines = got.body["outcomes"]
    for name, change in {
        "of another parcel": {"parcel": PARCEL[:-1] + "2"},
        "of another root": {"root": "ab" * 32},
        "to another party": {"to": OTHER},
        "from and to exchanged": {"from": AGG, "to": UTIL},
        "one line less": {"outcomes": lines[:2]},
        "one line more": {"outcomes": [*lines, lines[0]]},
        "lines in another order": {"outcomes": lines[::-1][1:] + lines[:1]},
        "another message's hash": {"outcomes": [lines[0], lines[0], lines[2]]},
        "unknown member": {"note": "x"},
        "status unknown": {"outcomes": [lines[0], lines[1] | {"status": "lost"}, lines[2]]},
        "time in another zone": {"received": text(NOW).replace("Z", "+01:00")},
    }.items():
        yield case(f"receipt body {name}", 8, replace(GOOD, receipt=got.but(**change)), step)
    by_other = Signed(got.body | {"from": OTHER}, RECEIPT_TYP, signers(OTHER_KEYS, "classical"))
    yield case("receipt by a third party", 8, replace(GOOD, receipt=by_other), step)
    whole = receipt((MESSAGES[0],))
    yield case("receipt of a parcel with one message", 8, replace(GOOD, receipt=whole), step)
    weak = replace(HYBRID, receipt=got)
    yield case("receipt weaker than the manifest", 8, weak, step)
    yield case("receipt is the manifest", 8, replace(GOOD, receipt_raw=manifest(MESSAGES).raw()), step)
    quoted = replace(GOOD, receipt_raw=write_canonical(got.raw().decode()))
    yield case("receipt as a text", 8, quoted, step)
    spare = replace(BARE, members={"receiver_chains": chains(got.signers)})
    yield case("receipt left out, its chains not", 8, spare, step)
    step = "A message, step 9"
    yield case("receipt chains missing", 9, replace(GOOD, members={"receiver_chains": {}}), step)
    extra = {"receiver_chains": chains(signers(UTIL_KEYS, "hybrid"))}
    yield case("receipt chains one that no signature needs", 9, replace(GOOD, members=extra), step)
    since = [{"serial": serial(UTIL_KEYS.signing["ES256"]), "since": text(NOW)}]
    yield case("recipient revoked when it received", 9, GOOD, step, revoked=since)
    for one, keys in m.certificates(got, UTIL_KEYS):
        found = 10 if one.caught == m.SIGNATURE else 9
        file = replace(GOOD, receipt=got.by(*keys), receipt_raw=one.raw)
        if one.name not in {"certificate of ML-DSA under the EC root", "certificate expired"}:
            yield case(f"receipt {one.name}", found, file, step)
    late = replace(GOOD, receipt=receipt(MESSAGES, received=text(END + DAY)))
    yield case("received after its certificate ended", 9, late, step, now=text(END + 2 * DAY))


def lifetimes() -> Iterator[dict[str, Any]]:
    """Step 11: how long algorithms prove something."""
    step = "A message, step 11"
    yield case("valid classical on the last day", "ok", GOOD, step, now="2035-12-31T23:59:59Z")
    yield case("classical after 2035", 11, GOOD, step, now="2036-01-01T00:00:00Z")
    yield case("classical without a receipt after 2035", 11, BARE, step, now=text(AFTER))
    yield case("valid hybrid after 2035", "ok", HYBRID, step, now=text(AFTER))
    stripped = replace(HYBRID, bare=True, manifest=manifest(MESSAGES))
    yield case("hybrid, ML-DSA left out, after 2035", 11, stripped, step, now=text(AFTER))


# Time stamps


def stamped_file(**change: Any) -> File:
    """Evidence whose receipt is named by entry 2 of 5 in a journal whose head was stamped."""
    got = receipt(MESSAGES).raw()
    entry = {"kind": "receipt_in", "at": text(NOW + HOUR), "digest": hashlib.sha256(got).hexdigest()}
    entry |= change.pop("line", {})
    raw = change.pop("line_raw", write_canonical(entry))
    leaves = [leaf_hash(b"entry %d" % n) for n in range(5)]
    leaves[2] = leaf_hash(raw)
    head = root(leaves)
    over = change.pop("over", stamped_bytes(AGG, 5, head))
    part = {"party": AGG, "size": 5, "root": head.hex(), "index": 2, "entry": b64(raw)}
    part |= {"proof": [b64(node) for node in inclusion_proof(leaves, 2)]}
    part["reply"] = b64(change.pop("edit", as_it_is)(stamp(over, change.pop("by", "good"))))
    part = {name: value for name, value in (part | change).items() if value is not ...}
    return replace(GOOD, receipt_raw=got, members={"stamp": part})


# Who reads no RFC 3161 replies says this instead.
UNJUDGED = {"tsa": True, "without_stamps": "ok"}


def stamped() -> Iterator[dict[str, Any]]:
    later = {"now": text(NOW + 9 * DAY)}
    yield case("stamped valid, nobody believed for time", "ok", stamped_file(), **later)
    yield case("stamped valid", "ok", stamped_file(), **later, **UNJUDGED)
    yield case(
        "stamped valid, written by the recipient",
        "ok",
        stamped_file(line={"kind": "receipt_out"}),
        **later,
        **UNJUDGED,
    )
    step = "A message, step 1"
    proof = stamped_file().members["stamp"]["proof"]
    for name, change in {
        "party missing": {"party": ...},
        "with more": {"zzz": 1},
        "size negative": {"size": -1},
        "root in capitals": {"root": "AB" * 32},
        "proof hash of 31 bytes": {"proof": [b64(bytes(31))]},
        "proof of 54 hashes": {"proof": [b64(bytes(32))] * 54},
        "entry padded": {"entry": "AA=="},
        "reply null": {"reply": None},
    }.items():
        yield case(f"stamp {name}", 1, stamped_file(**change), step, **later)
    step = "A message, step 12"
    for name, change in {
        "entry of another kind": {"line": {"kind": "message_in"}},
        "entry about another receipt": {"line": {"digest": "ab" * 32}},
        "entry without a digest": {"line_raw": b'{"kind":"receipt_in"}'},
        "entry not JSON": {"line_raw": b"receipt_in"},
        "entry that is not under the root": {"line": {"note": "x"}, "root": "ab" * 32},
        "index of another entry": {"index": 1},
        "index beyond the size": {"index": 5},
        "size of another tree": {"size": 9},
        "proof cut": {"proof": proof[:-1]},
        "proof with one hash more": {"proof": [*proof, b64(bytes(32))]},
        "proof hashes exchanged": {"proof": proof[::-1]},
    }.items():
        yield case(f"stamp {name}", 12, stamped_file(**change), step, **later)
    alone = replace(BARE, members={"stamp": stamped_file().members["stamp"]})
    yield case("stamp without a receipt", 12, alone, step, **later)
    step = "A message, step 13"
    for name, change in {
        "over another head": {"over": stamped_bytes(AGG, 5, bytes(32))},
        "over another party's journal": {"over": stamped_bytes(UTIL, 5, bytes(32))},
        "in the name of another party": {"party": UTIL},
        "by an unknown authority": {"by": "another"},
        "altered": {"edit": m.flip(-20)},
        "cut": {"edit": lambda raw: raw[:-1]},
        "with a byte more": {"edit": lambda raw: raw + b"\0"},
        "a refusal": {"reply": b64(bytes.fromhex("30053003020102"))},
        "empty": {"reply": ""},
    }.items():
        yield case(f"stamp {name}", 13, stamped_file(**change), step, **later, **UNJUDGED)
    yield case("stamp altered, nobody believed for time", "ok", stamped_file(edit=m.flip(-20)), step, **later)


# Equivocations


def part(said: Signed, raw: bytes | None = None) -> tuple[dict[str, Any], bytes]:
    return {"chains": chains(said.signers)}, said.raw() if raw is None else raw


@dataclass(frozen=True)
class Two:
    """An equivocation, of which any part can be made wrong."""

    first: Signed
    second: Signed
    first_raw: bytes | None = None
    members: dict[str, Any] = field(default_factory=dict)
    first_members: dict[str, Any] = field(default_factory=dict)

    def raw(self) -> bytes:
        one, first = part(self.first, self.first_raw)
        two, second = part(self.second)
        members = {"v": 1, "kind": "equivocation", "first": one | {"jws": "@1"} | self.first_members}
        members["second"] = two | {"jws": "@2"}
        return place(members | self.members, {"@1": first, "@2": second})


def journal(size: int, fill: str) -> dict[str, Any]:
    return {"size": size, "root": fill * 32}


def checkpoint(size: int, fill: str, present: int, at: datetime) -> Signed:
    body = {
        "v": 1,
        "from": UTIL,
        "to": AGG,
        "at": text(at),
        "size": size,
        "root": fill * 32,
        "present": present,
    }
    return Signed(body, CHECKPOINT_TYP, signers(UTIL_KEYS, "classical"))


ONE = receipt(MESSAGES, journal=journal(7, "ab"))
OTHER_ONE = receipt(MESSAGES[:2], journal=journal(7, "cd"), received=text(NOW + 2 * HOUR))
ROOTS = Two(ONE, OTHER_ONE)
SHRUNK = Two(ONE, checkpoint(5, "ef", 6, NOW + 2 * HOUR))


def equivocations() -> Iterator[dict[str, Any]]:
    def one(
        name: str, expect: str | int, file: Two, step: str = "An equivocation", **more: Any
    ) -> dict[str, Any]:
        return case(f"equivocation {name}", expect, file.raw(), step, **more)

    yield one("valid, two receipts", "ok", ROOTS)
    yield one("valid, shrunk", "ok", SHRUNK)
    yield one("valid, two roots within minutes", "ok", Two(ONE, checkpoint(7, "cd", 7, NOW + HOUR)))
    hybrid = [said.by(*signers(UTIL_KEYS, "hybrid")) for said in (ONE, OTHER_ONE)]
    yield one("valid hybrid after 2035", "ok", Two(*hybrid), now=text(AFTER))
    for name, members in {
        "version 2": {"v": 2},
        "second missing": {"second": ...},
        "unknown member": {"third": 1},
        "first null": {"first": None},
    }.items():
        yield one(name, 20, replace(ROOTS, members=members), "An equivocation, step 20")
    for name, members in {"chains missing": {"chains": ...}, "part with more": {"note": "x"}}.items():
        marked = {
            key: value
            for key, value in ({"jws": "@1", "chains": chains(ONE.signers)} | members).items()
            if value is not ...
        }
        yield one(name, 20, replace(ROOTS, members={"first": marked}), "An equivocation, step 20")
    caught = steps(20, 21, 23, 24)
    for mutation in m.few(m.classical(ONE, MANIFEST_TYP)):
        yield one(f"first {mutation.name}", caught[mutation.caught], replace(ROOTS, first_raw=mutation.raw))
    said = manifest(MESSAGES)
    yield one("of a manifest", 21, Two(said, OTHER_ONE), "An equivocation, step 21")
    bad = replace(SHRUNK, second=SHRUNK.second.but(size=7))
    yield one("size beyond the present", 21, bad, "An equivocation, step 21")
    theirs = Signed(OTHER_ONE.body | {"from": OTHER}, RECEIPT_TYP, signers(OTHER_KEYS, "classical"))
    yield one("of two parties", 22, Two(ONE, theirs), "An equivocation, step 22")
    framed = replace(theirs, body=OTHER_ONE.body)
    yield one("signed by another party", 23, Two(ONE, framed), "An equivocation, step 23")
    none = replace(ROOTS, first_members={"chains": {}})
    yield one("chains empty", 23, none, "An equivocation, step 23")
    since = [{"serial": serial(UTIL_KEYS.signing["ES256"]), "since": text(NOW + HOUR)}]
    yield one("revoked in between", 23, ROOTS, "An equivocation, step 23", revoked=since)
    step = "An equivocation, step 25"
    yield one("of the same statement twice", 25, Two(ONE, ONE), step)
    same = receipt(MESSAGES[:2], journal=journal(7, "ab"), received=text(NOW + 2 * HOUR))
    yield one("of the same head", 25, Two(ONE, same), step)
    yield one("of a journal that grew", 25, Two(ONE, receipt(MESSAGES, journal=journal(9, "cd"))), step)
    yield one(
        "shrunk, within 15 minutes",
        25,
        Two(ONE, checkpoint(5, "ef", 6, NOW + HOUR + timedelta(minutes=14))),
        step,
    )
    exact = checkpoint(5, "ef", 6, NOW + HOUR + timedelta(minutes=15))
    yield one("valid, shrunk, 15 minutes later", "ok", Two(ONE, exact), step)
    yield one("shrunk, the newer one first", 25, Two(SHRUNK.second, ONE), step)
    lower = receipt(MESSAGES[:2], journal=journal(5, "cd"), received=text(NOW + 2 * HOUR))
    yield one("shrunk, by a receipt", 25, Two(ONE, lower), step)
    yield one("earlier root, but still as many", 25, Two(ONE, checkpoint(5, "ef", 7, NOW + 2 * HOUR)), step)
    yield one("classical after 2035", 26, ROOTS, "An equivocation, step 26", now=text(AFTER))


# Renewed files


@dataclass(frozen=True)
class Renewed:
    """A renewed file, of which any part can be made wrong."""

    inner: bytes
    at: datetime
    keys: PrivateKeys = LATE_KEYS
    profile: str = "hybrid"
    body: dict[str, Any] = field(default_factory=dict)
    members: dict[str, Any] = field(default_factory=dict)
    statement_raw: bytes | None = None
    stamp: Any = None

    def statement(self) -> Signed:
        body = {"v": 1, "by": self.keys.party, "at": text(self.at), "hash": "SHA-512"}
        body["digest"] = hashlib.sha512(self.inner).hexdigest()
        return Signed(body, RENEWAL_TYP, signers(self.keys, self.profile)).but(**self.body)

    def raw(self) -> bytes:
        said = self.statement()
        first = said.raw() if self.statement_raw is None else self.statement_raw
        members = {
            "v": 2,
            "kind": "renewed",
            "inner": b64(self.inner),
            "statement": "@1",
            "chains": chains(said.signers),
        }
        if self.stamp is not None:
            members["stamp"] = b64(self.stamp(first))
        return place(members | self.members, {"@1": first})


def renewed() -> Iterator[dict[str, Any]]:
    def one(
        name: str, expect: str | int, file: Renewed, step: str = "Renewed evidence", **more: Any
    ) -> dict[str, Any]:
        return case(f"renewed {name}", expect, file.raw(), step, **({"now": text(AFTER + DAY)} | more))

    old = GOOD.raw()
    good = Renewed(old, NOW + DAY)
    yield one("valid", "ok", good)
    yield one("valid before its inside lapsed", "ok", good, now=text(NOW + 2 * DAY))
    yield one("valid under hybrid-high", "ok", replace(good, profile="hybrid-high"))
    yield one("valid by its recipient", "ok", replace(good, keys=UTIL_KEYS))
    yield one(
        "valid twice", "ok", Renewed(good.raw(), datetime(2040, 1, 1, tzinfo=UTC)), now="2041-01-01T00:00:00Z"
    )
    yield one("valid equivocation", "ok", Renewed(ROOTS.raw(), NOW + DAY))
    last = datetime(2035, 12, 31, 23, 59, 59, tzinfo=UTC)
    yield one("valid on the last day", "ok", Renewed(old, last))
    step = "Renewed evidence, step 30"
    for name, members in {
        "version 1": {"v": 1},
        "inner missing": {"inner": ...},
        "inner padded": {"inner": b64(old) + "="},
        "unknown member": {"note": "x"},
        "stamp null": {"stamp": None},
        "stamp padded": {"stamp": "AA=="},
        "statement missing": {"statement": ...},
    }.items():
        yield one(name, 30, replace(good, members=members), step)
    yield from statements(one, good)
    yield from insides(one, good, old)


def statements(one: Any, good: Renewed) -> Iterator[dict[str, Any]]:
    """Steps 31 to 35."""
    said = good.statement()
    caught = steps(30, 31, 33, 34)
    for mutation in m.few(m.classical(said, RECEIPT_TYP)):
        if mutation.name == "ES256 DER":
            continue
        yield one(
            f"statement {mutation.name}", caught[mutation.caught], replace(good, statement_raw=mutation.raw)
        )
    step = "Renewed evidence, step 31"
    yield one("classical", 31, replace(good, profile="classical"), step)
    for name, change in {
        "hash SHA-256": {"hash": "SHA-256"},
        "digest of SHA-256": {"digest": "ab" * 32},
        "digest with a line end": {"digest": hashlib.sha512(good.inner).hexdigest() + "\n"},
        "digest in capitals": {"digest": hashlib.sha512(good.inner).hexdigest().upper()},
        "time missing": {"at": ...},
        "time in another zone": {"at": text(NOW).replace("Z", "+01:00")},
        "unknown member": {"note": "x"},
        "by nobody": {"by": ""},
    }.items():
        yield one(f"statement body {name}", 31, replace(good, body=change), step)
    other = replace(good, body={"digest": hashlib.sha512(b"").hexdigest()})
    yield one("another file's digest", 32, other, "Renewed evidence, step 32")
    step = "Renewed evidence, step 33"
    yield one("by another party's keys", 33, replace(good, body={"by": OTHER}), step)
    yield one("chains empty", 33, replace(good, members={"chains": {}}), step)
    less = {"chains": {"ES256": chains(said.signers)["ES256"]}}
    yield one("chains one missing", 33, replace(good, members=less), step)
    yield one("after its certificate ended", 33, Renewed(good.inner, END + DAY, keys=UTIL_KEYS), step)
    since = [{"serial": serial(LATE_KEYS.signing["ML-DSA-65"]), "since": text(NOW)}]
    yield one("certificate revoked before", 33, good, step, revoked=since)


def insides(one: Any, good: Renewed, old: bytes) -> Iterator[dict[str, Any]]:
    """What is in it, step 37, and time stamps, step 36."""
    step = "Renewed evidence, step 37"
    changed = replace(GOOD, members={"index": 2}).raw()
    yield one("what was wrong before", 6, Renewed(changed, NOW + DAY), step)
    swapped = replace(good, members={"inner": b64(changed)})
    yield one("inside changed afterwards", 32, swapped, "Renewed evidence, step 32")
    yield one("nothing inside", 1, Renewed(b"", NOW + DAY), step)
    yield one("after it had lapsed", 11, Renewed(old, AFTER), step)
    second = Renewed(Renewed(old, AFTER).raw(), AFTER + DAY)
    yield one("twice, after it had lapsed", 11, second, step, now=text(AFTER + 9 * DAY))
    yield one("equivocation after it had lapsed", 26, Renewed(ROOTS.raw(), AFTER), step)
    yield one("later than now", 37, Renewed(old, NOW + DAY), step, now=text(NOW + HOUR))
    backwards = Renewed(Renewed(old, NOW + 2 * DAY).raw(), NOW + DAY)
    yield one("inside renewed later than outside", 37, backwards, step)
    step = "Renewed evidence, step 36"
    at = NOW - HOUR / 4 if datetime.now(UTC) < NOW + HOUR / 12 else datetime.now(UTC).replace(microsecond=0)
    fresh = Renewed(replace(GOOD, receipt=receipt(MESSAGES, received=text(NOW))).raw(), at, stamp=stamp)
    yield one("stamped valid", "ok", fresh, step, **UNJUDGED)
    yield one("stamped valid, nobody believed for time", "ok", fresh, step)
    bad = {
        "over other bytes": replace(fresh, stamp=lambda raw: stamp(raw + b" ")),
        "by an unknown authority": replace(fresh, stamp=lambda raw: stamp(raw, "another")),
        "altered": replace(fresh, stamp=lambda raw: m.flip(-20)(stamp(raw))),
        "empty": replace(fresh, stamp=lambda raw: b""),
        "eight days later": replace(fresh, at=at - 8 * DAY),
        "six minutes before": replace(fresh, at=at + timedelta(minutes=10)),
    }
    for name, file in bad.items():
        yield one(f"stamped {name}", 36, file, step, **UNJUDGED)
