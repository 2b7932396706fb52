"""What commands about a customer's consent share."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from intertie.cli._shared import print_json, when
from intertie.gateway.espi.espi_ports import Consent

# As long as custodians usually let a customer consent at once.
DAYS = 365.0


def life(days: float) -> timedelta:
    """How long it counts."""
    return timedelta(days=days)


def consent_json(one: Consent) -> dict[str, Any]:
    """A consent as programs see it."""
    return {
        "consent": one.id,
        "client_id": one.application,
        "customer": one.customer,
        "meters": list(one.meters),
        "scope": one.scope,
        "made": one.made,
        "until": one.until,
        "revoked": one.revoked,
    }


def print_consent(one: Consent, json: bool) -> None:
    """A consent that was given."""
    if json:
        print_json(consent_json(one))
    else:
        print(f"Consent {one.id}: {len(one.meters)} meters until {when(one.until)}, {one.scope}.")
