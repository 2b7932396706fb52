"""Write vectors/identities.json and vectors/parcel/*.json anew. Signatures are random, so every file changes: run this
only when the format changes or a case is added, and commit what it writes.

    python vectors/make.py --write
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from intertie.model.ids import party_id
from intertie.model.party import Role
from intertie.seal.algorithms import generate_signing_key
from intertie.seal.certificates import read_certificate
from intertie.seal.encoding import from_base64url, to_base64url, write_canonical
from intertie.seal.hpke import seal
from intertie.seal.jws import sign_json
from intertie.seal.keys import PrivateKeys, SigningKey, generate_keys
from intertie.seal.profile import PROFILES, Profile
from intertie.seal.tree import leaf_hash, root
from intertie.seal.trial_ca import TrialCa, _leaf, _sign

HERE = Path(__file__).parent
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
START, END = NOW - timedelta(days=30), NOW + timedelta(days=700)
AGG, UTIL, OTHER = (party_id(name) for name in ("agg.example", "utility.example", "other.example"))
CLASSICAL, HYBRID, HIGH = PROFILES["classical"], PROFILES["hybrid"], PROFILES["hybrid-high"]
MESSAGES = [b'{"header":{},"body":{"n":%d}}' % n for n in range(3)]
TYP = "intertie-manifest+jws"
LIMIT = 1 << 20

CA = TrialCa.create("Vectors", START, END)
ROGUE = TrialCa.create("Vectors", START, END)
KEYS = generate_keys(AGG, frozenset({Role.DER_AGGREGATOR}), CA, NOW, not_before=START, not_after=END)
UTIL_KEYS = generate_keys(UTIL, frozenset({Role.DISTRIBUTION_UTILITY}), CA, NOW, not_before=START, not_after=END)
OTHER_KEYS = generate_keys(OTHER, frozenset({Role.DER_AGGREGATOR}), CA, NOW, not_before=START, not_after=END)


def with_chain(key: SigningKey, chain: tuple[bytes, ...]) -> SigningKey:
    return replace(key, chain=chain)


ES256 = KEYS.signing["ES256"]
EXPIRED = with_chain(ES256, CA.issue_signing(AGG, ES256.key, START, NOW - timedelta(days=1)))
FUTURE = with_chain(ES256, CA.issue_signing(AGG, ES256.key, NOW + timedelta(days=1), END))
UNTRUSTED = with_chain(ES256, ROGUE.issue_signing(AGG, ES256.key, START, END))
TLS = with_chain(ES256, CA.issue_tls(AGG, ES256.key, ["agg.example"], START, END))  # type: ignore[arg-type]
OF_OTHER = with_chain(ES256, CA.issue_signing(OTHER, ES256.key, START, END))
SPARE = with_chain(ES256, (*ES256.chain, CA.issue_signing(AGG, ES256.key, START, END)[0]))
P384_KEY = generate_signing_key("ES384")
WRONG_CURVE = with_chain(ES256, CA.issue_signing(AGG, P384_KEY, START, END))
MLDSA = KEYS.signing["ML-DSA-65"]


def mixed_family() -> SigningKey:
    """The ML-DSA key certified by the EC root: whoever breaks EC could do that."""
    root_ = CA.classical
    builder = _leaf(AGG, MLDSA.key.public_key(), root_, START, END, commitment=True, hosts=())
    from_ec = _sign(builder, root_.key)
    return with_chain(MLDSA, (from_ec.public_bytes(serialization_der()),))


def serialization_der() -> Any:
    return Encoding.DER


from cryptography.hazmat.primitives.serialization import Encoding  # noqa: E402

MIXED = mixed_family()

SENDERS: dict[str, list[SigningKey]] = {
    "agg": list(KEYS.signing.values()),
    "agg expired": [EXPIRED],
    "agg not yet valid": [FUTURE],
    "agg under an unknown root": [UNTRUSTED],
    "agg with a TLS certificate": [TLS],
    "agg with another party's certificate": [OF_OTHER],
    "agg with a certificate nothing needs": [SPARE],
    "agg with a key of another curve": [WRONG_CURVE],
    "agg with an ML-DSA key under the EC root": [ES256, MIXED],
    "agg without certificates": [],
}
