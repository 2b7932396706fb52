"""What is fuzzed: each target takes bytes, and may end only by returning or by one of the program's own errors.

The signature over a descriptor would stop every changed one at the door, so its body is also signed anew by a key that the
reader trusts: the parser behind the signature is reached as an insider would reach it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

from joserfc import jws

from fuzz.as2 import posts, read_post
from fuzz.as4 import as4_posts, read_as4_post
from fuzz.espi import espi_texts, read_espi
from fuzz.internet_et import exchanges, read_exchange
from intertie.catalogue.load import read_interface
from intertie.exchange.joining import Reason, Terms
from intertie.exchange.joining_messages import (
    Answer,
    Done,
    Hello,
    Offer,
    Refusal,
    read_join_message,
    write_join_message,
)
from intertie.formats.x12.answers import judge
from intertie.formats.x12.findings import X12Error
from intertie.formats.x12.interchange import Reader
from intertie.formats.x12.layout import profile as x12_profile
from intertie.formats.x12.sets import read_document
from intertie.gateway.configuration.settings import parse_settings, settings_text
from intertie.model.documents import example_bytes, read_body
from intertie.model.errors import IntertieError
from intertie.model.ids import AgreementId, DocumentName, ParcelId, PartyId
from intertie.model.message import read_envelope
from intertie.model.party import Party, Role
from intertie.seal.certificates import TrustStore
from intertie.seal.checkpoint import Checkpoint, read_checkpoint, sign_checkpoint
from intertie.seal.descriptor import DESCRIPTOR_TYP, read_descriptor, write_descriptor
from intertie.seal.encoding import from_base64url, write_canonical
from intertie.seal.equivocation import build_equivocation, read_claim
from intertie.seal.evidence import build_evidence
from intertie.seal.evidence_file import verify_file
from intertie.seal.hpke import opening_key
from intertie.seal.joining import new_code, read_code, write_code
from intertie.seal.jws import read_jws, sign_json
from intertie.seal.keys import PrivateKeys, TlsKey, generate_keys
from intertie.seal.parcel import (
    MANIFEST_BYTES_MAX,
    MANIFEST_TYP,
    Manifest,
    open_frame,
    read_content,
    read_frame,
    read_manifest,
)
from intertie.seal.policy_settings import PolicySettings
from intertie.seal.profile import PROFILES
from intertie.seal.receipt import RECEIPT_BYTES_MAX, RECEIPT_TYP, read_receipt
from intertie.seal.renewal import build_renewed
from intertie.seal.token_keys import ALGORITHM, TokenKeys, new_token_keys
from intertie.seal.tokens import TYPE, make_token, read_token
from intertie.seal.tree import leaf_hash, root
from intertie.seal.trial_ca import TrialCa

ROOT = Path(__file__).parent.parent
VECTORS = ROOT / "vectors"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PARTY = PartyId("agg.example")
# The signature over a fuzzed body is of the cheapest profile: what is looked for lies behind it.
# Classical signatures do, however long a descriptor is valid: the reader is to get past that question.
LENIENT = PolicySettings(harvest_horizon=date.max, disallow_date=date.max)

ISSUER, AUDIENCE = "https://utility.example", "urn:intertie:party:utility.example"

Read = Callable[[bytes], object]


@dataclass(frozen=True)
class Target:
    """A reader, and texts to begin with. `seeds` is called once, in the process that fuzzes."""

    read: Read
    seeds: Callable[[], list[bytes]]


@cache
def world() -> tuple[TrialCa, PrivateKeys]:
    """An authority and a party under it."""
    ca = TrialCa.create("Fuzz", NOW - timedelta(days=1), NOW + timedelta(days=900))
    return ca, generate_keys(PARTY, frozenset({Role.DER_AGGREGATOR}), ca, NOW)


@cache
def trust() -> TrustStore:
    """What the reader believes."""
    return world()[0].trust()


@cache
def recipient() -> PrivateKeys:
    """The recipient of the parcels in vectors/."""
    shared = json.loads((VECTORS / "identities.json").read_text(encoding="utf-8"))
    lines = shared["opening_keys"]["utility.example"]
    keys = [opening_key(line["suite"], from_base64url(line["private"])) for line in lines]
    party = PartyId("utility.example")
    return PrivateKeys(party, frozenset(), {}, {key.kid: key for key in keys}, TlsKey(b"", b""))


def parcels() -> list[bytes]:
    """Every parcel of vectors/."""
    cases = sorted((VECTORS / "parcel").glob("*.json"))
    return [from_base64url(json.loads(path.read_text(encoding="utf-8"))["parcel"]) for path in cases]


def contents() -> list[bytes]:
    """What is inside the parcels that open."""
    found = []
    for blob in parcels():
        try:
            frame = read_frame(blob, limit=1 << 24)
            opened = open_frame(frame, recipient())
        except IntertieError:
            continue
        parts = (opened.manifest, *opened.messages)
        found.append(b"".join(len(part).to_bytes(4, "big") + part for part in parts))
    return found


def manifests() -> list[bytes]:
    """Signed manifests, and their payloads."""
    signed = [read_content(content, PARTY).manifest for content in contents()]
    return signed + [_payload(raw, MANIFEST_TYP) for raw in signed]


def _payload(raw: bytes, typ: str) -> bytes:
    try:
        return read_jws(raw, typ, limit=1 << 20).payload
    except IntertieError:
        return b"{}"


def descriptors() -> list[bytes]:
    """A descriptor, and its body."""
    party = Party(id=PARTY, name="An aggregator", roles=frozenset({Role.DER_AGGREGATOR}))
    end = NOW + timedelta(days=90)
    raw = write_descriptor(party, world()[1], url="https://agg.example", sequence=1, now=NOW, end=end)
    return [raw, _payload(raw, DESCRIPTOR_TYP)]


def receipts() -> list[bytes]:
    """A receipt's payload, and one signed."""
    body = {
        "from": PARTY,
        "journal": {"root": "0" * 64, "size": 1},
        "outcomes": [
            {"leaf": "0" * 64, "message": "019aab5c-1c00-7000-8000-000000000001", "status": "accepted"}
        ],
        "parcel": "019aab5c-1c00-7000-8000-000000000001",
        "received": "2026-11-22T12:00:00Z",
        "root": "0" * 64,
        "to": "utility.example",
        "v": 1,
    }
    raw = json.dumps(body, separators=(",", ":"), sort_keys=True).encode()
    return [raw, sign_json(raw, RECEIPT_TYP, [world()[1].signing["ES256"]])]


