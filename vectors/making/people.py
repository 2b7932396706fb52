"""Who signs in these cases: a trial authority, three parties, and certificates that are wrong in one way each."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.serialization import Encoding

from intertie.model.ids import party_id
from intertie.model.party import Role
from intertie.seal.algorithms import generate_signing_key
from intertie.seal.certificates import read_certificate, thumbprint
from intertie.seal.encoding import from_base64url, to_base64url, write_canonical
from intertie.seal.issuing import leaf_certificate
from intertie.seal.jws import sign_json
from intertie.seal.keys import PrivateKeys, SigningKey, generate_keys
from intertie.seal.profile import PROFILES
from intertie.seal.timestamp import request_stamp
from intertie.seal.trial_ca import TrialCa

sys.path.append(str(Path(__file__).parents[2] / "tests"))
from tsa import Tsa

# Now in earnest: the time-stamping authority has no other clock.
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
DAY = timedelta(days=1)
START, END = NOW - 30 * DAY, NOW + 700 * DAY
# Long enough to renew evidence after 2035.
FAR = datetime(2046, 1, 1, tzinfo=UTC)
AGG, UTIL, OTHER = (party_id(name) for name in ("agg.example", "utility.example", "other.example"))
P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

CA = TrialCa.create("Vectors", START, FAR)
BELOW = CA.intermediate("Vectors below", START, FAR)
ROGUE = TrialCa.create("Vectors", START, FAR)


def keys_for(name: str, role: Role, end: datetime = END) -> PrivateKeys:
    return generate_keys(party_id(name), frozenset({role}), CA, NOW, not_before=START, not_after=end)


AGG_KEYS = keys_for(AGG, Role.DER_AGGREGATOR)
UTIL_KEYS = keys_for(UTIL, Role.DISTRIBUTION_UTILITY)
OTHER_KEYS = keys_for(OTHER, Role.DISTRIBUTION_UTILITY)
LATE_KEYS = keys_for(AGG, Role.DER_AGGREGATOR, FAR)


def text(at: datetime) -> str:
    """As in signed JSON."""
    return at.isoformat().replace("+00:00", "Z")


def signers(keys: PrivateKeys, profile: str) -> tuple[SigningKey, ...]:
    return tuple(keys.signing[alg] for alg in PROFILES[profile].signatures)


def wrong_certificates(keys: PrivateKeys) -> dict[str, tuple[SigningKey, str]]:
    """An ES256 key of a party under certificates with one fault, and the refusal."""
    party, good = keys.party, keys.signing["ES256"]

    def under(chain: tuple[bytes, ...]) -> SigningKey:
        return replace(good, chain=chain)

    untrusted, expired = "certificate_untrusted", "certificate_expired"
    return {
        "expired": (under(CA.issue_signing(party, good.key, START, NOW - DAY)), expired),
        "not yet valid": (under(CA.issue_signing(party, good.key, NOW + DAY, END)), expired),
        "under an unknown root": (under(ROGUE.issue_signing(party, good.key, START, END)), untrusted),
        "for TLS only": (under(CA.issue_tls(party, good.key, ["a.example"], START, END)), untrusted),  # type: ignore[arg-type]
        "of another party": (
            under(CA.issue_signing(party_id("third.example"), good.key, START, END)),
            "certificate_not_sender",
        ),
        "with one that nothing needs": (
            under((*good.chain, CA.issue_signing(party, good.key, START, END)[0])),
            untrusted,
        ),
        "without its intermediate": (
            under(BELOW.issue_signing(party, good.key, START, END)[:1]),
            untrusted,
        ),
    }


def mldsa_under_ec(keys: PrivateKeys) -> SigningKey:
    """An ML-DSA key certified by the EC root: whoever breaks elliptic curves could make that certificate."""
    key = keys.signing["ML-DSA-65"]
    leaf = leaf_certificate(keys.party, key.key.public_key(), CA.classical, START, END, purpose="signing")
    return replace(key, chain=(leaf.public_bytes(Encoding.DER),))


def other_curve(keys: PrivateKeys) -> SigningKey:
    """Signs with P-256, the certificate has a P-384 key."""
    chain = CA.issue_signing(keys.party, generate_signing_key("ES384"), START, END)
    return replace(keys.signing["ES256"], chain=chain)


def serial(key: SigningKey) -> str:
    return f"{read_certificate(key.chain[0]).serial_number:x}"


Edit = Callable[[bytes], bytes]


def as_it_is(raw: bytes) -> bytes:
    return raw


@dataclass(frozen=True)
class Signed:
    """A signed object of which any part can be made wrong."""

    body: dict[str, Any]
    typ: str
    signers: Sequence[SigningKey]
    edit_payload: Edit = field(default=as_it_is)
    edit_jws: Edit = field(default=as_it_is)

    def payload(self) -> bytes:
        return self.edit_payload(write_canonical(self.body))

    def raw(self) -> bytes:
        return self.edit_jws(sign_json(self.payload(), self.typ, self.signers))

    def but(self, **body: Any) -> Signed:
        """With other members; a member that is `...` is left out."""
        members = self.body | body
        return replace(self, body={name: value for name, value in members.items() if value is not ...})

    def written(self, old: str, new: str) -> Signed:
        """With other bytes in the payload, then signed."""

        def edit(raw: bytes) -> bytes:
            assert old.encode() in raw, (old, raw)
            return raw.replace(old.encode(), new.encode(), 1)

        return replace(self, edit_payload=edit)

    def by(self, *signers: SigningKey) -> Signed:
        return replace(self, signers=signers)

    def jws(self, edit: Edit) -> Signed:
        return replace(self, edit_jws=edit)


def ecdsa_key(key: SigningKey) -> ec.EllipticCurvePrivateKey:
    assert isinstance(key.key, ec.EllipticCurvePrivateKey)
    return key.key


def mldsa_key(key: SigningKey) -> mldsa.MLDSA65PrivateKey:
    assert isinstance(key.key, mldsa.MLDSA65PrivateKey)
    return key.key


@lru_cache(maxsize=2)
def authority(name: str) -> Tsa:
    """A time-stamping authority: "good" is in signers.json, the others are nobody's."""
    return Tsa(Path(tempfile.mkdtemp()), name, days=3000)


