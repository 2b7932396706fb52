"""Write vectors/relay_parties.json and the cases of vectors/relay anew: consignments that a relay judges, each with one thing
right or wrong, and evidence of a message that went over relays. Keys and signatures are random, so every file changes: run this
only when the format changes or a case is added, and commit what it writes.

    python vectors/make_relay.py --write
"""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from intertie.catalogue.load import load_catalogue
from intertie.model.ids import ParcelId, PartyId, party_id
from intertie.model.party import Role
from intertie.seal import parcel as parcels
from intertie.seal.encoding import from_base64url, to_base64url, write_canonical
from intertie.seal.evidence import build_evidence
from intertie.seal.evidence_hops import write_hops
from intertie.seal.hop import Hop, sign_hop
from intertie.seal.jws import sign_json
from intertie.seal.keys import PrivateKeys, generate_keys
from intertie.seal.profile import PROFILES, Profile
from intertie.seal.receipt import JournalHead, Outcome, Receipt, sign_receipt
from intertie.seal.tree import leaf_hash
from intertie.seal.trial_ca import TrialCa
from intertie.seal.waybill import Waybill, sign_waybill, write_consignment

HERE = Path(__file__).parent
NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
START, END = NOW - timedelta(days=30), NOW + timedelta(days=700)
HYBRID, CLASSICAL = PROFILES["hybrid"], PROFILES["classical"]
AGG, HUB, US, HOME, STRANGER = (
    party_id(f"{name}.example") for name in ("agg", "hub", "us", "home", "stranger")
)
PARCEL = ParcelId("019aab5c-1c00-7000-8000-000000000001")
CA = TrialCa.create("Relays", START, END)
FLOW = "ET8.charging_command.der_aggregator>gateway_esi.real_time"
CLOSED = "DA.invoice.der_aggregator>distribution_utility.scheduled"
FLOWS = {flow.key: flow.relay for flow in load_catalogue().flows()}


def keys_for(party: PartyId, role: Role) -> PrivateKeys:
    return generate_keys(party, frozenset({role}), CA, NOW, not_before=START, not_after=END)


KEYS = {
    AGG: keys_for(AGG, Role.DER_AGGREGATOR),
    HUB: keys_for(HUB, Role.THIRD_PARTY),
    US: keys_for(US, Role.THIRD_PARTY),
    HOME: keys_for(HOME, Role.GATEWAY_ESI),
    STRANGER: keys_for(STRANGER, Role.DER_AGGREGATOR),
}
MESSAGE = json.dumps(
    {
        "header": {
            "id": "019aab5c-1c00-7000-8000-0000000000a1", "verb": "created", "document": "charging_command",
            "version": 1, "interface": "ET8", "mode": "real_time", "from": AGG, "to": HOME,
            "created": "2026-11-27T12:00:00Z", "expires": "2026-11-27T18:00:00Z",
        },
        "body": {},
    }
).encode()  # fmt: skip
SEALED = parcels._assemble(
    [MESSAGE],
    parcel=PARCEL,
    recipient=KEYS[HOME].public(),
    seq=1,
    created=NOW,
    profile=HYBRID,
    keys=KEYS[AGG],
)
WAYBILL = Waybill(
    v=1,
    parcel=PARCEL,
    digest=hashlib.sha256(SEALED.blob).hexdigest(),
    sender=AGG,
    recipient=HOME,
    created=NOW,
    expires=NOW + timedelta(hours=6),
    hops=3,
    flows=(FLOW,),
)
HOP = Hop(
    v=1,
    status="taken",
    parcel=PARCEL,
    digest=WAYBILL.digest,
    sender=AGG,
    recipient=HOME,
    by=HUB,
    hop=1,
    at=NOW,
    expires=WAYBILL.expires,
    next=US,
    journal=JournalHead(size=1, root="00" * 32),
)


def waybill(signer: PartyId = AGG, profile: Profile = HYBRID, **fields: Any) -> bytes:
    return sign_waybill(replace(WAYBILL, **fields), KEYS[signer], profile)


def hop(signer: PartyId = HUB, profile: Profile = HYBRID, **fields: Any) -> bytes:
    return sign_hop(replace(HOP, **fields), KEYS[signer], profile)


def case(
    name: str,
    expect: str,
    signed: bytes | None = None,
    trail: Sequence[bytes] = (),
    *,
    peer: PartyId | None = None,
    parcel: bytes = SEALED.blob,
    blob: bytes | None = None,
    now: datetime = NOW,
) -> dict[str, Any]:
    whole = write_consignment(signed or waybill(), trail, parcel) if blob is None else blob
    return {
        "name": name,
        "consignment": to_base64url(whole),
        "peer": peer or (HUB if trail else AGG),
        "now": now.isoformat().replace("+00:00", "Z"),
        "expect": expect,
    }


