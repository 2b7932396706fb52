"""Which of our keys speak to a partner: the newest that it knows of."""

from __future__ import annotations

from collections.abc import Mapping

from intertie.gateway.gateway import Gateway
from intertie.model.ids import PartyId
from intertie.seal.certificates import Chain, thumbprint
from intertie.seal.keys import PrivateKeys


def keys_towards(gateway: Gateway, partner: PartyId) -> PrivateKeys:
    """The newest keys in the last descriptor that this partner has acknowledged: what we sign with it can verify."""
    return gateway.ring.known_at(gateway.store.announced(partner))


def own_chains(keys: PrivateKeys) -> Mapping[bytes, Chain]:
    """The chains that these keys sign under, by thumbprint."""
    return {thumbprint(key.chain[0]): key.chain for key in keys.signing.values()}
