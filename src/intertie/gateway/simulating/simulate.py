"""One turn of a simulated partner: everything that its script has it say at a time, by the role that it plays."""

from __future__ import annotations

from datetime import datetime

from intertie.gateway.gateway import Gateway
from intertie.gateway.simulating import simulate_aggregator as aggregator
from intertie.gateway.simulating import simulate_market as market
from intertie.gateway.simulating import simulate_utility as utility
from intertie.gateway.simulating.simulate_script import Script
from intertie.gateway.simulating.simulate_turn import Memory, Turn, contracts, in_force
from intertie.gateway.trading.sealed_ports import SealedKeys
from intertie.model.ids import PartyId
from intertie.model.party import Role

__all__ = ["Memory", "play"]

UTILITY = (utility.decide, utility.propose_deal, utility.call, market.ask, market.settle)
AGGREGATOR = (
    *(aggregator.register, aggregator.answer_deals, aggregator.declare),
    *(aggregator.answer_calls, aggregator.follow_calls, market.offer, market.answer_counters),
)


def play(
    gateway: Gateway, keys: SealedKeys, partner: PartyId, memory: Memory, script: Script, now: datetime
) -> list[str]:
    """What was said, or could not be, in words. Raises StoreError if the store cannot be read."""
    turn = Turn(gateway, keys, partner, memory, script, now)
    contracts(turn)
    if not in_force(turn):
        return turn.said
    roles = gateway.party.roles
    for each in UTILITY if Role.DISTRIBUTION_UTILITY in roles else ():
        each(turn)
    for each in AGGREGATOR if Role.DER_AGGREGATOR in roles else ():
        each(turn)
    return turn.said