def altered(raw: bytes) -> bytes:
    """A JWS whose first signature has another bit."""
    jws = json.loads(raw)
    value = bytearray(from_base64url(jws["signatures"][0]["signature"]))
    value[0] ^= 1
    jws["signatures"][0]["signature"] = to_base64url(bytes(value))
    return write_canonical(jws)


def consignments() -> Iterator[dict[str, Any]]:
    good, sealed = waybill(), SEALED.blob
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    second = [hop()]
    yield case("from its sender", "ok 1")
    yield case("from another relay", "ok 2", trail=second)
    yield case("a frame of another kind", "bad_frame", blob=b"ITC2" + write_consignment(good, (), sealed)[4:])
    yield case("cut off in the waybill", "bad_frame", blob=write_consignment(good, (), b"")[:200])
    yield case("a waybill larger than allowed", "bad_frame", blob=b"ITC1\xff\xff\xff\xff")
    yield case("without a parcel", "bad_frame", parcel=b"")
    yield case("a waybill that is no JWS", "bad_waybill", b"{}")
    yield case("a hop receipt in place of the waybill", "bad_waybill", hop())
    yield case("a waybill of another parcel id", "bad_waybill", waybill(parcel=PARCEL[:-1] + "2"))
    yield case("a waybill to somebody else", "bad_waybill", waybill(recipient=US))
    yield case("a waybill with its flows twice", "bad_waybill", _twice())
    yield case("a waybill for no relay", "bad_waybill", _written(b'"hops":3', b'"hops":0'))
    yield case("a trail with blanks", "bad_waybill", blob=_with_trail(b"[ ]"))
    yield case("a trail that is no array", "bad_waybill", blob=_with_trail(b"{}"))
    yield case("a sender that is unknown", "unknown_sender", blob=_between(STRANGER, HOME))
    yield case("no route to its recipient", "wrong_recipient", blob=_between(AGG, HUB))
    yield case("handed in by somebody else", "transport_not_sender", peer=HOME)
    yield case("handed in by another relay than had it last", "transport_not_sender", trail=second, peer=AGG)
    yield case("as many relays as its sender allows", "hop_limit", waybill(hops=1), second)
    yield case("back at a relay that had it", "hop_limit", trail=[hop(US, by=US)], peer=US)
    yield case("a relay twice", "hop_limit", trail=[hop(), hop(hop=2)])
    yield case("a hop receipt of another parcel", "bad_waybill", trail=[hop(parcel=PARCEL[:-1] + "2")])
    yield case("a hop receipt of other bytes", "bad_waybill", trail=[hop(digest="ab" * 32)])
    yield case("a hop receipt out of its place", "bad_waybill", trail=[hop(hop=2)])
    yield case("a notice in place of a hop receipt", "bad_waybill", trail=[hop(status="expired")])
    yield case("a hop receipt signed by somebody else", "unknown_certificate", trail=[hop(US)])
    yield case("a hop receipt that was altered", "signature_invalid", trail=[altered(hop())])
    yield case("a hop receipt weaker than the parcel", "protection_too_weak", trail=[hop(profile=CLASSICAL)])
    yield case("a waybill signed by somebody else", "unknown_certificate", waybill(HOME))
    yield case("a waybill that was altered", "signature_invalid", altered(good))
    yield case("a waybill weaker than the parcel", "signature_missing", waybill(profile=CLASSICAL))
    yield case("a parcel that was altered", "root_mismatch", parcel=changed)
    yield case("a waybill of other bytes", "root_mismatch", waybill(digest="ab" * 32))
    yield case("a flow that must not go by a relay", "relay_not_allowed", waybill(flows=(CLOSED,)))
    yield case("one flow of two must not", "relay_not_allowed", waybill(flows=(CLOSED, FLOW)))
    yield case(
        "a flow that there is not", "unknown_flow", waybill(flows=("ET8.nothing.meter>meter.scheduled",))
    )
    yield case("after its end", "expired", now=WAYBILL.expires)
    yield case("a moment before its end", "ok 1", now=WAYBILL.expires - timedelta(seconds=1))


def _between(sender: PartyId, recipient: PartyId) -> bytes:
    """A whole consignment between others."""
    sealed = parcels._assemble(
        [MESSAGE],
        parcel=PARCEL,
        recipient=KEYS[recipient].public(),
        seq=1,
        created=NOW,
        profile=HYBRID,
        keys=KEYS[sender],
    )
    digest = hashlib.sha256(sealed.blob).hexdigest()
    return write_consignment(
        waybill(sender, sender=sender, recipient=recipient, digest=digest), (), sealed.blob
    )