def stamp(data: bytes, name: str = "good") -> bytes:
    return authority(name).reply(request_stamp(data))


def b64(data: bytes) -> str:
    return to_base64url(data)


def unb64(data: str) -> bytes:
    return from_base64url(data)


def writer(keys: PrivateKeys, *more: SigningKey, without: Sequence[str] = ()) -> dict[str, Any]:
    """As whoever checks knows a party: its chains by algorithm, newest first."""
    chains: dict[str, list[list[str]]] = {}
    for key in (*more, *keys.signing.values()):
        if key.alg not in without or key in more:
            chains.setdefault(key.alg, []).append([b64(der) for der in key.chain])
    return {"party": keys.party, "chains": chains, "ends": {}}


def ending(known: dict[str, Any], key: SigningKey, end: datetime) -> dict[str, Any]:
    """The same, one certificate accepted until a time."""
    return known | {"ends": {thumbprint(key.chain[0]).hex(): text(end)}}


WRITERS: dict[str, dict[str, Any]] = {
    "utility": writer(UTIL_KEYS),
    "utility, without certificates": {"party": UTIL, "chains": {}, "ends": {}},
}


def shared() -> dict[str, Any]:
    """What is in signers.json."""
    return {
        "note": "Keys of nobody, made for these cases. Never believe them for anything else.",
        "roots": CA.roots_pem().decode(),
        "tsa_roots": authority("good").root.read_text(encoding="ascii"),
        "writers": WRITERS,
    }
