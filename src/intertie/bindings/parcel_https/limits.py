"""Step 1 of the order of verification: size, rate and memory, before a byte is parsed.

Ticks are seconds of a monotonic clock: the rehearsal clock of the acts may stand still, traffic does not.
"""

from __future__ import annotations

from threading import Lock

from intertie.gateway.settings import Quota
from intertie.model.ids import PartyId

# Strangers (connections whose certificate names no partner) share one bucket, so that they cannot fill this table.
STRANGER = PartyId("")


class Bucket:
    """A token bucket. May go into debt: what was taken beyond it is waited for by the next one."""

    def __init__(self, rate: float, burst: float, tick: float) -> None:
        self.rate = rate
        self.burst = burst
        self.level = burst
        self.tick = tick

    def wait(self, amount: float, tick: float) -> float:
        """Seconds until `amount` is there; 0.0 if it is there now. An amount over the burst asks for a full bucket."""
        self.level = min(self.burst, self.level + max(0.0, tick - self.tick) * self.rate)
        self.tick = tick
        return max(0.0, (min(amount, self.burst) - self.level) / self.rate)

    def take(self, amount: float) -> None:
        """Take it, into debt if need be."""
        self.level -= amount


class Quotas:
    """What each partner may still send."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._buckets: dict[PartyId, tuple[Bucket, Bucket]] = {}

    def take_parcel(self, party: PartyId, tick: float) -> float:
        """Count one parcel; seconds to wait (then nothing was counted), or 0.0 to go on."""
        parcels, octets = self._of(party, tick)
        wait = max(parcels.wait(1.0, tick), octets.wait(1.0, tick))
        if not wait:
            parcels.take(1.0)
        return wait

    def wait(self, party: PartyId, tick: float) -> float:
        """Seconds until the next parcel would be counted."""
        return max(bucket.wait(1.0, tick) for bucket in self._of(party, tick))

    def take_bytes(self, party: PartyId, count: int, tick: float) -> None:
        """Count bytes as they come; what goes beyond the burst delays the partner's next parcel."""
        octets = self._of(party, tick)[1]
        octets.wait(0.0, tick)
        octets.take(count)

    def _of(self, party: PartyId, tick: float) -> tuple[Bucket, Bucket]:
        if party not in self._buckets:
            quota = self._quota
            self._buckets[party] = (
                Bucket(quota.parcels_per_second, quota.parcels_burst, tick),
                Bucket(quota.bytes_per_second, quota.bytes_burst, tick),
            )
        return self._buckets[party]


class Held:
    """Bytes of bodies in memory, over all connections."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self.count = 0

    def add(self, count: int) -> bool:
        """Count them in; False (and nothing counted) if that would be more than the limit."""
        with self._lock:
            if self.count + count > self._limit:
                return False
            self.count += count
            return True

    def release(self, count: int) -> None:
        """Count them out."""
        with self._lock:
            self.count -= count
