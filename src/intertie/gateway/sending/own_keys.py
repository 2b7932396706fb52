"""Which of our keys speak to a partner: the newest that it knows of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from intertie.gateway.gateway import Gateway
from intertie.journal.entry import Entry, Kind
from intertie.model.ids import ParcelId, PartyId
from intertie.seal.certificates import Chain, thumbprint
from intertie.seal.jws import Signature, read_jws
from intertie.seal.keys import PrivateKeys
from intertie.seal.profile import profile_of_algorithms
from intertie.seal.receipt import RECEIPT_BYTES_MAX, RECEIPT_TYP, read_receipt, sign_receipt


def keys_towards(gateway: Gateway, partner: PartyId, now: datetime) -> PrivateKeys:
    """The newest keys in the last descriptor that this partner has acknowledged: what we sign with it can verify. If one
    of them is revoked it can not, and the newest keys of all are all that is left."""
    keys = gateway.ring.known_at(gateway.store.announced(partner))
    trust = gateway.trust
    if any(trust.is_revoked(key.chain[0], now) for key in keys.signing.values()):
        return gateway.keys
    return keys


def own_chains(keys: PrivateKeys) -> Mapping[bytes, Chain]:
    """The chains that these keys sign under, by thumbprint."""
    return {thumbprint(key.chain[0]): key.chain for key in keys.signing.values()}


def good_receipt(gateway: Gateway, partner: PartyId, parcel: ParcelId, raw: bytes, now: datetime) -> bytes:
    """A receipt that we wrote before: the very same bytes as long as they can verify. If a certificate it is signed under
    was revoked or is not accepted any more, the same statement, signed again; the journal notes that."""
    signatures = read_jws(raw, RECEIPT_TYP, limit=RECEIPT_BYTES_MAX)
    if all(_counts(gateway, signature, now) for signature in signatures.signatures):
        return raw
    keys = keys_towards(gateway, partner, now)
    again = sign_receipt(read_receipt(signatures.payload), keys, profile_of_algorithms(signatures.algorithms))
    gateway.store.keep_chains(own_chains(keys))
    digest = hashlib.sha256(again).hexdigest()
    entry = Entry(
        kind=Kind.RECEIPT_OUT, at=now, partner=partner, parcel=parcel, digest=digest, note="signed again"
    )
    gateway.store.note([entry])
    return again


def _counts(gateway: Gateway, signature: Signature, now: datetime) -> bool:
    """Whether partners still accept this signature of ours."""
    for chain in gateway.keys.public().signing_at(now).get(signature.alg, ()):
        if thumbprint(chain[0]) == signature.thumbprint:
            return not gateway.trust.is_revoked(chain[0], now)
    return False
