"""Write the cases of vectors/translated anew: evidence of a message in a partner's own protocol, each with one thing right or
wrong. Keys and signatures are random, so every file changes: run this only when the format changes or a case is added.

    python vectors/make_translated.py --write
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from making.people import (
    AGG,
    AGG_KEYS,
    CA,
    DAY,
    NOW,
    OTHER_KEYS,
    UTIL,
    UTIL_KEYS,
    Signed,
    b64,
    signers,
    text,
    wrong_certificates,
)

from intertie.model.ids import derived_uuid7
from intertie.seal.encoding import write_canonical
from intertie.seal.sodium_sign import SodiumKey, write_public
from intertie.seal.translated_evidence import STATEMENT_TYP
from intertie.seal.tree import inclusion_proof, leaf_hash, root

HERE = Path(__file__).parent
PAGE = "docs/evidence.md, "
OURS, THEIRS, NOBODY = (SodiumKey.of_seed(name * 32) for name in (b"o", b"t", b"n"))
SENT = "019aab5c-1c00-7000-8000-000000000001"
REQUEST, ANSWER, TALK = (f"{n:08d}-0000-4000-8000-000000000000" for n in range(1, 4))
FLEX = (
    'ISP-Duration="PT15M" TimeZone="America/New_York" Period="2026-01-16" '
    'CongestionPoint="ean.871685900012636543"'
)


def meta(message: str, sender: str, recipient: str) -> str:
    return (
        f'Version="3.0.0" SenderDomain="{sender}" RecipientDomain="{recipient}" TimeStamp="{text(NOW)}" '
        f'MessageID="{message}" ConversationID="{TALK}"'
    )


def prognosis(message: str, sender: str = "agr.example", recipient: str = "dso.example") -> bytes:
    said = f'<D-Prognosis {meta(message, sender, recipient)} {FLEX} Revision="1"><ISP Power="5" Start="69"/></D-Prognosis>'
    return said.encode()


def response(reference: str, sender: str = "dso.example", recipient: str = "agr.example") -> bytes:
    said = f'<D-PrognosisResponse {meta(ANSWER, sender, recipient)} ReferenceMessageID="{reference}" Result="Accepted"/>'
    return said.encode()


def ours(message: str, signed: bytes | None, key: str = "", sender: str = AGG, to: str = UTIL) -> bytes:
    """The message that we kept."""
    said: dict[str, Any] = {
        "header": {
            "id": message,
            "verb": "created",
            "document": "load_prognosis",
            "version": 1,
            "interface": "DA",
            "mode": "scheduled",
            "from": sender,
            "to": to,
            "created": text(NOW),
            "expires": text(NOW + DAY),
        },
        "body": {},
    }
    if signed is not None:
        said["translated"] = {"binding": "uftp", "signed": base64.b64encode(signed).decode()}
        if key:
            said["translated"]["key"] = key
    return write_canonical(said)


class Made:
    """A file, of which any part can be another."""

    def __init__(self, **parts: Any) -> None:
        outgoing = parts.get("outgoing", False)
        # What comes from the aggregator is exported by the utility; and what goes out, by the aggregator itself.
        self.keys = AGG_KEYS if outgoing else UTIL_KEYS
        author = OURS if outgoing else THEIRS
        answerer = THEIRS if outgoing else OURS
        foreign = SENT if outgoing else REQUEST
        name = SENT if outgoing else derived_uuid7("uftp", REQUEST)
        self.original = parts.get("original", author.sign(prognosis(foreign)))
        default = ours(parts.get("id", name), self.original, parts.get("kept", write_public(author.public)))
        self.message = parts.get("message", default)
        self.answer = parts.get("answer", answerer.sign(response(foreign)))
        about = (
            ("parcel_out", hashlib.sha256(self.original).hexdigest())
            if outgoing
            else ("message_in", leaf_hash(self.message).hex())
        )
        wanted = [about]
        if self.answer is not None:
            wanted.append(
                ("receipt_in" if outgoing else "receipt_out", hashlib.sha256(self.answer).hexdigest())
            )
        entries = [self._entry("act", "0" * 64), *(self._entry(*one) for one in parts.get("lines", wanted))]
        leaves = [leaf_hash(entry) for entry in entries]
        body: dict[str, Any] = {
            "v": 1,
            "by": self.keys.party,
            "at": text(NOW),
            "binding": parts.get("binding", "uftp"),
            "partner": UTIL if outgoing else AGG,
            "leaf": leaf_hash(self.message).hex(),
            "author": {"key": parts.get("key", write_public(author.public)), "source": "pinned"},
            "journal": {"size": len(leaves), "root": root(leaves).hex()},
        }
        if self.answer is not None:
            body["answer"] = hashlib.sha256(self.answer).hexdigest()
            body["answerer"] = {
                "key": parts.get("answer_key", write_public(answerer.public)),
                "source": "ours",
            }
        self.statement = Signed(body, STATEMENT_TYP, signers(self.keys, parts.get("profile", "hybrid")))
        self.lines = [
            {
                "index": place,
                "entry": b64(entries[place]),
                "proof": [b64(node) for node in inclusion_proof(leaves, place)],
            }
            for place in range(1, len(entries))
        ]

    def _entry(self, kind: str, digest: str) -> bytes:
        return write_canonical({"at": text(NOW), "digest": digest, "kind": kind})

    def file(self, **members: Any) -> bytes:
        statement = members.pop("statement", self.statement)
        said: dict[str, Any] = {
            "v": 1,
            "kind": "translated",
            "message": b64(self.message),
            "statement": json.loads(statement.raw()),
            "chains": {key.alg: [b64(der) for der in key.chain] for key in statement.signers},
            "lines": self.lines,
        }
        if self.answer is not None:
            said["answer"] = b64(self.answer)
        said |= members
        return write_canonical({name: value for name, value in said.items() if value is not ...})


def case(name: str, origin: str, expect: str, file: bytes, now: datetime = NOW + DAY) -> dict[str, Any]:
    return {
        "name": name,
        "origin": PAGE + origin,
        "file": b64(file),
        "now": text(now),
        "expect": expect,
    }


def valid() -> Iterator[dict[str, Any]]:
    yield case("valid: came", "In another protocol", "ok", Made().file())
    yield case("valid: went", "In another protocol", "ok", Made(outgoing=True).file())
    yield case("valid: went, not answered", "step 48", "ok", Made(outgoing=True, answer=None).file())
    yield case("valid: its key was not kept with it", "step 44", "ok", Made(kept="").file())


def form() -> Iterator[dict[str, Any]]:
    good = Made()
    yield case("unknown member", "step 40", "step 40", good.file(more=1))
    yield case("version 2", "step 40", "step 40", good.file(v=2))
    yield case("a blank", "step 40", "step 40", good.file().replace(b'"kind":', b'"kind": '))
    yield case("no lines member", "step 40", "step 40", good.file(lines=...))
    weak = Made(profile="classical")
    yield case("stated under classical", "step 41", "step 41", weak.file())
    yield case("statement with more", "step 41", "step 41", good.file(statement=good.statement.but(more=1)))
    wrong = good.statement.but(answerer=...)
    yield case("answer without its key", "step 41", "step 41", good.file(statement=wrong))
    for which, (key, _) in wrong_certificates(UTIL_KEYS).items():
        by = good.statement.by(key, UTIL_KEYS.signing["ML-DSA-65"])
        yield case(f"certificate {which}", "step 42", "step 42", good.file(statement=by))
    chains = json.loads(good.file())["chains"]
    yield case("chain missing", "step 42", "step 42", good.file(chains={"ES256": chains["ES256"]}))
    altered = good.statement.jws(_other_payload)
    yield case("statement altered after signing", "step 43", "step 43", good.file(statement=altered))


def _other_payload(raw: bytes) -> bytes:
    jws = json.loads(raw)
    payload = base64.urlsafe_b64decode(jws["payload"] + "==").replace(b'"pinned"', b'"pinneD"')
    jws["payload"] = b64(payload)
    return write_canonical(jws)


def contents() -> Iterator[dict[str, Any]]:
    good = Made()
    yield case("message altered", "step 44", "step 44", good.file(message=b64(Made(kept="").message)))
    others = Made(message=ours(derived_uuid7("uftp", REQUEST), good.original, sender="third.example"))
    yield case("message of others", "step 44", "step 44", others.file())
    bare = Made(message=ours(derived_uuid7("uftp", REQUEST), None))
    yield case("message without an original", "step 44", "step 44", bare.file())
    kept = Made(kept=write_public(NOBODY.public))
    yield case("kept as signed by another key", "step 44", "step 44", kept.file())
    no_header = Made(message=b"{}")
    yield case("no message", "step 44", "step 44", no_header.file())
    yield case("binding that nobody knows", "step 44", "step 44", Made(binding="as9").file())
    named = write_canonical(json.loads(good.message) | {"translated": {"binding": "as9", "signed": "eA=="}})
    unknown = Made(binding="as9", message=named)
    yield case("binding without a verifier", "step 45", "step 45", unknown.file())
    tampered = bytearray(good.original)
    tampered[-20] ^= 1
    yield case("original tampered", "step 46", "step 46", Made(original=bytes(tampered)).file())
    key = write_public(NOBODY.public)
    yield case("wrong key", "step 46", "step 46", Made(key=key, kept="").file())
    yield case("no key", "step 46", "step 46", Made(key="cs1.AAAA", kept="").file())
    text_only = Made(original=THEIRS.sign(b"<x/>"))
    yield case("original is no message of the protocol", "step 46", "step 46", text_only.file())
    other = Made(original=THEIRS.sign(prognosis(ANSWER)))
    yield case("original of another message", "step 47", "step 47", other.file())


def answers() -> Iterator[dict[str, Any]]:
    good = Made()
    yield case("answer left out", "step 48", "step 48", good.file(answer=...))
    another = b64(OURS.sign(response(REQUEST) + b" "))
    yield case("answer replaced", "step 48", "step 48", good.file(answer=another))
    silent = Made(answer=None)
    yield case("answer that was not stated", "step 48", "step 48", silent.file(answer=b64(good.answer)))
    by_nobody = Made(answer=NOBODY.sign(response(REQUEST)))
    yield case("answer by another key", "step 48", "step 48", by_nobody.file())
    other = Made(answer=OURS.sign(response(TALK)))
    yield case("answer to another message", "step 48", "step 48", other.file())
    no_answer = Made(answer=OURS.sign(prognosis(ANSWER, "dso.example", "agr.example")))
    yield case("answer that is none", "step 48", "step 48", no_answer.file())
    back = Made(answer=OURS.sign(response(REQUEST, "agr.example", "dso.example")))
    yield case("answer the wrong way", "step 48", "step 48", back.file())


def journal() -> Iterator[dict[str, Any]]:
    good = Made()
    first, second = good.lines
    yield case("line left out", "step 49", "step 49", good.file(lines=[first]))
    yield case("line at another place", "step 49", "step 49", good.file(lines=[first, second | {"index": 1}]))
    changed = b64(base64.urlsafe_b64decode(first["entry"] + "==").replace(b"message_in", b"message_on"))
    yield case("line altered", "step 49", "step 49", good.file(lines=[first | {"entry": changed}, second]))
    leaf, answer = leaf_hash(good.message).hex(), hashlib.sha256(good.answer).hexdigest()
    other_kind = Made(lines=[("message_out", leaf), ("receipt_out", answer)])
    yield case("line of another kind", "step 49", "step 49", other_kind.file())
    other = Made(lines=[("message_in", "1" * 64), ("receipt_out", answer)])
    yield case("line about another message", "step 49", "step 49", other.file())
    late = datetime(2036, 1, 2, tzinfo=UTC)
    yield case("after 2035", "step 50", "step 50", good.file(), late)


def main() -> None:
    if sys.argv[1:] != ["--write"]:
        print(__doc__)
        return
    assert OTHER_KEYS.party not in (AGG, UTIL)
    place = HERE / "translated"
    place.mkdir(exist_ok=True)
    for old in place.glob("*.json"):
        old.unlink()
    (HERE / "translated_roots.pem").write_bytes(CA.roots_pem())
    count = 0
    for group in (valid, form, contents, answers, journal):
        for one in group():
            file = "".join(c if c.isalnum() else "_" for c in one["name"].lower())
            path = place / f"{file}.json"
            assert not path.exists(), one["name"]
            path.write_text(json.dumps(one, indent=1) + "\n", encoding="utf-8")
            count += 1
    print(f"translated: {count} cases")


if __name__ == "__main__":
    main()