def messages() -> list[bytes]:
    """The messages in the parcels of vectors/, and the examples of every document."""
    inside = [message for content in contents() for message in read_content(content, PARTY).messages]
    folder = ROOT / "src" / "intertie" / "model" / "examples"
    return inside + [path.read_bytes() for path in sorted(folder.glob("*.json"))]


def evidence() -> list[bytes]:
    """An outage notice with its proof, signed by two profiles, alone and among others."""
    message = example_bytes(DocumentName("outage_notice"))
    header = read_envelope(message).header
    ca, _ = world()
    keys = generate_keys(header.sender, frozenset({Role.DISTRIBUTION_UTILITY}), ca, NOW)
    found = []
    for profile, others in (("classical", 0), ("hybrid", 3)):
        leaves = [leaf_hash(message), *(leaf_hash(bytes([n])) for n in range(others))]
        manifest = Manifest(
            v=1,
            parcel=ParcelId("019aab5c-1c00-7000-8000-000000000001"),
            sender=header.sender,
            recipient=header.recipient,
            seq=1,
            created=NOW,
            count=len(leaves),
            root=root(leaves).hex(),
        )
        signers = [keys.signing[alg] for alg in PROFILES[profile].signatures]
        signed = sign_json(write_canonical(manifest), MANIFEST_TYP, signers)
        chains = keys.public().signing
        found.append(
            build_evidence(message=message, index=0, leaves=leaves, manifest=signed, sender_chains=chains)
        )
    return found


