"""What a gateway does by itself about settlement: `[settlement]` in `intertie.toml`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from intertie.model.record import Record


class Shadow(StrEnum):
    """What happens with a partner's statement or invoice, once it is worked out again here."""

    OFF = "off"
    WATCH = "watch"  # the outcome is logged
    DISPUTE = "dispute"  # and what differs beyond the deal's tolerance is disputed
    ANSWER = "answer"  # and a statement that is right is invoiced


class SettlementSettings(Record, frozen=True, kw_only=True):
    """Shadow settlement (docs/settlement.md)."""

    shadow: Shadow = Shadow.OFF
    # After a statement arrived, so that readings that are on their way count.
    wait_hours: Annotated[float, Meta(ge=0, le=24 * 365)] = 24.0
    # The length of the intervals of readings.
    minutes: Annotated[int, Meta(ge=1, le=1440)] = 15
