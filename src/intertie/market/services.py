"""Which distribution grid services may be dealt in: all of the list, energy only where the cover sheet elects it."""

from __future__ import annotations

from intertie.market.event import Broken, Rule
from intertie.model.agreement import Elections
from intertie.model.contract import Service

ENERGY = Rule(
    "service.energy",
    "Energy is not dealt in unless the cover sheet elects it: its sale for resale is under federal jurisdiction, and this "
    "contract is about services under state or local jurisdiction.",
    "000 Description, sentence 1; Federal Power Act s.201(b)",
)
RULES = (ENERGY,)


def check_service(service: Service, elections: Elections) -> None:
    """Broken for a service that the contract does not cover."""
    if service is Service.ENERGY and not elections.energy:
        raise Broken(ENERGY, ENERGY.text, do="Elect energy on the cover sheet, if you may sell it.")