def _twice() -> bytes:
    return _written(f'"flows":["{FLOW}"]'.encode(), f'"flows":["{FLOW}","{FLOW}"]'.encode())


def _written(old: bytes, new: bytes) -> bytes:
    """A waybill with other bytes in its payload, then signed."""
    raw = write_canonical(WAYBILL)
    assert old in raw
    signers = [KEYS[AGG].signing[alg] for alg in HYBRID.signatures]
    return sign_json(raw.replace(old, new), "intertie-waybill+jws", signers)


def _with_trail(trail: bytes) -> bytes:
    good = waybill()
    return b"".join(
        (b"ITC1", struct.pack(">I", len(good)), good, struct.pack(">I", len(trail)), trail, SEALED.blob)
    )


def evidence() -> Iterator[dict[str, Any]]:
    leaf = leaf_hash(MESSAGE)
    receipt = Receipt(
        v=1,
        parcel=PARCEL,
        root=SEALED.root.hex(),
        sender=HOME,
        recipient=AGG,
        received=NOW + timedelta(minutes=1),
        outcomes=(
            Outcome(message="019aab5c-1c00-7000-8000-0000000000a1", leaf=leaf.hex(), status="accepted"),
        ),  # type: ignore[arg-type]
        journal=JournalHead(size=2, root="11" * 32),
    )
    chains = {party: keys.public().signing for party, keys in KEYS.items()}

    def one(name: str, expect: str, statements: Sequence[bytes], reverse: bool = False) -> dict[str, Any]:
        parts = write_hops(statements, chains)
        raw = build_evidence(
            message=MESSAGE,
            index=0,
            leaves=[leaf],
            manifest=SEALED.manifest,
            sender_chains=chains[AGG],
            receipt=sign_receipt(receipt, KEYS[HOME], HYBRID),
            receiver_chains=chains[HOME],
            hops=parts[::-1] if reverse else parts,
        )
        later = NOW + timedelta(hours=1)
        at = later.isoformat().replace("+00:00", "Z")
        return {"name": name, "evidence": to_base64url(raw), "now": at, "expect": expect}

    two = [hop(), hop(US, by=US, hop=2, next=HOME)]
    yield one("evidence with one relay", "ok", two[:1])
    yield one("evidence with two relays", "ok", two)
    yield one("evidence with a notice", "ok", [two[0], hop(status="expired")])
    yield one("evidence with relays out of order", "step 14", two, reverse=True)
    yield one("evidence with a hop receipt of another parcel", "step 14", [hop(parcel=PARCEL[:-1] + "2")])
    yield one("evidence with a hop receipt to somebody else", "step 14", [hop(recipient=US)])
    yield one(
        "evidence with hop receipts of different bytes",
        "step 14",
        [two[0], hop(US, by=US, hop=2, digest="ab" * 32)],
    )
    yield one("evidence with a confirmation in place of a hop receipt", "step 14", [hop(status="returned")])
    yield one("evidence with a hop receipt weaker than the parcel", "step 14", [hop(profile=CLASSICAL)])
    yield one(
        "evidence with a hop receipt before its certificate", "step 15", [hop(at=START - timedelta(days=1))]
    )
    yield one("evidence with a hop receipt that was altered", "step 16", [altered(hop())])


def parties() -> dict[str, Any]:
    """What the relay knows: roots, chains of its partners, its routes, and which flows may go by a relay."""
    known = {
        party: {
            alg: [[to_base64url(der) for der in chain] for chain in chains]
            for alg, chains in keys.public().signing.items()
        }
        for party, keys in KEYS.items()
        if party not in (US, STRANGER)
    }
    return {
        "us": US,
        "roots": CA.trust().pem().decode(),
        "parties": known,
        "routes": [{"from": AGG, "to": HOME}],
        "flows": FLOWS,
    }


def main() -> None:
    if sys.argv[1:] != ["--write"]:
        print(__doc__)
        return
    place = HERE / "relay"
    place.mkdir(exist_ok=True)
    for old in place.glob("*.json"):
        old.unlink()
    count = 0
    for one in (*consignments(), *evidence()):
        file = place / f"{one['name'].replace(' ', '_')}.json"
        assert not file.exists(), one["name"]
        file.write_text(json.dumps(one, indent=1) + "\n", encoding="utf-8")
        count += 1
    (HERE / "relay_parties.json").write_text(json.dumps(parties(), indent=1) + "\n", encoding="utf-8")
    print(f"relay: {count} cases")


if __name__ == "__main__":
    main()