def checkpoints() -> list[bytes]:
    """Two that contradict each other, and the payload of one."""
    said = [
        Checkpoint(
            v=1, sender=PARTY, recipient=PartyId("utility.example"), at=NOW, size=7, root=root, present=9
        )
        for root in ("0" * 64, "1" * 64)
    ]
    return [*(sign_checkpoint(each, world()[1]) for each in said), write_canonical(said[0])]


def proofs() -> list[bytes]:
    """Evidence of a message and of an equivocation, and each renewed."""
    one, other, _ = checkpoints()
    chains = world()[1].public().signing
    plain = [*evidence(), build_equivocation((one, chains), (other, chains))]
    return plain + [build_renewed(raw, world()[1], NOW, PROFILES["hybrid"]) for raw in plain]


def read_signed_checkpoint(data: bytes) -> object:
    """A checkpoint as it comes, or its payload."""
    return read_claim(data) if data.startswith(b'{"payload"') else read_checkpoint(data)


def interfaces() -> list[bytes]:
    """The catalogue's own files."""
    return [path.read_bytes() for path in sorted((ROOT / "src" / "intertie" / "catalogue").glob("*.toml"))]


def read_parcel(data: bytes) -> object:
    """Steps 1, 2 and 6."""
    return open_frame(read_frame(data, limit=1 << 20), recipient())


def read_signed_manifest(data: bytes) -> object:
    """A manifest as it comes, or its payload as a signer could have written it."""
    if data.startswith(b'{"payload"'):
        return read_manifest(read_jws(data, MANIFEST_TYP, limit=MANIFEST_BYTES_MAX).payload)
    return read_manifest(data)


def read_signed_receipt(data: bytes) -> object:
    """A receipt as it comes, or its payload."""
    if data.startswith(b'{"payload"'):
        return read_receipt(read_jws(data, RECEIPT_TYP, limit=RECEIPT_BYTES_MAX).payload)
    return read_receipt(data)


def read_signed_descriptor(data: bytes) -> object:
    """A descriptor as it comes, or its body signed by a party that is trusted."""
    if not data.startswith(b'{"payload"'):
        data = sign_json(data, DESCRIPTOR_TYP, [world()[1].signing["ES256"]])
    return read_descriptor(data, trust(), NOW, policy=LENIENT)


def read_message(data: bytes) -> object:
    """A message: envelope, then body."""
    return read_body(read_envelope(data))


def read_catalogue_file(data: bytes) -> object:
    """One interface; its name is that of the code in it, so that any of the files can be the beginning."""
    text = data.decode("utf-8", "replace")
    code = re.search(r'^code = "([A-Z]+)([0-9]*)"', text, re.M)
    name = f"{code[1].lower()}{int(code[2]):02}.toml" if code and code[2] else "da.toml"
    return read_interface(name, text)


def settings() -> list[bytes]:
    """The settings file that `init` writes, with every setting in it."""
    party = Party(id=PARTY, name="An aggregator", roles=frozenset({Role.DER_AGGREGATOR}))
    text = settings_text(party, "https://agg.example", "127.0.0.1:8443")
    return [text.encode(), re.sub(r"^# (?=[a-z_]+ = )", "", text, flags=re.M).encode()]


def read_any_join_message(data: bytes) -> object:
    """What a joining door is told, or a joiner; whichever it is."""
    kind = re.search(rb'"type":"(hello|offer|answer|done)"', data)
    names: dict[bytes, type[Hello | Offer | Answer | Done]] = {
        b"hello": Hello,
        b"offer": Offer,
        b"answer": Answer,
        b"done": Done,
    }
    return read_join_message(data, names[kind[1]] if kind else Hello)  # type: ignore[type-var]


