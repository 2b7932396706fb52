"""The certificates that a kept signature names: those that were kept with it, else the party's present ones."""

from __future__ import annotations

from intertie.gateway.gateway import Gateway
from intertie.model.ids import PartyId
from intertie.seal.jws import Chains, Jws


def chains_for(gateway: Gateway, jws: Jws, party: PartyId) -> Chains:
    """By algorithm; an algorithm is left out if nothing is known of its certificate any more."""
    present = _present(gateway, party)
    found = {}
    for signature in jws.signatures:
        kept = gateway.store.chain(signature.thumbprint)
        chains = (kept,) if kept is not None else tuple(present.get(signature.alg, ()))
        if chains:
            found[signature.alg] = chains
    return found


def _present(gateway: Gateway, party: PartyId) -> Chains:
    """Our own certificates or the partner's; none of a party that is no partner any more."""
    if party == gateway.party.id:
        return gateway.keys.public().signing
    partner = gateway.partners.find(party)
    return partner.keys.signing if partner is not None else {}
