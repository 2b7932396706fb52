"""Who takes part: the fourteen roles of the mission and a party that holds some of them."""

from __future__ import annotations

from enum import StrEnum

from intertie.model.ids import PartyName, ShortText
from intertie.model.record import Record, RuleError


class Role(StrEnum):
    """An actor of the mission documents."""

    DISTRIBUTION_UTILITY = "distribution_utility"
    DER_AGGREGATOR = "der_aggregator"
    ISO_RTO = "iso_rto"
    SCADA_DMS = "scada_dms"
    MARKET_CLEARINGHOUSE = "market_clearinghouse"
    BACK_OFFICE = "back_office"
    GATEWAY_ESI = "gateway_esi"
    CUSTOMER_EMS = "customer_ems"
    EVSE_PEV = "evse_pev"
    SUBMETER_EUMD = "submeter_eumd"
    METER = "meter"
    UTILITY_APPS = "utility_apps"
    AGENCY = "agency"
    THIRD_PARTY = "third_party"


class Party(Record, frozen=True, kw_only=True):
    """An organisation or system with an identity; certificates and keys are bound to `id`."""

    id: PartyName
    name: ShortText
    roles: frozenset[Role]

    def check(self) -> None:
        """A party without a role can neither send nor receive anything."""
        if not self.roles:
            raise RuleError("roles: a party holds at least one role")
