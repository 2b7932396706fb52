"""How much one partner may send: what holds for all, and what was agreed with one."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from intertie.model.record import Record

Rate = Annotated[float, Meta(gt=0)]
Burst = Annotated[float, Meta(ge=1)]
# Beyond this a partner holds more of the door than all threads together could serve.
InFlight = Annotated[int, Meta(ge=1, le=1024)]


class Quota(Record, frozen=True, kw_only=True):
    """How much one partner may send; bursts are what a bucket holds when full."""

    # A partner with all eighteen interfaces at full real-time rate stays well under this.
    parcels_per_second: Rate = 50.0
    parcels_burst: Burst = 500.0
    # 32 MiB/s is a quarter of a gigabit line.
    bytes_per_second: Rate = 32.0 * 1024 * 1024
    bytes_burst: Burst = 512.0 * 1024 * 1024
    # Far above what the trade needs, a million DERs read every quarter of an hour being a thousand a second; it bounds
    # what one partner can make us write.
    messages_per_second: Rate = 30_000.0
    messages_burst: Burst = 500_000.0
    # Being received at once. A delivery loop sends one after the other; repeats and several processes need few more.
    parcels_in_flight: InFlight = 8
    # Parcels that say they are urgent and are believed: outages and dispatches come in tens, not in thousands.
    urgent_per_second: Rate = 10.0
    urgent_burst: Burst = 100.0


class OwnQuota(Record, frozen=True, kw_only=True):
    """`[quota]` of one partner: what it names stands before what holds for all."""

    parcels_per_second: Rate | None = None
    parcels_burst: Burst | None = None
    bytes_per_second: Rate | None = None
    bytes_burst: Burst | None = None
    messages_per_second: Rate | None = None
    messages_burst: Burst | None = None
    parcels_in_flight: InFlight | None = None
    urgent_per_second: Rate | None = None
    urgent_burst: Burst | None = None

    def over(self, common: Quota) -> Quota:
        """The quota of this partner."""
        return msgspec.structs.replace(common, **self.named())

    def named(self) -> dict[str, float]:
        """What it names."""
        values = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return {name: value for name, value in values if value is not None}