def join_messages() -> list[bytes]:
    """One of each."""
    mark, nonce = "ab" * 32, "cd" * 16
    terms = Terms(agreement=AgreementId("A"), start=NOW, until=NOW + timedelta(days=1), covers=("DA",))
    return [
        write_join_message(message)
        for message in (
            Hello(invitation="0102030405", commitment=mark, proof=mark),
            Offer(nonce=nonce, descriptor="{}", roots="", terms=terms, proof=mark),
            Answer(nonce=nonce, descriptor="{}", roots="", covers=("DA",), token=mark, proof=mark),
            Done(proof=mark),
            Refusal(reason=Reason.BUSY, detail="so"),
        )
    ]


def join_codes() -> list[bytes]:
    """Two codes: a name, and an address of version 6."""
    return [write_code(new_code(address, NOW)).encode() for address in ("a.example:8453", "[::1]:1")]


@cache
def token_keys() -> TokenKeys:
    """What the fuzzed claims are signed with."""
    return new_token_keys()


def tokens() -> list[bytes]:
    """An access token, and its claims."""
    text = make_token(
        token_keys(),
        issuer=ISSUER,
        audience=AUDIENCE,
        party=PARTY,
        scopes=frozenset({"DA/bid", "DA/invoice"}),
        certificate="ab" * 32,
        now=NOW,
        lifetime=timedelta(seconds=300),
    )
    return [text.encode(), from_base64url(text.split(".")[1])]


def read_access_token(data: bytes) -> object:
    """A token as it comes, or its claims signed by our own key."""
    keys = token_keys()
    text = data.decode("utf-8", "replace")
    if data.startswith(b"{"):
        header = {"alg": ALGORITHM, "kid": keys.kid, "typ": TYPE}
        text = jws.serialize_compact(header, data, keys.signing, algorithms=[ALGORITHM])
    return read_token(text, keys, issuer=ISSUER, audience=AUDIENCE, now=NOW, skew=timedelta(seconds=30))


def read_x12(data: bytes) -> object:
    """An interchange: envelopes, maps, then documents. A set that a map finds right and that makes none says so by name."""
    found = []
    for one in Reader([data]):
        wrong = judge(one, x12_profile("ny")).findings
        try:
            found.append(read_document(one, x12_profile("ny")))
        except X12Error as error:
            found.append(error.findings)
        else:
            if wrong:
                raise AssertionError("a document was made of a set with errors")
    return found


def interchanges() -> list[bytes]:
    """Those of vectors/."""
    cases = sorted((VECTORS / "x12").glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8"))["text"].encode("latin-1") for path in cases]


TARGETS: Mapping[str, Target] = {
    "parcel": Target(read_parcel, parcels),
    "content": Target(lambda data: read_content(data, PARTY), contents),
    "manifest": Target(read_signed_manifest, manifests),
    "receipt": Target(read_signed_receipt, receipts),
    "descriptor": Target(read_signed_descriptor, descriptors),
    "evidence": Target(lambda data: verify_file(data, trust(), NOW), proofs),
    "checkpoint": Target(read_signed_checkpoint, checkpoints),
    "message": Target(read_message, messages),
    "catalogue": Target(read_catalogue_file, interfaces),
    "join_code": Target(lambda data: read_code(data.decode("utf-8", "replace")), join_codes),
    "join_message": Target(read_any_join_message, join_messages),
    "token": Target(read_access_token, tokens),
    "x12": Target(read_x12, interchanges),
    "as2": Target(read_post, posts),
    "as4": Target(read_as4_post, as4_posts),
    "internet_et": Target(read_exchange, exchanges),
    "espi": Target(read_espi, espi_texts),
    "settings": Target(lambda data: parse_settings(data.decode("utf-8", "replace")), settings),
}


def run(name: str, data: bytes) -> None:
    """One input to one target: an error of the program's own is an answer, any other is a finding."""
    try:
        TARGETS[name].read(data)
    except IntertieError:
        return
